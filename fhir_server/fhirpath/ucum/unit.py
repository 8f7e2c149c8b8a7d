"""UCUM units: text to an exact factor over base dimensions.

Spec: https://ucum.org/ucum#section-Syntax-Rules
"""

import re
from fractions import Fraction
from functools import lru_cache
from typing import Final

import msgspec

from fhir_server.fhirpath.ucum.atoms import ATOMS, BASES, METRIC, PREFIXES, SPECIAL

_MAX_LENGTH: Final = 200
_MAX_NESTING: Final = 20
_MAX_EXPONENT: Final = 30
_TOKEN: Final = re.compile(
    r"(?P<annotation>\{[^{}]*\})|(?P<operator>[./()])|(?P<power>10[*^])|(?P<number>\d{1,20})"
    r"|(?P<symbol>(?:\[[^\[\]]*\]|[A-Za-z%'\"_])+)",
    re.ASCII,
)
_EXPONENT: Final = re.compile(r"[+-]?\d{1,3}", re.ASCII)


class Unit(msgspec.Struct, frozen=True):
    """Hold a unit: `factor` base units, each to its power; `special` names a scale that is no ratio, such as Cel.

    Each arbitrary unit, such as `[iU]`, is a base of its own: it converts into no other.
    """

    factor: Fraction
    dimensions: tuple[tuple[str, int], ...] = ()
    special: str = ""

    @property
    def is_ratio(self) -> bool:
        """Whether numbers of this unit may be multiplied: not so for degrees and decibels."""
        return not self.special

    def is_commensurable(self, other: "Unit") -> bool:
        """Tell whether numbers of the two convert into each other."""
        if self.dimensions != other.dimensions:
            return False
        return all(not unit.special or unit.special in SPECIAL for unit in (self, other)) or self == other

    def to_canonical(self, value: Fraction) -> Fraction:
        """Return a number of this unit in base units."""
        slope, offset = SPECIAL.get(self.special, (Fraction(1), Fraction(0)))
        return value * self.factor * slope + offset

    def from_canonical(self, value: Fraction) -> Fraction:
        """Return a number of base units in this unit."""
        slope, offset = SPECIAL.get(self.special, (Fraction(1), Fraction(0)))
        return (value - offset) / (self.factor * slope)

    def times(self, other: "Unit", power: int) -> "Unit":
        """Return the product with a power of another ratio unit."""
        powers = dict(self.dimensions)
        for base, count in other.dimensions:
            powers[base] = powers.get(base, 0) + power * count
        dimensions = tuple(sorted((base, count) for base, count in powers.items() if count))
        return Unit(self.factor * other.factor**power, dimensions)


ONE: Final = Unit(Fraction(1))


class _NoUnit(Exception):
    pass


def parse_unit(text: str) -> Unit | None:
    """Return the unit that a UCUM code (case sensitive) means; None when it is none, or not one that we know."""
    return _unit(text) if 0 < len(text) <= _MAX_LENGTH and text.isascii() and " " not in text else None


@lru_cache(maxsize=2048)
def _unit(text: str) -> Unit | None:
    parser = _Parser(text)
    try:
        unit = parser.term(0)
    except _NoUnit:
        return None
    return unit if parser.place == len(text) else None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0

    def accept(self, symbol: str) -> bool:
        if self.text.startswith(symbol, self.place):
            self.place += 1
            return True
        return False

    def term(self, depth: int) -> Unit:
        if depth > _MAX_NESTING:
            raise _NoUnit
        power = -1 if self.accept("/") else 1
        unit = self.component(depth)
        if not unit.is_ratio and (power == -1 or self.text[self.place : self.place + 1] in (".", "/")):
            raise _NoUnit  # Nothing multiplies a scale that is no ratio.
        if power == -1:
            unit = ONE.times(unit, -1)
        while self.text[self.place : self.place + 1] in (".", "/") and self.place < len(self.text):
            power = -1 if self.text[self.place] == "/" else 1
            self.place += 1
            component = self.component(depth)
            if not component.is_ratio:
                raise _NoUnit
            unit = unit.times(component, power)
        return unit

    def component(self, depth: int) -> Unit:
        if self.accept("("):
            unit = self.term(depth + 1)
            if not self.accept(")"):
                raise _NoUnit
            return unit
        match = _TOKEN.match(self.text, self.place)
        if match is None or match.lastgroup == "operator":
            raise _NoUnit
        self.place = match.end()
        if match.lastgroup == "annotation":
            return ONE
        unit = self.simple(match.lastgroup or "", match[0])
        annotation = _TOKEN.match(self.text, self.place)
        if annotation is not None and annotation.lastgroup == "annotation":
            self.place = annotation.end()
        return unit

    def simple(self, kind: str, text: str) -> Unit:
        if kind == "number":
            return Unit(Fraction(int(text) or 1))
        unit = Unit(Fraction(10)) if kind == "power" else symbol(text)
        match = _EXPONENT.match(self.text, self.place)
        if unit is None:
            raise _NoUnit
        if match is None:
            return unit
        self.place = match.end()
        power = int(match[0])
        if abs(power) > _MAX_EXPONENT or not unit.is_ratio:
            raise _NoUnit
        return ONE.times(unit, power)


@lru_cache(maxsize=1024)
def symbol(text: str) -> Unit | None:
    """Return the unit of one symbol, with its metric prefix; None when there is none."""
    if text in BASES:
        return Unit(Fraction(1), ((text, 1),))
    if text in ATOMS:
        return _atom(text)
    for prefix, scale in PREFIXES.items():
        rest = text.removeprefix(prefix)
        if rest != text and (rest in BASES or rest in METRIC):
            unit = symbol(rest)
            if unit is not None:
                return Unit(unit.factor * scale, unit.dimensions, unit.special)
    return None


def _atom(text: str) -> Unit | None:
    factor, definition = ATOMS[text]
    if definition.startswith("="):
        base = parse_unit(definition[1:])
        return None if base is None else Unit(factor, base.dimensions, text)
    base = parse_unit(definition)
    return None if base is None else Unit(factor * base.factor, base.dimensions)
