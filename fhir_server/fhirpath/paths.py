"""Path steps as closures: the part of an expression that runs most, so the one that is written for speed.

Spec: https://hl7.org/fhirpath/N1/#path-selection
"""

from typing import Any

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.node import Node, fill, members
from fhir_server.fhirpath.operators.singleton import FALSE, TRUE
from fhir_server.fhirpath.operators.typing import TypeInfo
from fhir_server.fhirpath.types import Slot, Type
from fhir_server.fhirpath.values.quantity import Quantity

Rows = tuple[tuple[str, str, Type | None, Slot], ...]
"""For each slot its key, its key for extensions, its type (None when the resource tells its own), and itself."""
_MANY = 64  # Fewer items than that are not worth counting.


def this(frame: Frame) -> Items:
    """Answer `$this`."""
    return frame.this


def step(source: Run, name: str) -> Run:
    """Return the closure of `source.name`: it learns the slots of each type that it meets."""
    known: dict[Type, Rows] = {}

    def run(frame: Frame) -> Items:
        found: Items = []
        for item in source(frame):
            rows = known.get(item.type) if item.__class__ is Node and item.value.__class__ is dict else None
            if not rows:
                found.extend(_first_met(item, name, known))
                continue
            content = item.value
            for key, under, kind, slot in rows:
                value = content.get(key)
                if value is None and under not in content:
                    continue
                if value.__class__ is list or kind is None or under in content:
                    _add(item, slot, value, found)
                else:
                    found.append(Node(value, kind, item, key))
        if len(found) > _MANY:
            frame.charge(len(found))
        return found

    return run


def _add(node: Node, slot: Slot, values: Any, found: Items) -> None:
    kind, key, index = slot.type, slot.key, 0
    if kind.is_any_resource or slot.under in node.value:
        found.extend(fill(node, slot))
        return
    for value in values:
        if value is not None:
            found.append(Node(value, kind, node, key, index))
        index += 1  # noqa: SIM113 - this loop is the one that runs most


def _first_met(item: Any, name: str, known: dict[Type, Rows]) -> Items:
    """Answer for an item whose slots are not known yet, or that has none; learn them."""
    if item.__class__ is not Node:
        return _of_value(item, name)
    kind = item.type
    if kind not in known and not kind.is_untyped:
        slots = kind.named.get(name, ())
        known[kind] = tuple(
            (slot.key, slot.under, None if slot.type.is_any_resource else slot.type, slot) for slot in slots
        )
    return members(item, name)


def _of_value(item: Any, name: str) -> Items:
    """Return a property of a System value: of a type its name, of a quantity its number and unit."""
    is_property = (item.__class__ is TypeInfo and name in ("name", "namespace")) or (
        item.__class__ is Quantity and name in ("value", "unit")
    )
    return [getattr(item, name)] if is_property else []


def start(name: str) -> Run:
    """Return the closure of a path's first name: a type's name, such as `Patient`, keeps what is of that type."""
    below = step(this, name)
    if not name[:1].isupper():
        return below
    qualified = f"FHIR.{name}"

    def run(frame: Frame) -> Items:
        items = frame.this
        if len(items) == 1 and items[0].__class__ is Node:
            return items if qualified in items[0].type.ancestors else below(frame)
        return [item for item in items if item.__class__ is Node and qualified in item.type.ancestors] or below(frame)

    return run


def presence(name: str, *, if_there: bool) -> Run:
    """Return the closure of `name.exists()`, or of `name.empty()`, which makes no nodes."""
    found, missing = (TRUE, FALSE) if if_there else (FALSE, TRUE)
    known: dict[Type, tuple[Slot, ...]] = {}

    def run(frame: Frame) -> Items:
        for item in frame.this:
            if item.__class__ is not Node:
                if _of_value(item, name):
                    return found
                continue
            kind, content = item.type, item.value
            slots = known.get(kind)
            if slots is None:
                slots = kind.named.get(name, ())
                if slots:
                    known[kind] = slots
            if _is_there(content, slots) if slots and content.__class__ is dict else members(item, name):
                return found
        return missing

    return run


def _is_there(content: dict[str, Any], slots: tuple[Slot, ...]) -> bool:
    for slot in slots:
        value = content.get(slot.key)
        if (value is not None and value != []) or (content.get(slot.under)):
            return True
    return False
