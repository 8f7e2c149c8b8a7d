"""How precise a value is, and between which bounds it lies.

Spec: https://build.fhir.org/ig/HL7/FHIRPath/#lowboundaryprecision-integer-decimal--date--datetime--time
"""

from calendar import monthrange
from decimal import ROUND_DOWN, ROUND_HALF_UP, Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.operators.arithmetic import is_number
from fhir_server.fhirpath.operators.singleton import EMPTY, integer, one, wrong
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import DAY, Parts, Temporal

_DEFAULT_DECIMALS: Final = 8
_MAX_DECIMALS: Final = 31
_DIGITS: Final = {"Date": (4, 6, 8), "DateTime": (4, 6, 8, 10, 12, 17), "Time": (2, 4, 9)}
_TO_SECOND: Final = {"DateTime": 14, "Time": 6}
_EARLIEST_ZONE: Final = 14 * 60
_LATEST_ZONE: Final = -12 * 60


def _boundary(name: str, *, is_high: bool) -> Function:
    def call(frame: Frame, items: Items, precision: Items = EMPTY) -> Items:
        value, digits = one(items, f"{name}()"), integer(precision, f"{name}()")
        if value is None:
            return EMPTY
        if isinstance(value, Temporal):
            edge = _temporal_edge(value, digits, is_high=is_high)
            return EMPTY if edge is None else [edge]
        if not is_number(value) and not isinstance(value, Quantity):
            raise wrong(f"{name}()", "a number, a quantity or a date", value)
        number = Decimal(value.value if isinstance(value, Quantity) else value)
        found = _decimal_edge(number, _DEFAULT_DECIMALS if digits is None else digits, is_high=is_high)
        if found is None:
            return EMPTY
        return [Quantity(found, value.unit, value.is_calendar) if isinstance(value, Quantity) else found]

    return Function(call, "v", 0, "input")


def _decimal_edge(value: Decimal, digits: int, *, is_high: bool) -> Decimal | None:
    """Return half a unit of the last decimal below or above.

    Choice: to fewer decimals, the edge nearer to zero is cut and the farther one rounded, as the official cases have
    it: 0.0034 to one decimal lies between 0.0 and 0.0.
    """
    exponent = value.as_tuple().exponent
    if not 0 <= digits <= _MAX_DECIMALS or not isinstance(exponent, int) or abs(value.adjusted()) > _MAX_DECIMALS:
        return None
    half = Decimal(5).scaleb(min(exponent, 0) - 1)
    is_outward = is_high == (value >= 0)
    edge = abs(value) + (half if is_outward else -half)
    found = edge.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP if is_outward else ROUND_DOWN)
    return -found if value < 0 else found


def _temporal_edge(value: Temporal, digits: int | None, *, is_high: bool) -> Temporal | None:
    steps = _DIGITS[value.kind]
    wanted = steps[-1] if digits is None else digits
    is_second = wanted == _TO_SECOND.get(value.kind)
    if wanted not in steps and not is_second:
        return None
    count = len(steps) if is_second else steps.index(wanted) + 1
    parts = _filled(value.parts, value.kind, is_high=is_high)[:count]
    if is_second:
        parts = (*parts[:-1], Decimal(int(parts[-1])))
    offset = value.offset
    if value.kind == "DateTime" and offset is None and count > DAY:
        offset = _LATEST_ZONE if is_high else _EARLIEST_ZONE
    return Temporal(value.kind, parts, offset if count > DAY else None)


def _filled(parts: Parts, kind: str, *, is_high: bool) -> Parts:
    """Return all parts: what is unknown is as early, or as late, as it can be."""
    day: Parts = ()
    clock = parts if kind == "Time" else parts[DAY:]
    if kind != "Time":
        year, month = int(parts[0]), int(parts[1]) if len(parts) > 1 else (12 if is_high else 1)
        day = (year, month, (monthrange(year, month)[1] if is_high else 1))
        day = (*parts[:DAY], *day[len(parts[:DAY]) :])
    edges: Parts = (23, 59, Decimal("59.999")) if is_high else (0, 0, Decimal("0.000"))
    if len(clock) == 3:
        clock = (*clock[:2], _second_edge(Decimal(clock[2]), is_high=is_high))
    return (*day, *clock, *edges[len(clock) :])


def _second_edge(second: Decimal, *, is_high: bool) -> Decimal:
    """Return a second to the millisecond: the last, or the first, that its decimals leave open."""
    exponent = second.as_tuple().exponent
    is_open = is_high and isinstance(exponent, int) and exponent > -3
    return second + (Decimal(1).scaleb(int(exponent)) - Decimal("0.001") if is_open else Decimal("0.000"))


def _precision(frame: Frame, items: Items) -> Items:
    value: Any = one(items, "precision()")
    if value is None:
        return EMPTY
    if isinstance(value, Temporal):
        steps = _DIGITS[value.kind]
        digits = steps[len(value.parts) - 1]
        return [digits - 3 if _is_whole_second(value) else digits]
    if isinstance(value, Quantity):
        value = value.value
    if not is_number(value):
        raise wrong("precision()", "a number or a date", value)
    exponent = Decimal(value).as_tuple().exponent
    return [max(0, -exponent)] if isinstance(exponent, int) else EMPTY


def _is_whole_second(value: Temporal) -> bool:
    """Tell whether a value ends with a second that has no decimals: then the three digits of milliseconds are open."""
    return isinstance(value.parts[-1], Decimal) and "." not in str(value.parts[-1])


BOUNDARIES: Final = {
    "lowBoundary": _boundary("lowBoundary", is_high=False),
    "highBoundary": _boundary("highBoundary", is_high=True),
    "precision": Function(_precision, answers="Integer"),
}
