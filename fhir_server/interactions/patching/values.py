"""Values: from a part of a FHIRPath Patch to the JSON of an element, and its place among its siblings.

Spec: fhirpatch.html, json.html#primitive
"""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from fhir_server.fhirpath.types import Slot, Type
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.patching.change import Copies, Inapplicable, Resource

Part = Mapping[str, Any]


class Value(msgspec.Struct, frozen=True):
    """The JSON of one element: `content` is None for a primitive that has only `extension`, its id and extensions."""

    content: Any
    extension: Any = None


def parts_of(part: Part) -> Iterator[Part]:
    """Yield the parts of a part."""
    yield from part.get("part", ())


def slot_of(kind: Type, name: str, part: Part) -> Slot:
    """Return where an element of a name stands below a type; of a choice, by the type of the value. BadRequest."""
    slots = kind.named.get(name, ())
    if not slots:
        raise BadRequest(f"{kind.name} has no element {name[:80]!r}.")
    if len(slots) == 1:
        return slots[0]
    type_name = next((key[5:] for key in part if key.startswith("value")), "")
    for slot in slots:
        if slot.key == f"{name}{type_name}":
            return slot
    raise BadRequest(f"{kind.name}.{name} cannot be a {type_name[:80] or 'group of parts'}.")


def value_of(kind: Type, part: Part, copies: Copies) -> Value:
    """Return the value of a part, as an element of this type; parts make an element without a name (backbone)."""
    if "part" in part:
        return Value(_from_parts(kind, part, copies))
    for key in part:
        if key.startswith(("value", "_value")):
            name = key.removeprefix("_")
            return Value(copies.copy(part.get(name)), copies.copy(part.get(f"_{name}")))
    if "resource" in part:
        return Value(copies.copy(part["resource"]))
    raise BadRequest("The part 'value' has a value, a resource or parts.")


def _from_parts(kind: Type, part: Part, copies: Copies) -> Resource:
    members: Resource = {}
    for below in parts_of(part):
        slot = slot_of(kind, str(below.get("name", "")), below)
        add(members, slot, value_of(slot.type, below, copies))
    return members


def add(members: Resource, slot: Slot, value: Value) -> None:
    """Append to a list, or set what is not there yet. Raises Inapplicable."""
    if slot.is_list:
        insert(members, slot, len(length_of(members, slot)), value)
    elif slot.key in members or f"_{slot.key}" in members:
        raise Inapplicable(f"{slot.key} is there already, and stands once: replace it.")
    else:
        put(members, slot.key, value)


def put(members: Resource, key: str, value: Value) -> None:
    """Set a member that stands once."""
    for name, content in ((key, value.content), (f"_{key}", value.extension)):
        members.pop(name, None)
        if content is not None:
            members[name] = content


def length_of(members: Resource, slot: Slot) -> range:
    """Return the indexes of a list, extensions of primitives counted."""
    return range(max(len(members.get(slot.key, ())), len(members.get(f"_{slot.key}", ()))))


def insert(members: Resource, slot: Slot, index: int, value: Value) -> None:
    """Insert into a list, and keep the extensions of primitives beside their values."""
    count = len(length_of(members, slot))
    for name, content in ((slot.key, value.content), (f"_{slot.key}", value.extension)):
        if content is None and name not in members and name != slot.key:
            continue
        items = members.setdefault(name, [])
        items.extend([None] * (count - len(items)))
        items.insert(index, content)
    _tidy(members, slot.key)


def take(members: Resource, key: str, index: int) -> Value:
    """Remove a member, or an item of a list, and return it."""
    if index < 0:
        return Value(members.pop(key, None), members.pop(f"_{key}", None))
    taken = [_take(members.get(name, []), index) for name in (key, f"_{key}")]
    _tidy(members, key)
    return Value(*taken)


def _take(items: list[Any], index: int) -> Any:
    return items.pop(index) if index < len(items) else None


def _tidy(members: Resource, key: str) -> None:
    """Drop lists that hold nothing: FHIR JSON has none. Spec: json.html#null."""
    for name in (key, f"_{key}"):
        items = members.get(name)
        if items is not None and all(item is None for item in items):
            del members[name]
