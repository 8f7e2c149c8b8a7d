"""GTS (IVL_TS, PIVL_TS, EIVL_TS, SXPR_TS) to Timing. Spec: datatypes.html#Timing. Source: HL7 v3 data types, GTS."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from mappings.cda.datatypes import number, pq_to_quantity
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.values import value_type
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact

PERIOD_UNITS = {"s": "s", "min": "min", "h": "h", "d": "d", "wk": "wk", "mo": "mo", "a": "a"}
EVENTS = frozenset(
    "HS WAKE C CM CD CV AC ACM ACD ACV PC PCM PCD PCV MORN AFT EVE NIGHT PHS".split()  # noqa: SIM905 - a list of codes
)

_DAYS = {"d": 1, "wk": 7}
_MINUTES = {"min": 1, "h": 60, "d": 1440}


def timing(elements: list[Element], context: Context) -> Json:
    """Convert the times of a dosage; empty when they tell nothing. The first interval bounds the repetition."""
    events: list[str] = []
    repeat: Json = {}
    for element in _parts(elements):
        kind = value_type(element)
        if kind == "PIVL_TS":
            repeat |= _cycle(element, context)
        elif kind == "EIVL_TS":
            meal = _meal(element, context)
            repeat |= {**meal, "when": [*repeat.get("when", []), *meal["when"]]} if meal else {}
        elif element.get("value") and kind != "IVL_TS":
            events += [moment] if (moment := date_time(element, context)) else []
        elif "boundsPeriod" not in repeat and "boundsDuration" not in repeat:
            repeat |= _bounds(element, context)
    return compact({"event": events, "repeat": repeat})


def _parts(elements: list[Element]) -> Iterator[Element]:
    """Go through the times; a parenthetic expression (SXPR_TS) gives its components."""
    for element in elements:
        if value_type(element) == "SXPR_TS":
            yield from _parts(children(element, "comp"))
        else:
            yield element


def _bounds(element: Element, context: Context) -> Json:
    """Choice: a start and a width of whole days give the last day, as Period includes it; FHIR has no such pair."""
    period = ivl_ts_to_period(element, context)
    width = pq_to_quantity(child(element, "width"), context)
    if not width:
        return {"boundsPeriod": period} if period else {}
    if "start" not in period:
        return {"boundsDuration": width}
    end = period.get("end") or _last_day(period["start"], width)
    if end is None:
        note = "A start and a width of no whole days: FHIR holds one of them, and the start was kept."
        context.report("warning", "not-supported", note, element)
    return {"boundsPeriod": compact({**period, "end": end})}


def _last_day(start: str, width: Json) -> str | None:
    days = width["value"] * _DAYS.get(width.get("code", ""), 0)
    if len(start) != 10 or days < 1 or days != days.to_integral_value() or days > 36500:
        return None
    try:
        return (date.fromisoformat(start) + timedelta(days=int(days) - 1)).isoformat()
    except OverflowError:
        return None


def _cycle(element: Element, context: Context) -> Json:
    """Convert "every so often"; an hour of the day in its phase is kept when it comes back every day."""
    period, phase = child(element, "period"), child(element, "phase")
    frequency = child(element, "frequency")
    start = ivl_ts_to_period(phase, context).get("start")
    found: Json = {}
    if period is not None and period.get("value"):
        value = number(period.get("value"), period, context)
        unit = PERIOD_UNITS.get((period.get("unit") or "").strip())
        if value is not None and value > 0 and unit:
            found = {"frequency": 1, "period": value, "periodUnit": unit}
    elif frequency is not None:
        found = _frequency(frequency, context)
    if start and "T" in start and found.get("period") == 1 and found["periodUnit"] == "d":
        found["timeOfDay"] = [start[11:19]]
    elif start:
        found["boundsPeriod"] = {"start": start}
    return found


def _frequency(element: Element, context: Context) -> Json:
    """Convert "so many times in a period" (CDA's own PIVL_TS has no frequency; French documents write one)."""
    numerator, denominator = child(element, "numerator"), child(element, "denominator")
    if numerator is None or denominator is None:
        return {}
    times = number(numerator.get("value"), numerator, context)
    period = number(denominator.get("value"), denominator, context)
    unit = PERIOD_UNITS.get((denominator.get("unit") or "").strip())
    if times is None or period is None or unit is None or times != times.to_integral_value() or times < 1:
        return {}
    return {"frequency": int(times), "period": period, "periodUnit": unit}


def _meal(element: Element, context: Context) -> Json:
    event, offset = child(element, "event"), child(element, "offset")
    code = (event.get("code") or "").strip() if event is not None else ""
    if code not in EVENTS:
        if code:
            context.report("warning", "code-invalid", f"The event '{code}' of a dosage has no FHIR code.", event)
        return {}
    minutes = _offset(offset, context)
    return {"when": [code]} | ({"offset": minutes} if minutes else {})


def _offset(offset: Element | None, context: Context) -> int:
    quantity = pq_to_quantity(offset, context)
    low = child(offset, "low") if offset is not None else None
    quantity = quantity or pq_to_quantity(low, context)
    if not quantity or quantity.get("code") not in _MINUTES:
        return 0
    minutes: Decimal = abs(quantity["value"]) * _MINUTES[quantity["code"]]
    return int(minutes)
