"""Adding a time-valued quantity to a date, a date-time or a time.

Spec: https://hl7.org/fhirpath/N1/#datetime-arithmetic
"""

from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.values.quantity import CALENDAR_UNITS, Quantity
from fhir_server.fhirpath.values.temporal import DAY, Parts, Temporal

_DEFINITE: Final = {"wk": "week", "d": "day", "h": "hour", "min": "minute", "s": "second", "ms": "millisecond"}
_UNITS: Final = ("year", "month", "day", "hour", "minute", "second")
_TO_COARSER: Final = {"second": 60, "minute": 60, "hour": 24, "day": 30, "month": 12}
_SECONDS_A_DAY: Final = 86_400
_MOST: Final = Decimal(10) ** 12


def add(value: Temporal, quantity: Quantity, sign: int) -> Temporal | None:
    """Return the value moved by a duration, at its own precision; None when it leaves the years 1 to 9999."""
    amount, unit = _amount(quantity)
    if abs(amount) > _MOST:
        return None
    if value.kind == "Time":
        return _add_to_time(value, sign * amount, unit)
    amount, unit = _coarsen(amount, unit, _UNITS[min(len(value.parts), 6) - 1])
    try:
        return Temporal(value.kind, _move(value.parts, sign * amount, unit), value.offset)
    except (ValueError, OverflowError):
        return None


def _amount(quantity: Quantity) -> tuple[Decimal, str]:
    unit = CALENDAR_UNITS[quantity.unit] if quantity.is_calendar else _DEFINITE.get(quantity.unit)
    if unit is None:
        sentence = f"'{quantity.unit}' cannot be added to a date or time: use a calendar unit such as 1 year."
        raise EvaluationFailed(sentence)
    if unit == "millisecond":
        return quantity.value / 1000, "second"
    if unit == "second":
        return quantity.value, unit
    amount = Decimal(int(quantity.value)) if quantity.value.adjusted() < 20 else quantity.value
    return (amount * 7, "day") if unit == "week" else (amount, unit)


def _coarsen(amount: Decimal, unit: str, precision: str) -> tuple[Decimal, str]:
    """Convert to the unit of the value's precision, when the quantity's is finer: 1 year = 12 months = 365 days."""
    if _UNITS.index(unit) > _UNITS.index("day") and precision in ("year", "month"):
        while unit != "day":
            amount, unit = amount / _TO_COARSER[unit], _UNITS[_UNITS.index(unit) - 1]
    if unit == "day" and precision == "year":
        return Decimal(int(amount / 365)), "year"
    while _UNITS.index(unit) > _UNITS.index(precision):
        amount, unit = amount / _TO_COARSER[unit], _UNITS[_UNITS.index(unit) - 1]
        amount = Decimal(int(amount))
    return amount, unit


def _move(parts: Parts, amount: Decimal, unit: str) -> Parts:
    if unit in ("year", "month"):
        return _move_months(parts, int(amount) * (12 if unit == "year" else 1))
    year, month, day, hour, minute, second = (*parts, 1, 1, 0, 0, 0)[:6] if len(parts) < DAY else (*parts, 0, 0, 0)[:6]
    seconds = {"day": _SECONDS_A_DAY, "hour": 3600, "minute": 60, "second": 1}[unit] * amount + second
    whole = int(seconds.to_integral_value("ROUND_FLOOR"))
    moved = datetime(int(year), int(month), int(day), int(hour), int(minute)) + timedelta(seconds=whole)
    every = (*moved.timetuple()[:5], moved.second + (seconds - whole))
    return every[: len(parts)]


def _move_months(parts: Parts, months: int) -> Parts:
    total = int(parts[0]) * 12 + (int(parts[1]) - 1 if len(parts) > 1 else 0) + months
    year, month = divmod(total, 12)
    if not 1 <= year <= 9999:
        raise ValueError
    moved: Parts = (year, month + 1)[: len(parts)]
    if len(parts) >= DAY:
        moved = (*moved, min(int(parts[2]), monthrange(year, month + 1)[1]))
    return (*moved, *parts[DAY:])


def _add_to_time(value: Temporal, amount: Decimal, unit: str) -> Temporal:
    if unit not in ("hour", "minute", "second"):
        raise EvaluationFailed(f"A {unit} cannot be added to a time: use hours, minutes or seconds.")
    precision = _UNITS[DAY + len(value.parts) - 1]
    amount, unit = _coarsen(amount, unit, precision)
    hour, minute, second = (*value.parts, 0, 0)[:3]
    factor = {"hour": 3600, "minute": 60, "second": 1}
    seconds = (Decimal(int(hour) * 3600 + int(minute) * 60) + second + amount * factor[unit]) % _SECONDS_A_DAY
    if seconds < 0:
        seconds += _SECONDS_A_DAY
    whole = int(seconds)
    every: Parts = (whole // 3600, whole // 60 % 60, whole % 60 + (seconds - whole))
    return Temporal("Time", every[: len(value.parts)])
