"""What FHIR adds: extensions, references, terminology, profiles.

Spec: fhirpath.html#functions
"""

from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items, lent
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.node import Node, members, of_type, root, system
from fhir_server.fhirpath.operators.singleton import EMPTY, FALSE, boolean, one, text
from fhir_server.foundation.structure import ABSTRACT_TYPES, DATA_TYPES, RESOURCE_TYPES

CORE_PROFILES: Final = "http://hl7.org/fhir/StructureDefinition/"


def _extension(frame: Frame, items: Items, url: Items) -> Items:
    sought = text(url, "extension()")
    if sought is None:
        return EMPTY
    nodes = [node for item in items if item.__class__ is Node for node in members(item, "extension")]
    frame.charge(len(nodes))
    return [node for node in nodes if isinstance(node.value, dict) and node.value.get("url") == sought]


def _has_value(frame: Frame, items: Items) -> Items:
    if len(items) != 1:
        return FALSE
    value = system(items[0])
    return boolean(value is not None and not _is_complex(items[0]))


def _is_complex(item: Any) -> bool:
    return item.__class__ is Node and item.value.__class__ is dict


def _get_value(frame: Frame, items: Items) -> Items:
    if len(items) != 1 or _is_complex(items[0]):
        return EMPTY
    value = system(items[0])
    return EMPTY if value is None else [value]


def _resolve(frame: Frame, items: Items) -> Items:
    frame.charge(len(items) * 10)
    found = (_target(frame, item) for item in items)
    return [node for node in found if node is not None]


def _reference(item: Any) -> str | None:
    value = item.value if item.__class__ is Node else item
    if isinstance(value, dict):
        value = value.get("reference")
    return value if isinstance(value, str) else None


def _target(frame: Frame, item: Any) -> Node | None:
    """Find what a reference points to: a contained resource, an entry of the Bundle around it, or the caller's."""
    reference = _reference(item)
    if reference is None:
        return None
    node = item if item.__class__ is Node else next(iter(frame.start), None)
    container = container_of(node) if node.__class__ is Node else None
    if reference.startswith("#"):
        return container and _contained(container, reference[1:])
    entry = _entry(container, reference) if container is not None else None
    if entry is not None:
        return entry
    resource = lent(frame.context.resolve, "resolve")(reference)
    return None if resource is None else root(resource)


def _contained(container: Node, name: str) -> Node | None:
    if not name:
        return container
    return next((node for node in members(container, "contained") if node.value.get("id") == name), None)


def _entry(container: Node, reference: str) -> Node | None:
    entry = container.parent
    bundle = entry.parent if entry is not None else container
    if bundle is None or bundle.type.name != "Bundle":
        return None
    base = _base(entry, container) if entry is not None else ""
    for candidate in members(bundle, "entry"):
        full_url = candidate.value.get("fullUrl")
        if full_url is not None and full_url in (reference, base + reference):
            return next(iter(members(candidate, "resource")), None)
    return None


def _base(entry: Node, resource: Node) -> str:
    """Return what stands before `Patient/1` in the fullUrl of an entry."""
    tail = f"{resource.type.name}/{resource.value.get('id')}"
    full_url = str(entry.value.get("fullUrl", ""))
    return full_url.removesuffix(tail) if full_url.endswith(tail) else ""


def resource_of(node: Node) -> Node:
    """Return the nearest resource that a node is in: `%resource`."""
    place = node
    while not place.type.is_resource and place.parent is not None:
        place = place.parent
    return place


def container_of(node: Node) -> Node:
    """Return the resource that is not itself contained: `%rootResource`."""
    found = resource_of(node)
    while found.key == "contained" and found.parent is not None:
        found = resource_of(found.parent)
    return found


def _member_of(frame: Frame, items: Items, value_set: Items) -> Items:
    url = text(value_set, "memberOf()")
    if len(items) != 1 or url is None:
        return EMPTY
    return boolean(lent(frame.context.member_of, "memberOf")(items[0], url))


def _subsumes(frame: Frame, items: Items, other: Items) -> Items:
    if len(items) != 1 or len(other) != 1:
        return EMPTY
    return boolean(lent(frame.context.subsumes, "subsumes")(items[0], other[0]))


def _subsumed_by(frame: Frame, items: Items, other: Items) -> Items:
    return _subsumes(frame, other, items)


def _conforms_to(frame: Frame, items: Items, profile: Items) -> Items:
    """Answer for a type of FHIR itself by the type; ask the caller about any other profile."""
    url = text(profile, "conformsTo()")
    if len(items) != 1 or url is None or items[0].__class__ is not Node:
        return EMPTY
    name = url.removeprefix(CORE_PROFILES)
    if name != url and name in RESOURCE_TYPES | DATA_TYPES | ABSTRACT_TYPES and frame.context.conforms_to is None:
        return boolean(f"FHIR.{name}" in items[0].type.ancestors)
    found = lent(frame.context.conforms_to, "conformsTo")(items[0], url)
    if found is None:
        raise EvaluationFailed(f"The profile '{url[:200]}' is not known here.")
    return boolean(found)


def _check_modifiers(frame: Frame, items: Items, *allowed: Items) -> Items:
    """Answer the input when it has no modifier extensions but those whose urls are given."""
    urls = {text(one, "checkModifiers()") for one in allowed}
    for item in items:
        found = members(item, "modifierExtension") if item.__class__ is Node else []
        unknown = next((str(node.value.get("url")) for node in found if node.value.get("url") not in urls), None)
        if unknown is not None:
            raise EvaluationFailed(f"The modifier extension '{unknown[:200]}' changes the meaning of what is read.")
    return items


def _element_definition(frame: Frame, items: Items) -> Items:
    define = lent(frame.context.element_definition, "elementDefinition")
    frame.charge(len(items) * 100)
    found = (define(item) for item in items if item.__class__ is Node)
    return [of_type(definition, "ElementDefinition") for definition in found if definition is not None]


def _slice(frame: Frame, items: Items, structure: Items, name: Items) -> Items:
    url, sought = text(structure, "slice()"), text(name, "slice()")
    if url is None or sought is None:
        return EMPTY
    is_in = lent(frame.context.is_in_slice, "slice")
    frame.charge(len(items) * 100)
    return [item for item in items if item.__class__ is Node and is_in(item, url, sought)]


def _html_checks(frame: Frame, items: Items) -> Items:
    value = one(items, "htmlChecks()")
    if not isinstance(value, str):
        return EMPTY
    return boolean(lent(frame.context.checks_html, "htmlChecks")(value))


FHIR: Final = {
    "extension": Function(_extension, "v", 1, "Extension"),
    "hasValue": Function(_has_value, answers="Boolean"),
    "getValue": Function(_get_value),
    "resolve": Function(_resolve),
    "memberOf": Function(_member_of, "v", 1, "Boolean"),
    "subsumes": Function(_subsumes, "v", 1, "Boolean"),
    "subsumedBy": Function(_subsumed_by, "v", 1, "Boolean"),
    "conformsTo": Function(_conforms_to, "v", 1, "Boolean"),
    "checkModifiers": Function(_check_modifiers, "vvvvvvvv", 0, "input"),
    "elementDefinition": Function(_element_definition),
    "slice": Function(_slice, "vv", 2, "input"),
    "htmlChecks": Function(_html_checks, answers="Boolean"),
}
