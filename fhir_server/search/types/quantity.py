"""Quantity: a number with a unit.

Units compare as they are written. Spec: search.html#quantity
"""

import math
from decimal import Decimal
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import QUANTITY
from fhir_server.search.types.number import alternatives, is_number
from fhir_server.search.types.value import PREFIXES, Emit, Leaf, Use, prefixed, split, unescape

FAMILY: Final = QUANTITY
MODIFIERS: Final[frozenset[str]] = frozenset()
CURRENCIES: Final = "urn:iso:std:iso:4217"


def quantity(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a Quantity; its comparator opens the interval."""
    low = high = float(value["value"])
    if "comparator" in value:
        low, high = _compared(low, value["comparator"])
    _write(emit, parameter, element, (low, high, value))


def _write(emit: Emit, parameter: str, element: int, measured: tuple[float, float, dict[str, Any]]) -> None:
    """Write a row for the coded unit, and one for its text when that differs."""
    low, high, unit = measured
    code, text = unit.get("code", ""), unit.get("unit", "")
    emit((QUANTITY, parameter, element, low, high, unit.get("system", ""), code or text))
    if text != code and code and text:
        emit((QUANTITY, parameter, element, low, high, "", text))


def _compared(point: float, comparator: str) -> tuple[float, float]:
    if comparator[0] == "<":
        return -math.inf, point if comparator == "<=" else math.nextafter(point, -math.inf)
    return point if comparator == ">=" else math.nextafter(point, math.inf), math.inf


def quantity_range(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write a Range, in the unit of whichever end there is."""
    low, high = value.get("low", {}), value.get("high", {})
    if "value" in low or "value" in high:
        least, most = float(low.get("value", -math.inf)), float(high.get("value", math.inf))
        _write(emit, parameter, element, (least, most, low or high))


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
        _write(emit, parameter, element, (ends[0], ends[1], origin))


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
    system, code = parts[1:] if len(parts) == 3 else ("", "")
    unit: tuple[Test, ...] = (("system", "eq", system),) if system else ()
    unit += (("code", "eq", code),) if code else ()
    numbers = alternatives(prefix, Decimal(parts[0]))
    return any_of(*(Compare(QUANTITY, use.parameter, (*tests, *unit)) for tests in numbers))
