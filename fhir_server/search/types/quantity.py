"""Quantity: a number with a unit.

A unit that is asked with UCUM's system finds what is measured in any commensurable one; others compare as written.
Spec: search.html#quantity
"""

import math
from decimal import Decimal
from typing import Any, Final, NamedTuple

from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import QUANTITY
from fhir_server.search.types.number import alternatives, is_number
from fhir_server.search.types.quantity_units import UCUM, in_base_units, is_in_reach, scale_of
from fhir_server.search.types.value import PREFIXES, Emit, Leaf, Use, prefixed, split, unescape

FAMILY: Final = QUANTITY
MODIFIERS: Final[frozenset[str]] = frozenset()
CANONICAL: Final = ":canonical"
"""The suffix of the parameter whose rows are in base units, their dimension in place of the code."""
CURRENCIES: Final = "urn:iso:std:iso:4217"


def quantity(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a Quantity; its comparator opens the interval."""
    number = value["value"]
    _write(emit, (parameter, element), Measured(number, number, value, value.get("comparator", "")))


class Measured(NamedTuple):
    """The ends of an interval, None where it is open, and the Quantity that says their unit."""

    low: Decimal | float | None
    high: Decimal | float | None
    unit: dict[str, Any]
    comparator: str = ""


def _write(emit: Emit, place: tuple[str, int], measured: Measured) -> None:
    """Write a row for the coded unit, one for its text when that differs, and one in base units."""
    (parameter, element), unit = place, measured.unit
    system, code, text = unit.get("system", ""), unit.get("code", ""), unit.get("unit", "")
    low = -math.inf if measured.low is None else float(measured.low)
    high = math.inf if measured.high is None else float(measured.high)
    low, high = _compared(low, high, measured.comparator)
    emit((QUANTITY, parameter, element, low, high, system, code or text))
    if text != code and code and text:
        emit((QUANTITY, parameter, element, low, high, "", text))
    if system == UCUM and code:
        _write_canonical(emit, place, measured, code)


def _write_canonical(emit: Emit, place: tuple[str, int], measured: Measured, code: str) -> None:
    ends = [None if end is None else in_base_units(end, UCUM, code) for end in measured[:2]]
    known = [end for end in ends if end is not None]
    if len(known) != 2 - measured[:2].count(None):
        return
    low = -math.inf if ends[0] is None else ends[0][0]
    high = math.inf if ends[1] is None else ends[1][0]
    emit(
        (QUANTITY, place[0] + CANONICAL, place[1], *_compared(low, high, measured.comparator), "", known[0][1]),
    )


def _compared(low: float, high: float, comparator: str) -> tuple[float, float]:
    if comparator[:1] == "<":
        return -math.inf, high if comparator == "<=" else math.nextafter(high, -math.inf)
    if comparator[:1] == ">":
        return low if comparator == ">=" else math.nextafter(low, math.inf), math.inf
    return low, high


def quantity_range(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a Range, in the unit of whichever end there is."""
    low, high = value.get("low", {}), value.get("high", {})
    if "value" in low or "value" in high:
        _write(emit, (parameter, element), Measured(low.get("value"), high.get("value"), low or high))


def money(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write an amount and its currency."""
    point = float(value["value"])
    emit((QUANTITY, parameter, element, point, point, CURRENCIES, value.get("currency", "")))


def sampled_data(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the least and the greatest value of a series, in the unit of its origin."""
    samples = [float(sample) for sample in value.get("data", "").split() if is_number(sample)]
    origin = value.get("origin", {})
    if samples:
        zero, factor = float(origin.get("value", 0)), float(value.get("factor", 1))
        ends = sorted((zero + factor * min(samples), zero + factor * max(samples)))
        _write(emit, (parameter, element), Measured(ends[0], ends[1], origin))


LEAVES: Final = {
    **dict.fromkeys(("Quantity", "Age", "Count", "Distance", "Duration"), (Leaf("", quantity, "value"),)),
    "Range": (Leaf("", quantity_range),),
    "Money": (Leaf("", money, "value"),),
    "SampledData": (Leaf("", sampled_data),),
}


def condition(value: str, use: Use) -> Condition:
    """Return what `[prefix]number`, `[prefix]number|system|code` or `[prefix]number||code` asks."""
    prefix, text = prefixed(value)
    parts = [unescape(part) for part in split(text, "|")]
    if len(parts) not in (1, 3) or not is_number(parts[0]):
        right = f"write [{'|'.join(PREFIXES)}]number, number|system|code, or number||unit"
        raise use.refusal(value, right)
    asked = Decimal(parts[0])
    system, code = parts[1:] if len(parts) == 3 else ("", "")
    scale = scale_of(system, code)
    if scale is not None and is_in_reach(asked):
        dimension: Test = ("code", "eq", scale.dimension)
        ways = alternatives(prefix, asked, scale.number)
        return any_of(*(Compare(QUANTITY, use.parameter + CANONICAL, (*tests, dimension)) for tests in ways))
    unit: tuple[Test, ...] = (("system", "eq", system),) if system else ()
    unit += (("code", "eq", code),) if code else ()
    numbers = alternatives(prefix, asked)
    return any_of(*(Compare(QUANTITY, use.parameter, (*tests, *unit)) for tests in numbers))
