"""Equality and equivalence.

Spec: https://hl7.org/fhirpath/N1/#equality, https://hl7.org/fhirpath/N1/#equivalence
"""

import re
from collections.abc import Callable, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.node import Node, system
from fhir_server.fhirpath.operators.singleton import EMPTY, FALSE, TRUE, boolean
from fhir_server.fhirpath.values import quantity, temporal
from fhir_server.fhirpath.values.long import Long
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import Temporal

_WHITE: Final = re.compile(r"\s")
_NUMBERS: Final = frozenset({int, Long, Decimal})


def equal(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `=`: empty when a side is, and when precision or units leave it open."""
    if not left or not right:
        return EMPTY
    if len(left) == 1 and len(right) == 1:
        return boolean(equals(left[0], right[0]))
    if len(left) != len(right):
        return FALSE
    frame.charge(len(left))
    answers = [equals(one, other) for one, other in zip(left, right, strict=True)]
    return FALSE if False in answers else EMPTY if None in answers else TRUE


def unequal(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `!=`."""
    found = equal(frame, left, right)
    return found and boolean(not found[0])


def equivalent(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `~`: never empty; the order of items does not matter."""
    if len(left) != len(right):
        return FALSE
    frame.charge(len(left) * len(right))
    return boolean(_pairs(left, right, is_equivalent))


def not_equivalent(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `!~`."""
    return boolean(not equivalent(frame, left, right)[0])


def equals(left: Any, right: Any) -> bool | None:
    """Tell whether two items are equal; None when that cannot be known."""
    one, other = system(left), system(right)
    kind, second = one.__class__, other.__class__
    if kind is second and kind in (str, bool):
        return bool(one == other)
    if kind in _NUMBERS and second in _NUMBERS:
        return bool(one == other)
    if kind is Temporal and second is Temporal:
        return _same_moment(one, other)
    if kind is Quantity or second is Quantity:
        return _same_quantity(one, other)
    if kind is Node or second is Node or one is None or other is None:
        return _content(left) == _content(right) and is_same(_content(left), _content(right))
    return bool(kind is second and one == other)


def _same_moment(one: Temporal, other: Temporal) -> bool | None:
    if (one.kind == "Time") != (other.kind == "Time"):
        return False
    order = temporal.compare(one, other)
    return None if order is None else order == 0


def as_quantity(value: Any) -> Quantity | None:
    """Return a value as a Quantity: a number has the unit 1; None for what is no number."""
    if isinstance(value, Quantity):
        return value
    is_number = isinstance(value, int | Decimal) and value.__class__ is not bool
    return Quantity(Decimal(value)) if is_number else None


def _same_quantity(one: Any, other: Any) -> bool | None:
    first, second = as_quantity(one), as_quantity(other)
    if first is None or second is None:
        return False
    order = quantity.compare(first, second)
    return None if order is None else order == 0


def _content(item: Any) -> Any:
    """Return what two nodes are compared by: their JSON, or of a primitive without value its id and extensions."""
    if item.__class__ is not Node:
        return item
    return item.extension if item.value is None else item.value


def is_same(one: Any, other: Any) -> bool:
    """Tell whether two pieces of JSON are the same; a number is no boolean."""
    if one.__class__ is dict and other.__class__ is dict:
        return one.keys() == other.keys() and all(is_same(value, other[key]) for key, value in one.items())
    if one.__class__ is list and other.__class__ is list:
        return len(one) == len(other) and all(map(is_same, one, other))
    return (one.__class__ is bool) == (other.__class__ is bool) and bool(one == other)


def is_equivalent(left: Any, right: Any) -> bool:
    """Tell whether two items are equivalent."""
    one, other = system(left), system(right)
    kind, second = one.__class__, other.__class__
    if kind is Temporal and second is Temporal:
        same = len(one.parts) == len(other.parts) and (one.kind == "Time") == (other.kind == "Time")
        return same and temporal.compare(one, other) == 0
    if kind is Quantity or second is Quantity:
        first, another = as_quantity(one), as_quantity(other)
        return first is not None and another is not None and quantity.is_equivalent(first, another)
    if kind is Node or second is Node:
        return _alike(_content(left), _content(right))
    return _alike(one, other)


def _alike(one: Any, other: Any) -> bool:
    kind, second = one.__class__, other.__class__
    if kind is str and second is str:
        return _WHITE.sub(" ", one).lower() == _WHITE.sub(" ", other).lower()
    if kind in _NUMBERS and second in _NUMBERS:
        return _same_rounded(Decimal(one), Decimal(other))
    if kind is dict and second is dict:
        names = one.keys() | other.keys()
        return all(name in one and name in other and _alike(one[name], other[name]) for name in names if name != "id")
    if kind is list and second is list:
        return len(one) == len(other) and _pairs(one, other, _alike)
    return kind is second and bool(one == other)


def _same_rounded(one: Decimal, other: Decimal) -> bool:
    if max(one.adjusted(), other.adjusted()) > 18:
        return one == other
    step = Decimal(1).scaleb(-min(quantity.decimals(one), quantity.decimals(other), 9))
    return one.quantize(step, ROUND_HALF_UP) == other.quantize(step, ROUND_HALF_UP)


def _pairs(left: Sequence[Any], right: Sequence[Any], is_pair: Callable[[Any, Any], bool]) -> bool:
    """Tell whether each item of one finds its own in the other."""
    rest = list(right)
    for one in left:
        place = next((index for index, other in enumerate(rest) if is_pair(one, other)), None)
        if place is None:
            return False
        del rest[place]
    return True
