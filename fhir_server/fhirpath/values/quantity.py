"""Quantities: a number with a UCUM unit or a calendar unit, and how two of them are brought to one unit.

Spec: https://hl7.org/fhirpath/N1/#quantity, https://hl7.org/fhirpath/N1/#time-valued-quantities
"""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from typing import Final

import msgspec

from fhir_server.fhirpath.ucum.unit import Unit, parse_unit

_SINGULAR: Final = ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
CALENDAR_UNITS: Final = {name: unit for unit in _SINGULAR for name in (unit, f"{unit}s")}
"""Calendar units, singular and plural, to the singular."""
UCUM_OF_CALENDAR: Final = {
    "year": "a",
    "month": "mo",
    "week": "wk",
    "day": "d",
    "hour": "h",
    "minute": "min",
    "second": "s",
    "millisecond": "ms",
}
_UCUM_OF_FHIR: Final = {"a": "year", "mo": "month", "d": "day", "h": "hour", "min": "minute", "s": "second"}
_SECONDS: Final = {
    "year": Fraction(365 * 86_400),
    "month": Fraction(30 * 86_400),
    "week": Fraction(7 * 86_400),
    "day": Fraction(86_400),
    "hour": Fraction(3600),
    "minute": Fraction(60),
    "second": Fraction(1),
    "millisecond": Fraction(1, 1000),
}
_LONG_UNITS: Final = frozenset({"year", "month"})
_LONG_CODES: Final = frozenset({"a", "mo", "a_j", "a_g", "a_t", "mo_j", "mo_g", "mo_s"})
_LARGEST_EXPONENT: Final = 400


class Quantity(msgspec.Struct, frozen=True):
    """Hold a number and a unit as written; `is_calendar` tells `1 day` from `1 'd'`."""

    value: Decimal
    unit: str = "1"
    is_calendar: bool = False

    def __str__(self) -> str:
        number = format(self.value, "f")
        return f"{number} {self.unit}" if self.is_calendar else f"{number} '{self.unit}'"


def from_fhir(value: Decimal, unit: str) -> Quantity:
    """Return the Quantity of a FHIR Quantity with a UCUM code: years to seconds become calendar units.

    Spec: fhirpath.html#quantity
    """
    calendar = _UCUM_OF_FHIR.get(unit)
    return Quantity(value, calendar, is_calendar=True) if calendar else Quantity(value, unit or "1")


def _fraction(value: Decimal) -> Fraction | None:
    return Fraction(value) if value.is_finite() and abs(value.adjusted()) < _LARGEST_EXPONENT else None


def _definite(quantity: Quantity, *, is_exact: bool) -> str | None:
    """Return the UCUM unit; None for a calendar year or month that must not pass for a definite duration."""
    if not quantity.is_calendar:
        return quantity.unit
    unit = CALENDAR_UNITS[quantity.unit]
    return None if is_exact and unit in _LONG_UNITS else UCUM_OF_CALENDAR[unit]


def factors(left: Quantity, right: Quantity, *, is_exact: bool = True) -> tuple[Unit, Unit] | None:
    """Return the two units on one scale; None when they measure different things.

    A calendar year or month is no definite duration, so it meets UCUM's `a` and `mo` only when not `is_exact`.
    """
    if left.is_calendar and right.is_calendar:
        return _calendar_factors(CALENDAR_UNITS[left.unit], CALENDAR_UNITS[right.unit])
    one, other = _definite(left, is_exact=is_exact), _definite(right, is_exact=is_exact)
    if one is None or other is None:
        return None
    if is_exact and left.is_calendar != right.is_calendar and {one, other} & _LONG_CODES:
        return None
    if one == other:
        return (Unit(Fraction(1)), Unit(Fraction(1)))
    first, second = parse_unit(one), parse_unit(other)
    if first is None or second is None or not first.is_commensurable(second):
        return None
    return first, second


def _calendar_factors(left: str, right: str) -> tuple[Unit, Unit]:
    if {left, right} <= _LONG_UNITS:
        return Unit(Fraction(12 if left == "year" else 1)), Unit(Fraction(12 if right == "year" else 1))
    return Unit(_SECONDS[left]), Unit(_SECONDS[right])


def compare(left: Quantity, right: Quantity) -> int | None:
    """Return -1, 0 or 1; None when the units cannot be brought together."""
    units = factors(left, right)
    one, other = _fraction(left.value), _fraction(right.value)
    if units is None or one is None or other is None:
        return None
    difference = units[0].to_canonical(one) - units[1].to_canonical(other)
    return (difference > 0) - (difference < 0)


def convert(value: Decimal, source: Unit, target: Unit) -> Decimal | None:
    """Return a number of one unit in another; None when it is too large or too small to hold."""
    number = _fraction(value)
    if number is None:
        return None
    if source == target:
        return value
    found = target.from_canonical(source.to_canonical(number))
    return Decimal(found.numerator) / Decimal(found.denominator)


def is_equivalent(left: Quantity, right: Quantity) -> bool:
    """Tell whether they are the same at the precision of the less precise one."""
    units = factors(left, right, is_exact=False)
    if units is None:
        return False
    moved = convert(right.value, units[1], units[0])
    if moved is None:
        return False
    magnitude = Decimal(units[1].factor.numerator) / Decimal(units[1].factor.denominator)
    scale = magnitude * Decimal(units[0].factor.denominator) / Decimal(units[0].factor.numerator)
    precise = min(decimals(left.value), max(decimals(right.value) - scale.adjusted(), 0))
    step = Decimal(1).scaleb(-precise)
    if max(left.value.adjusted(), moved.adjusted()) + precise > 26:
        return left.value == moved
    return left.value.quantize(step, ROUND_HALF_UP) == moved.quantize(step, ROUND_HALF_UP)


def decimals(value: Decimal) -> int:
    """Return how many decimals a number has, without zeros at the end."""
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
