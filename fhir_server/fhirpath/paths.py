"""Path steps as closures: the part of an expression that runs most, so the one that is written for speed.

Spec: https://hl7.org/fhirpath/N1/#path-selection
"""

from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.node import Node, fill, members
from fhir_server.fhirpath.operators.singleton import FALSE, TRUE
from fhir_server.fhirpath.operators.typing import TypeInfo
from fhir_server.fhirpath.types import Slot, Type
from fhir_server.fhirpath.values.quantity import Quantity

Row = tuple[str, str, Type | None, Slot | None]
_MANY: Final = 64  # Fewer items than that are not worth counting.

_NOTHING: Final[tuple[Any, ...]] = (None, [], [None])


class _Rows(dict[Type, tuple[Row, ...]]):
    """Learn, for each type that is met, the slots of a name as plain rows: key, key of extensions, type, slot.

    The type is None where the slow way must be gone: the resource tells its own type, or FHIR defines none.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __missing__(self, kind: Type) -> tuple[Row, ...]:
        slots = kind.named.get(self.name, ())
        rows: tuple[Row, ...] = tuple(
            (slot.key, slot.under, None if slot.type.is_any_resource else slot.type, slot) for slot in slots
        ) or ((self.name, "", None, None),)
        if not kind.is_untyped:
            self[kind] = rows
        return rows


def this(frame: Frame) -> Items:
    """Answer `$this`."""
    return frame.this


def step(source: Run, name: str) -> Run:
    """Return the closure of `source.name`."""
    known = _Rows(name)

    def run(frame: Frame) -> Items:
        found: Items = []
        for item in source(frame):
            if item.__class__ is not Node or item.value.__class__ is not dict:
                found.extend(_of_leaf(item, name))
                continue
            content = item.value
            for key, under, kind, slot in known[item.type]:
                value = content.get(key)
                if kind is None or under in content:
                    found.extend(members(item, name) if slot is None else fill(item, slot))
                elif value.__class__ is list:
                    _add(value, kind, item, key, found)
                elif value is not None:
                    found.append(Node(value, kind, item, key))
        return found if len(found) < _MANY else frame.charged(found)

    return run


def _add(values: Items, kind: Type, parent: Node, key: str, found: Items) -> None:
    index = 0
    for value in values:
        if value is not None:
            found.append(Node(value, kind, parent, key, index))
        index += 1  # noqa: SIM113 - this loop is the one that runs most


def _of_leaf(item: Any, name: str) -> Items:
    """Return the members of what is no JSON object: a primitive, or a System value."""
    return members(item, name) if item.__class__ is Node else _of_value(item, name)


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
    known = _Rows(name)

    def run(frame: Frame) -> Items:
        for item in frame.this:
            if item.__class__ is not Node or item.value.__class__ is not dict:
                if _of_leaf(item, name):
                    return found
            elif _is_there(item, known[item.type]):
                return found
        return missing

    return run


def _is_there(node: Node, rows: tuple[Row, ...]) -> bool:
    content = node.value
    for key, under, _, slot in rows:
        if slot is None:
            return bool(members(node, key))
        if content.get(key) not in _NOTHING or (under and content.get(under)):
            return True
    return False
