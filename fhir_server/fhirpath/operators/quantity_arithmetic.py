"""Arithmetic on quantities; None where units do not allow it.

Spec: https://hl7.org/fhirpath/N1/#math
"""

from decimal import ROUND_DOWN, Decimal

from fhir_server.fhirpath.ucum.unit import Unit, parse_unit
from fhir_server.fhirpath.values.quantity import Quantity, convert, factors


def add(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the sum in the finer of the two units."""
    return _sum(left, right, 1)


def subtract(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the difference in the finer of the two units."""
    return _sum(left, right, -1)


def _sum(left: Quantity, right: Quantity, sign: int) -> Quantity | None:
    units = factors(left, right)
    if units is None or not all(_is_ratio(quantity) for quantity in (left, right)):
        return None
    is_left_finer = units[0].factor <= units[1].factor
    target = units[0] if is_left_finer else units[1]
    one, other = convert(left.value, units[0], target), convert(right.value, units[1], target)
    if one is None or other is None:
        return None
    kept = left if is_left_finer else right
    return Quantity(one + sign * other, kept.unit, kept.is_calendar)


def _is_ratio(quantity: Quantity) -> bool:
    unit = None if quantity.is_calendar else parse_unit(quantity.unit)
    return unit is None or unit.is_ratio


def _pure(quantity: Quantity) -> Decimal | None:
    """Return the number of a quantity without dimension; None when it has one."""
    unit = None if quantity.is_calendar else parse_unit(quantity.unit)
    if unit is None or unit.dimensions or not unit.is_ratio:
        return None
    return convert(quantity.value, unit, parse_unit("1") or unit)


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the product; Choice: a calendar unit is multiplied by plain numbers alone."""
    if left.is_calendar or right.is_calendar:
        calendar, other = (left, right) if left.is_calendar else (right, left)
        times = _pure(other)
        return None if times is None else Quantity(calendar.value * times, calendar.unit, is_calendar=True)
    units = _ratios(left, right)
    if units is None:
        return None
    return Quantity(left.value * right.value, _joined(left.unit, ".", right.unit))


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the quotient; None as well when the divisor is zero."""
    if not right.value:
        return None
    if left.is_calendar or right.is_calendar:
        by = _pure(right)
        return None if not by else Quantity(left.value / by, left.unit, left.is_calendar)
    units = _ratios(left, right)
    if units is None:
        return None
    return Quantity(left.value / right.value, _joined(left.unit, "/", right.unit))


def divide_whole(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the quotient without its decimals."""
    found = divide(left, right)
    if found is None:
        return None
    return Quantity(found.value.to_integral_value(ROUND_DOWN), found.unit, found.is_calendar)


def remainder(left: Quantity, right: Quantity) -> Quantity | None:
    """Return the remainder of two quantities of commensurable units, in the unit of the left one."""
    units = factors(left, right)
    other = convert(right.value, units[1], units[0]) if units else None
    return None if not other else Quantity(left.value % other, left.unit, left.is_calendar)


def _ratios(left: Quantity, right: Quantity) -> tuple[Unit, Unit] | None:
    one, other = parse_unit(left.unit), parse_unit(right.unit)
    if one is None or other is None or not (one.is_ratio and other.is_ratio):
        return None
    return one, other


def _joined(left: str, symbol: str, right: str) -> str:
    if right == "1":
        return left
    if left == "1" and symbol == ".":
        return right
    return f"{left}{symbol}{right}" if "/" not in right and "." not in right else f"{left}{symbol}({right})"
