"""TS, IVL_TS and birth dates to FHIR date, dateTime, instant and Period, at the precision that was written.

Spec: datatypes.html#dateTime. Source: HL7 v3 data types, TS (YYYYMMDDHHMMSS.UUUU[+|-ZZzz]).
"""

import re
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from mappings.cda.vocabulary import absent_reason
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.fhir import Json, absent, compact

# Choice: a time without a zone is French civil time; the CI-SIS asks for a zone and says nothing of its absence.
CIVIL_TIME = ZoneInfo("Europe/Paris")

_TS = re.compile(
    r"(?P<year>\d{4})(?P<month>\d\d)?(?P<day>\d\d)?(?P<hour>\d\d)?(?P<minute>\d\d)?(?P<second>\d\d)?"
    r"(?P<fraction>\.\d{1,9})?(?P<zone>Z|[+-]\d{1,4})?"
)
_ZONE = re.compile(r"[+-]\d{4}")


@lru_cache(maxsize=4096)
def ts_to_date_time(value: str) -> str | None:
    """Convert the text of a TS; None when it is no date.

    Choice: an hour without minutes becomes its day, because FHIR has no such precision and minutes are not invented.
    """
    parts = _TS.fullmatch(value.strip())
    if parts is None or not _is_calendar(parts):
        return None
    date = "-".join(filter(None, (parts["year"], parts["month"], parts["day"])))
    if parts["minute"] is None:
        return date
    time = f"{parts['hour']}:{parts['minute']}:{parts['second'] or '00'}{parts['fraction'] or ''}"
    return f"{date}T{time}{_zone(parts)}"


def ts_to_instant(value: str) -> str | None:
    """Convert the text of a TS to a full instant; a day alone begins at midnight, civil time."""
    converted = ts_to_date_time(value)
    if converted is None or "T" in converted:
        return converted
    day = (converted + "-01-01")[:10] if len(converted) == 4 else (converted + "-01")[:10]
    return ts_to_date_time(day.replace("-", "") + "0000")


def date_time(element: Element | None, context: Context) -> str | None:
    """Convert a TS element, or the low (else high) bound of an interval; report a value that is no date."""
    if element is None:
        return None
    bounds = (element, child(element, "low"), child(element, "center"), child(element, "high"))
    for bound in bounds:
        if bound is not None and (value := bound.get("value")):
            return _reported(value, bound, context)
    return None


def date_only(element: Element | None, context: Context) -> str | None:
    """Convert a TS element to a date; what is finer than the day is left out."""
    converted = date_time(element, context)
    return converted[:10] if converted else None


def ivl_ts_to_period(element: Element | None, context: Context) -> Json:
    """Convert an IVL_TS to a Period; a point in time becomes its start; empty when no bound is known.

    Choice: of an interval that ends before it starts the start is kept (per-1). A centre alone becomes the start: the
    CDA says that the act was around it.
    """
    if element is None:
        return {}
    if value := element.get("value"):
        return compact({"start": _reported(value, element, context)})
    start, end = date_time(child(element, "low"), context), date_time(child(element, "high"), context)
    if start and end and _is_after(start, end):
        context.report("warning", "business-rule", "An interval ends before it starts: its end is left out.", element)
        end = None
    center = child(element, "center") if not start and not end else None
    return compact({"start": start or date_time(center, context), "end": end})


def _is_after(start: str, end: str) -> bool:
    """Compare two moments at the precision that both have."""
    if "T" in start and "T" in end:
        return datetime.fromisoformat(start) > datetime.fromisoformat(end)
    known = min(len(start), len(end), 10)
    return start[:known] > end[:known]


def effective(element: Element | None, context: Context) -> Json:
    """Convert an effectiveTime to effectiveDateTime or effectivePeriod; a nullFlavor says why there is none."""
    period = ivl_ts_to_period(element, context)
    if "end" in period and period.get("start") != period["end"]:
        return {"effectivePeriod": period}
    moment = period.get("start") or date_time(element, context)
    if moment:
        return {"effectiveDateTime": moment}
    flavor = element.get("nullFlavor") if element is not None else None
    return {"_effectiveDateTime": absent(absent_reason(flavor))} if flavor else {}


def _reported(value: str, element: Element, context: Context) -> str | None:
    converted = ts_to_date_time(value)
    if converted is None:
        context.report("warning", "value", f"'{value}' is no date: write YYYYMMDDHHMMSS+ZZzz.", element)
    elif len(value.partition("+")[0].partition("-")[0].strip()) > 8 and "T" not in converted:
        context.report("information", "value", "An hour without minutes was kept as its day.", element)
    elif re.search(r"[+-]", value) and not _ZONE.search(value):
        context.report("warning", "value", f"The zone of '{value}' is no +ZZzz: civil time in Paris is used.", element)
    return converted


def _is_calendar(parts: re.Match[str]) -> bool:
    try:
        _moment(parts)
    except ValueError:
        return False
    return not (parts["fraction"] and parts["second"] is None)


def _moment(parts: re.Match[str]) -> datetime:
    names = ("year", "month", "day", "hour", "minute", "second")
    defaults = (1, 1, 1, 0, 0, 0)
    year, month, day, hour, minute, second = (
        int(parts[name]) if parts[name] is not None else default for name, default in zip(names, defaults, strict=True)
    )
    return datetime(year, month, day, hour, minute, second, tzinfo=CIVIL_TIME)


def _zone(parts: re.Match[str]) -> str:
    zone = parts["zone"] or ""
    if zone == "Z":
        return "Z"
    if _ZONE.fullmatch(zone) and int(zone[1:3]) <= 14 and int(zone[3:]) < 60:
        return f"{zone[:3]}:{zone[3:]}"
    offset = _moment(parts).utcoffset() or timedelta()
    minutes = int(offset.total_seconds()) // 60
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"
