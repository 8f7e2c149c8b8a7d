"""Nodes: a place in a resource with its type, and the way back to the root.

Spec: https://hl7.org/fhirpath/N1/#path-selection, fhirpath.html#types, json.html#primitive
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from fhir_server.fhirpath.types import UNTYPED, Slot, Type, system_type, type_of, type_of_value, types_at
from fhir_server.fhirpath.values.quantity import Quantity, from_fhir
from fhir_server.foundation.structure import PRIMITIVES

UCUM_URL: Final = "http://unitsofmeasure.org"


class Node(msgspec.Struct, eq=False, gc=False):
    """Hold an element of a resource: `value` is its JSON, None for a primitive that has only extensions.

    `parent`, `key` (as in JSON: `valueQuantity`) and `index` (-1 when `key` holds no list) say where it stands, so
    that `parent.value[key][index]` is `value`. `extension` is what JSON holds under `_key`. `gc` is off because nodes
    point only to their parents.
    """

    value: Any
    type: Type
    parent: "Node | None" = None
    key: str = ""
    index: int = -1
    extension: Mapping[str, Any] | None = None


def root(resource: Mapping[str, Any]) -> Node:
    """Return the node of a whole resource; its type is its resourceType."""
    name = resource.get("resourceType")
    return Node(resource, type_of(name) if isinstance(name, str) else UNTYPED)


def of_type(value: Any, path: str, parent: Node | None = None, key: str = "", index: int = -1) -> Node:
    """Return the node of an element whose type is known by name or path: `HumanName`, `Patient.contact`.

    A path that FHIR does not define, or that ends in a choice of types, gives a node of untyped JSON.
    """
    known = types_at(path)
    return Node(value, known[0] if len(known) == 1 else UNTYPED, parent, key, index)


def typed(value: Any, type_suffix: str) -> Node:
    """Return a node of its own of what `value[x]` holds; `type_suffix` is what stands for x: `String`, `HumanName`."""
    small = f"{type_suffix[:1].lower()}{type_suffix[1:]}"
    return of_type(value, small if small in PRIMITIVES else type_suffix)


def members(node: Node, name: str) -> list[Any]:
    """Return the children of that name."""
    kind, value = node.type, node.value
    if value.__class__ is not dict:
        return _below_primitive(node, name)
    slots = kind.named.get(name)
    if slots is None:
        if kind.is_untyped and (name in value or f"_{name}" in value):
            return _untyped(node, name)
        return [Node(value[name], system_type("String"), node, name)] if _names_its_type(value, name) else []
    found: list[Any] = []
    for slot in slots:
        if slot.key in value or (slot.under and slot.under in value):
            found.extend(fill(node, slot))
    return found


def _names_its_type(value: Mapping[str, Any], name: str) -> bool:
    return name == "resourceType" and name in value


def children(node: Node) -> Iterator[Node]:
    """Yield every child, in the order of JSON."""
    if node.value.__class__ is not dict:
        for name in ("id", "extension"):
            yield from _below_primitive(node, name)
        return
    by_key = node.type.by_key
    for key in node.value:
        plain = key.removeprefix("_")
        if plain != key and plain in node.value:
            continue
        slot = by_key.get(plain)
        if slot is not None:
            yield from fill(node, slot)
        elif node.type.is_untyped and key != "resourceType":
            yield from _untyped(node, plain)


def fill(node: Node, slot: Slot) -> list[Node]:
    """Return the nodes of one slot."""
    value = node.value.get(slot.key)
    under = node.value.get(slot.under) if slot.under else None
    if value.__class__ is list or under.__class__ is list:
        return list(_items(node, slot, value, under))
    if value is None and under is None:
        return []
    return [_node(value, slot.type, node, (slot.key, -1), under)]


def _items(node: Node, slot: Slot, values: Any, under: Any) -> Iterator[Node]:
    values = values if values.__class__ is list else []
    under = under if under.__class__ is list else []
    for index in range(max(len(values), len(under))):
        value = values[index] if index < len(values) else None
        extension = under[index] if index < len(under) else None
        if value is not None or extension is not None:
            yield _node(value, slot.type, node, (slot.key, index), extension)


def _node(value: Any, kind: Type, parent: Node, place: tuple[str, int], extension: Any) -> Node:
    if kind.is_any_resource and value.__class__ is dict:
        kind = type_of(str(value.get("resourceType", "")))
    elif kind.is_untyped and value.__class__ is not dict:
        kind = type_of_value(value) if value is not None else UNTYPED
    return Node(value, kind, parent, place[0], place[1], extension if extension.__class__ is dict else None)


def _untyped(node: Node, name: str) -> list[Any]:
    value = node.value.get(name)
    known = UNTYPED
    if value.__class__ is dict and "resourceType" in value:
        known = type_of(str(value["resourceType"]))
    return fill(node, Slot(name, name, f"_{name}", known, value.__class__ is list, is_primitive=True))


_ELEMENT: Final = type_of("Element")


def _below_primitive(node: Node, name: str) -> list[Any]:
    """Return the id and extensions of a primitive."""
    if node.extension and name in ("id", "extension"):
        found = fill(Node(node.extension, _ELEMENT, node), _ELEMENT.by_key[name])
        for child in found:
            child.parent = node
        return found
    return []


def system(item: Any) -> Any:
    """Return the System value of an item: of a primitive its value, of a FHIR Quantity a Quantity; else the item.

    None for a primitive without value.
    """
    if item.__class__ is not Node:
        return item
    kind = item.type
    if kind.is_quantity:
        return quantity_of(item) or item
    if item.value.__class__ is dict:
        return item
    return None if item.value is None else kind.convert(item.value)


def quantity_of(node: Node) -> Quantity | None:
    """Return a FHIR Quantity as a System one; None when it has a comparator or no value.

    Choice: without a system, the code or the unit is read as UCUM. A code of another system becomes `system|code`,
    which compares with the same code alone.
    """
    value = node.value
    if value.__class__ is not dict or "comparator" in value:
        return None
    number, system_url = _number(value.get("value")), value.get("system", UCUM_URL)
    unit = value.get("code") or ("" if "system" in value else value.get("unit", ""))
    if number is None or not isinstance(unit, str):
        return None
    return from_fhir(number, unit) if system_url == UCUM_URL else Quantity(number, f"{system_url}|{unit}")


_DECIMAL: Final = type_of("decimal")


def _number(value: Any) -> Any:
    return None if value is None or isinstance(value, str | bool) else _DECIMAL.convert(value)


def path(node: Node) -> str:
    """Return where a node stands, such as `Patient.name[0].given[1]`."""
    steps: list[str] = []
    place: Node | None = node
    while place is not None:
        steps.append((place.key or place.type.name) + (f"[{place.index}]" if place.index >= 0 else ""))
        place = place.parent
    return ".".join(reversed(steps))
