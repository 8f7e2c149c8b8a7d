"""Subset: the parts of a resource that `_summary` and `_elements` ask for.

Spec: search.html#summary, search.html#elements
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.structure import Element, Structure, structure

SUBSETTED: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
ALWAYS_KEPT: Final = frozenset({"resourceType", "id", "meta"})
SUMMARIES: Final = ("", "false", "true", "text", "data")

Keeps = Callable[[Element], bool]


def subset_asked(content: bytes, parameters: tuple[tuple[str, str], ...]) -> bytes:
    """Return the content as `_summary` and `_elements` among the parameters ask; the same bytes when they do not."""
    summary, elements = "", ""
    for name, value in parameters:
        if name == "_summary":
            summary = value
        elif name == "_elements":
            elements = value
    names = tuple(name.strip() for name in elements.split(",") if name.strip())
    return subset_content(content, summary, names)


def subset_content(content: bytes, summary: str, elements: tuple[str, ...]) -> bytes:
    """Return stored content cut down to what is asked. Raises BadRequest for an unknown `_summary`."""
    if summary not in SUMMARIES:
        raise BadRequest(f"_summary={summary[:50]} is none of true, text, data, false (and count, in searches).")
    if summary in ("", "false") and not elements:
        return content
    return fhir_json.format(subset(fhir_json.parse(content), summary, elements))


def subset(resource: dict[str, Any], summary: str, elements: tuple[str, ...]) -> dict[str, Any]:
    """Return a copy with fewer elements and the SUBSETTED tag; mandatory and modifier elements always stay."""
    resource_type = resource["resourceType"]
    definition = structure(resource_type)
    if elements:
        kept = _cut(resource, definition, _keeps_named(definition, elements))
    elif summary == "data":
        kept = {name: value for name, value in resource.items() if name != "text"}
    elif summary == "text":
        kept = _cut(resource, definition, lambda element: element.name == "text" or _is_mandatory(element, definition))
    else:
        kept = _summarize(resource, definition)
    meta = dict(kept.get("meta", {}))
    meta["tag"] = [*meta.get("tag", ()), SUBSETTED]
    return {**kept, "meta": meta}


def _is_mandatory(element: Element, definition: Structure) -> bool:
    choice = definition.choices.get(element.choice)
    return element.minimum > 0 or (choice is not None and choice.is_required)


def _keeps_named(definition: Structure, elements: tuple[str, ...]) -> Keeps:
    names = {name.removeprefix(f"{definition.name}.").split(".")[0] for name in elements}

    def keeps(element: Element) -> bool:
        return (
            element.name in names
            or element.choice.removesuffix("[x]") in names
            or _is_mandatory(element, definition)
            or element.is_modifier
        )

    return keeps


def _cut(resource: dict[str, Any], definition: Structure, keeps: Keeps) -> dict[str, Any]:
    kept = {}
    for name, value in resource.items():
        element = definition.elements.get(name.removeprefix("_"))
        if name in ALWAYS_KEPT or (element is not None and keeps(element)):
            kept[name] = value
    return kept


def _summarize(node: dict[str, Any], definition: Structure) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for name, value in node.items():
        element = definition.elements.get(name.removeprefix("_"))
        if name in ALWAYS_KEPT:
            kept[name] = value
        elif element is not None and (element.is_summary or element.is_modifier or _is_mandatory(element, definition)):
            # Only elements of the resource itself are cut: data types stay whole.
            kept[name] = _summarize_all(value, structure(element.class_name)) if "." in element.class_name else value
    return kept


def _summarize_all(value: Any, definition: Structure) -> Any:
    if isinstance(value, list):
        return [_summarize(item, definition) if isinstance(item, dict) else item for item in value]
    return _summarize(value, definition) if isinstance(value, dict) else value
