"""Date: instants and intervals, each as precise as it is written.

Spec: search.html#date, search.html#prefix
"""

import re
from calendar import isleap, monthrange
from datetime import date as Day  # noqa: N812 - `date` is this module's own name
from functools import lru_cache
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import DATE, MAX_INSTANT, MIN_INSTANT
from fhir_server.search.types.value import PREFIXES, Emit, Leaf, Use, prefixed, unescape

FAMILY: Final = DATE
MODIFIERS: Final[frozenset[str]] = frozenset()

Interval = tuple[int, int]

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND
EPOCH: Final = Day(1970, 1, 1).toordinal()
APPROXIMATION: Final = 10
"""`ap` widens by a tenth of the time between now and the date."""

_DATE_TIME: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:Z|([+-])(\d\d):(\d\d))?)?)?)?"
)


@lru_cache(maxsize=20_000)
def interval(text: str) -> Interval:
    """Return the half-open interval, in microseconds, that a date, dateTime or instant stands for.

    Choice: what has no time zone is read as UTC, so that every server of a cluster gives the same rows.
    Raises ValueError when it is no date.
    """
    found = _DATE_TIME.fullmatch(text)
    if found is None:
        raise ValueError(f"no date: {text!r}")
    year, month, day, hour, minute, second, fraction, *zone = found.groups()
    low = (Day(int(year), int(month or 1), int(day or 1)).toordinal() - EPOCH) * DAY
    if hour is None:
        return low, low + _days(int(year), month, day) * DAY
    low += _within_day(int(hour), int(minute), int(second or 0)) - _offset(*zone)
    if second is None:
        return low, low + MINUTE
    if not fraction:
        return low, low + SECOND
    low += int(fraction[:6].ljust(6, "0"))
    return low, low + int(10 ** max(0, 6 - len(fraction)))


def _days(year: int, month: str | None, day: str | None) -> int:
    if day:
        return 1
    return monthrange(year, int(month))[1] if month else 365 + isleap(year)


def _within_day(hour: int, minute: int, second: int) -> int:
    if hour > 23 or minute > 59 or second > 60:
        raise ValueError("no time of day")
    return (hour * 3600 + minute * 60 + min(second, 59)) * SECOND


def _offset(sign: str | None, hours: str | None, minutes: str | None) -> int:
    if sign is None:
        return 0
    if int(hours or 0) > 14 or int(minutes or 0) > 59:
        raise ValueError("no time zone")
    offset = (int(hours or 0) * 60 + int(minutes or 0)) * MINUTE
    return -offset if sign == "-" else offset


def moment(emit: Emit, parameter: str, element: int, value: str) -> None:
    """Write the row of a date, dateTime or instant."""
    emit((DATE, parameter, element, *interval(value)))


def period(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the row of a Period, open where it does not say."""
    start, end = value.get("start"), value.get("end")
    if start or end:
        low = interval(start)[0] if start else MIN_INSTANT
        high = interval(end)[1] if end else MAX_INSTANT
        emit((DATE, parameter, element, low, high))


def timing(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the outer limits of a Timing: the schedule within them does not count."""
    rows: list[Any] = []
    for event in value.get("event", ()):
        if event:
            moment(rows.append, parameter, element, event)
    bounds = value.get("repeat", {}).get("boundsPeriod")
    if bounds:
        period(rows.append, parameter, element, bounds)
    if rows:
        emit((DATE, parameter, element, min(row[3] for row in rows), max(row[4] for row in rows)))


LEAVES: Final = {
    **dict.fromkeys(("date", "dateTime", "instant"), (Leaf("", moment),)),
    "Period": (Leaf("", period),),
    "Timing": (Leaf("", timing),),
}


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks of the rows of a parameter."""
    return any_of(*(Compare(DATE, use.parameter, tests) for tests in alternatives(value, use)))


def alternatives(value: str, use: Use) -> tuple[tuple[Test, ...], ...]:
    """Return the ways to meet `[prefix]date`, each a conjunction of tests on `low` and `high`."""
    prefix, text = prefixed(unescape(value))
    try:
        # A client that forgets to encode the "+" of a time zone sends a space.
        low, high = interval(text.replace(" ", "+"))
    except ValueError:
        right = f"write [{'|'.join(PREFIXES)}]YYYY[-MM[-DD[Thh:mm[:ss[.sss]][Z|+hh:mm]]]]"
        raise use.refusal(value, right) from None
    return _alternatives(prefix, low, high, use.now)


def _alternatives(prefix: str, low: int, high: int, now: int) -> tuple[tuple[Test, ...], ...]:
    """Say each prefix as search.html#prefix does: what the interval asked and the interval stored have in common."""
    if prefix == "ap":
        margin = abs(now - low) // APPROXIMATION
        return ((("low", "lt", high + margin), ("high", "gt", low - margin)),)
    meanings: dict[str, tuple[tuple[Test, ...], ...]] = {
        "eq": ((("low", "ge", low), ("high", "le", high)),),
        "ne": ((("low", "lt", low),), (("high", "gt", high),)),
        "gt": ((("high", "gt", high),),),
        "lt": ((("low", "lt", low),),),
        "ge": ((("high", "gt", high),), (("low", "ge", low),)),
        "le": ((("low", "lt", low),), (("high", "le", high),)),
        "sa": ((("low", "ge", high),),),
        "eb": ((("high", "le", low),),),
    }
    return meanings[prefix]
