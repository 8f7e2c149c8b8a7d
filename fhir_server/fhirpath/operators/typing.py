"""`is` and `as`: what type an item has.

Spec: https://hl7.org/fhirpath/N1/#types, fhirpath.html#types
"""

from typing import Any, Final

import msgspec

from fhir_server.fhirpath.context import Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.node import Node
from fhir_server.fhirpath.operators.singleton import EMPTY, boolean
from fhir_server.fhirpath.types import type_of_value
from fhir_server.foundation.structure import PRIMITIVES

Names = tuple[str, ...]


class TypeInfo(msgspec.Struct, frozen=True):
    """Answer `type()`: the namespace and the name of a type."""

    namespace: str
    name: str


def is_a(item: Any, names: Names) -> bool:
    """Tell whether an item is of one of the types, or extends one."""
    if item.__class__ is TypeInfo:
        return False
    known = item.type if item.__class__ is Node else type_of_value(item)
    return any(name in known.ancestors for name in names)


_PRIMITIVES: Final = frozenset(f"FHIR.{name}" for name in PRIMITIVES)


def _is_exactly(item: Any, names: Names) -> bool:
    """Tell whether `as` and `ofType` keep an item.

    Choice: a primitive is kept by its own type alone (a code is no string here), as the official cases have it; any
    other item by its own type and by those that it extends.
    """
    if item.__class__ is Node and item.type.qualified in _PRIMITIVES:
        return item.type.qualified in names or "FHIR.Element" in names
    return is_a(item, names)


def of_type(items: Items, names: Names) -> Items:
    """Keep the items of a type."""
    return [item for item in items if _is_exactly(item, names)]


def is_type(items: Items, names: Names) -> Items:
    """Answer `is` for one item."""
    if len(items) > 1:
        raise EvaluationFailed(f"'is' takes one item and was given {len(items)}: use where($this is ...).")
    return boolean(is_a(items[0], names)) if items else EMPTY


def as_type(items: Items, names: Names) -> Items:
    """Answer `as` for one item."""
    if len(items) > 1:
        raise EvaluationFailed(f"'as' takes one item and was given {len(items)}: use ofType().")
    return of_type(items, names)


def info(item: Any) -> TypeInfo:
    """Return the type of an item."""
    known = item.type if item.__class__ is Node else type_of_value(item)
    return TypeInfo(known.namespace, known.name)
