"""Units: numbers of commensurable UCUM units, brought to the same base units so that they compare.

Spec: search.html#quantity, https://ucum.org/ucum
"""

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from fhir_server.fhirpath.ucum.atoms import ATOMS, SPECIAL
from fhir_server.fhirpath.ucum.unit import parse_unit

UCUM: Final = "http://unitsofmeasure.org"
MAXIMUM_DIGITS: Final = 300
MAXIMUM_MAGNITUDE: Final = 250
"""Powers of ten; what is larger or smaller, or longer, compares in its own unit only."""

_MOLE: Final = Fraction(ATOMS["mol"][0]) * Fraction(10) ** 23
_MARK: Final = 14771
"""A prime factor of Avogadro's constant that no other atom has: it tells how often a unit counts moles."""
_FACTOR_MAGNITUDE: Final = 50


class Scale(msgspec.Struct, frozen=True):
    """A unit as search knows it: what its numbers are multiplied by and what is added; its `dimension` in base units.

    Choice: UCUM's mole is a mere number, so that 1 mmol/L would be more than any count of cells in a litre; here it is
    a base unit, as in the SI. The fractions are pairs of integers, whose quotient Python rounds correctly.
    """

    dimension: str
    slope: tuple[int, int]
    offset: tuple[int, int]

    def number(self, value: Decimal) -> float:
        """Return a number of this unit, one that `is_in_reach`, in base units."""
        numerator, denominator = value.as_integer_ratio()
        numerator, denominator = numerator * self.slope[0], denominator * self.slope[1]
        if self.offset[0]:
            numerator = numerator * self.offset[1] + self.offset[0] * denominator
            denominator *= self.offset[1]
        return numerator / denominator


def is_in_reach(value: Decimal) -> bool:
    """Tell whether a number can be brought to base units."""
    return abs(value.adjusted()) <= MAXIMUM_MAGNITUDE and len(str(value)) <= MAXIMUM_DIGITS


@lru_cache(maxsize=4096)
def in_base_units(value: Decimal | float, system: str, code: str) -> tuple[float, str] | None:
    """Return a number in base units and their dimension; None when it has none.

    Remembered: an element is often read for several parameters, one after the other.
    """
    scale, exact = scale_of(system, code), value if isinstance(value, Decimal) else Decimal(repr(value))
    if scale is None or not is_in_reach(exact):
        return None
    return scale.number(exact), scale.dimension


@lru_cache(maxsize=4096)
def scale_of(system: str, code: str) -> Scale | None:
    """Return the scale of a unit; None when it is none of UCUM, or one whose numbers convert to nothing else."""
    unit = parse_unit(code) if system == UCUM else None
    if unit is None or (unit.special and unit.special not in SPECIAL):
        return None
    if abs(_magnitude(unit.factor)) > _FACTOR_MAGNITUDE:
        return None
    moles = _multiplicity(unit.factor.numerator) - _multiplicity(unit.factor.denominator)
    powers = (("mol", moles), *unit.dimensions) if moles else unit.dimensions
    offset = unit.to_canonical(Fraction(0))
    slope = (unit.to_canonical(Fraction(1)) - offset) / _MOLE**moles
    dimension = ".".join(f"{base}{power}" for base, power in powers) or "1"
    return Scale(dimension, slope.as_integer_ratio(), offset.as_integer_ratio())


def _multiplicity(number: int) -> int:
    count = 0
    while number % _MARK == 0:
        number //= _MARK
        count += 1
    return count


def _magnitude(factor: Fraction) -> int:
    return len(str(factor.numerator)) - len(str(factor.denominator))
