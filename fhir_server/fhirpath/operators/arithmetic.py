"""Arithmetic on numbers, texts, quantities and dates.

Spec: https://hl7.org/fhirpath/N1/#math, https://hl7.org/fhirpath/N1/#datetime-arithmetic
"""

from collections.abc import Callable
from decimal import Clamped, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.operators import quantity_arithmetic as quantities
from fhir_server.fhirpath.operators.equality import as_quantity
from fhir_server.fhirpath.operators.singleton import EMPTY, one, text, wrong
from fhir_server.fhirpath.values import date_arithmetic
from fhir_server.fhirpath.values.long import MAX_INTEGER, MAX_LONG, Long
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import Temporal

EXACT: Final = Context(prec=34, Emax=6144, Emin=-6143, traps=[InvalidOperation, DivisionByZero, Overflow])
OUT_OF_RANGE: Final = (InvalidOperation, DivisionByZero, Overflow, Clamped, ValueError)
_NUMBERS: Final = frozenset({int, Long, Decimal})
Number = int | Decimal


def is_number(value: Any) -> bool:
    """Tell whether a System value is an Integer, a Long or a Decimal."""
    return value.__class__ in _NUMBERS


def bounded(value: Number, *operands: Any) -> Items:
    """Return a number as the only item, a Long when an operand is one; empty when it leaves the range of its type.

    Choice: an Integer from JSON that is larger than 32 bits stays what it is, and computes as a Long.
    """
    if isinstance(value, Decimal):
        return [value]
    is_long = any(
        isinstance(other, Long) or (isinstance(other, int) and abs(other) > MAX_INTEGER) for other in operands
    )
    if abs(value) > (MAX_LONG if is_long else MAX_INTEGER):
        return EMPTY
    return [Long(value) if is_long else int(value)]


def _add(left: Any, right: Any) -> Items:
    if isinstance(left, int) and isinstance(right, int):
        return bounded(left + right, left, right)
    return [EXACT.add(Decimal(left), Decimal(right))]


def _subtract(left: Any, right: Any) -> Items:
    if isinstance(left, int) and isinstance(right, int):
        return bounded(left - right, left, right)
    return [EXACT.subtract(Decimal(left), Decimal(right))]


def _multiply(left: Any, right: Any) -> Items:
    if isinstance(left, int) and isinstance(right, int):
        return bounded(left * right, left, right)
    return [EXACT.multiply(Decimal(left), Decimal(right))]


def _divide(left: Any, right: Any) -> Items:
    return [EXACT.divide(Decimal(left), Decimal(right))] if right else EMPTY


def _whole(value: Decimal) -> int:
    return int(value) if value.adjusted() < 20 else MAX_LONG + 1


def _div(left: Any, right: Any) -> Items:
    if not right:
        return EMPTY
    if isinstance(left, int) and isinstance(right, int):
        found = abs(left) // abs(right)
        return bounded(found if (left < 0) == (right < 0) else -found, left, right)
    return bounded(_whole(EXACT.divide(Decimal(left), Decimal(right))))


def _mod(left: Any, right: Any) -> Items:
    if not right:
        return EMPTY
    if isinstance(left, int) and isinstance(right, int):
        found = abs(left) % abs(right)
        return bounded(-found if left < 0 else found, left, right)
    return [EXACT.remainder(Decimal(left), Decimal(right))]


def _operator(
    symbol: str, numbers: Callable[[Any, Any], Items], others: Callable[[Frame, Any, Any], Items | None]
) -> Callable[[Frame, Items, Items], Items]:
    def compute(frame: Frame, left: Items, right: Items) -> Items:
        first, second = one(left, f"'{symbol}'"), one(right, f"'{symbol}'")
        if first is None or second is None:
            return EMPTY
        try:
            if first.__class__ in _NUMBERS and second.__class__ in _NUMBERS:
                return numbers(first, second)
            found = others(frame, first, second)
        except OUT_OF_RANGE:
            return EMPTY
        if found is None:
            raise wrong(f"'{symbol}'", "two values that fit each other", first if not is_number(first) else second)
        return found

    return compute


def _quantities(
    compute: Callable[[Quantity, Quantity], Quantity | None],
) -> Callable[[Frame, Any, Any], Items | None]:
    def apply(frame: Frame, left: Any, right: Any) -> Items | None:
        one_side, other = as_quantity(left), as_quantity(right)
        if one_side is None or other is None:
            return None
        found = compute(one_side, other)
        return EMPTY if found is None else [found]

    return apply


def _plus(frame: Frame, left: Any, right: Any) -> Items | None:
    if left.__class__ is str and right.__class__ is str:
        return frame.text(left + right)
    if left.__class__ is Temporal and right.__class__ is Quantity:
        moved = date_arithmetic.add(left, right, 1)
        return EMPTY if moved is None else [moved]
    return _quantities(quantities.add)(frame, left, right)


def _minus(frame: Frame, left: Any, right: Any) -> Items | None:
    if left.__class__ is Temporal and right.__class__ is Quantity:
        moved = date_arithmetic.add(left, right, -1)
        return EMPTY if moved is None else [moved]
    return _quantities(quantities.subtract)(frame, left, right)


def _concatenate(frame: Frame, left: Items, right: Items) -> Items:
    return frame.text((text(left, "'&'") or "") + (text(right, "'&'") or ""))


ARITHMETIC: Final = {
    "+": _operator("+", _add, _plus),
    "-": _operator("-", _subtract, _minus),
    "*": _operator("*", _multiply, _quantities(quantities.multiply)),
    "/": _operator("/", _divide, _quantities(quantities.divide)),
    "div": _operator("div", _div, _quantities(quantities.divide_whole)),
    "mod": _operator("mod", _mod, _quantities(quantities.remainder)),
    "&": _concatenate,
}


def negate(items: Items) -> Items:
    """Answer unary `-`."""
    value = one(items, "'-'")
    if value is None:
        return EMPTY
    if value.__class__ is Quantity:
        return [Quantity(-value.value, value.unit, value.is_calendar)]
    if not is_number(value):
        raise wrong("'-'", "a number", value)
    return [Long(-value) if value.__class__ is Long else -value]


def affirm(items: Items) -> Items:
    """Answer unary `+`."""
    value = one(items, "'+'")
    if value is not None and not is_number(value) and value.__class__ is not Quantity:
        raise wrong("'+'", "a number", value)
    return items
