"""Access rows: internal index parameters that say who deposited, wrote, masked and governs a resource.

Spec: security.html#labels, references.html#literal
"""

import re
from collections.abc import Iterable
from typing import Any, Final, cast

from fhir_server.foundation import fhir_json
from fhir_server.search.condition import NEVER, Compare, Condition, any_of
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, IndexRow

AUTHOR: Final = "_author"
DEPOSITOR: Final = "_depositor"
DOCUMENT: Final = "_document"
ATTACHMENT: Final = "_attachment"
REPLACES: Final = "_replaces"
LABEL: Final = "_label"
DOCUMENT_TYPE: Final = "_documentType"
DOCUMENT_CLASS: Final = "_documentClass"

_LOCAL = re.compile(
    r"([A-Z][A-Za-z]{1,63})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?(?:#.*)?", re.ASCII
)


def local_reference(text: Any) -> str:
    """Return `Type/id` of a relative literal reference, without version and fragment; "" for anything else."""
    found = _LOCAL.fullmatch(text) if isinstance(text, str) else None
    return f"{found[1]}/{found[2]}" if found else ""


def references_of(elements: Any) -> list[str]:
    """Return the local references of a Reference element or a list of them; others are passed over."""
    listed = elements if isinstance(elements, list) else [elements]
    found = (local_reference(one.get("reference")) for one in listed if isinstance(one, dict))
    return [reference for reference in found if reference]


def reference_row(parameter: str, reference: str) -> IndexRow:
    """Return the REFERENCE row of an internal parameter for a local reference."""
    target_type, _, target_id = reference.partition("/")
    return (REFERENCE, parameter, 0, target_type, target_id, "")


def refers_to(parameter: str, references: Iterable[str]) -> Condition:
    """Return the condition that a reference parameter names one of the local references; NEVER for none."""
    by_type: dict[str, list[str]] = {}
    for reference in references:
        target_type, _, target_id = reference.partition("/")
        if target_id:
            by_type.setdefault(target_type, []).append(target_id)
    return any_of(*(_names(parameter, target_type, ids) for target_type, ids in by_type.items())) if by_type else NEVER


def _names(parameter: str, target_type: str, ids: list[str]) -> Compare:
    test = ("target_id", "eq", ids[0]) if len(ids) == 1 else ("target_id", "in", tuple(ids))
    return Compare(REFERENCE, parameter, (("target_type", "eq", target_type), test))


def in_record(patient_id: str) -> Condition:
    """Return the condition that a resource is in the compartment of a patient; NEVER without a patient."""
    return Compare(COMPARTMENT, "Patient", (("compartment_id", "eq", patient_id),)) if patient_id else NEVER


def in_another_record(patient_id: str) -> Condition:
    """Return the condition that a resource is (also) in the compartment of some other patient."""
    return Compare(COMPARTMENT, "Patient", (("compartment_id", "ne", patient_id),))


def at_home(resource: dict[str, Any], base_urls: tuple[str, ...]) -> dict[str, Any]:
    """Return a resource whose absolute references below one of our addresses are relative; itself when it has none.

    `base_urls` are without a final slash.
    """
    prefixes = tuple(f"{base_url}/" for base_url in base_urls)
    if not prefixes or not _mentions(resource, prefixes):
        return resource
    return cast("dict[str, Any]", _at_home(resource, prefixes))


def _mentions(resource: dict[str, Any], prefixes: tuple[str, ...]) -> bool:
    """Say whether an address of ours stands anywhere in a resource: writing it once is cheaper than a walk."""
    content = fhir_json.format(resource)
    return any(prefix.encode() in content for prefix in prefixes)


def _at_home(node: Any, prefixes: tuple[str, ...]) -> Any:
    if isinstance(node, str):
        found = next((prefix for prefix in prefixes if node.startswith(prefix)), "")
        return node[len(found) :] if found else node
    if isinstance(node, dict):
        members = {name: _at_home(value, prefixes) for name, value in node.items()}
        return members if any(members[name] is not value for name, value in node.items()) else node
    if isinstance(node, list):
        items = [_at_home(value, prefixes) for value in node]
        return items if any(item is not value for item, value in zip(items, node, strict=True)) else node
    return node
