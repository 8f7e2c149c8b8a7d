"""Dates, date-times and times of a known precision: reading, writing, comparing.

Spec: https://hl7.org/fhirpath/N1/#datetime-equality, https://hl7.org/fhirpath/N1/#comparison
"""

import re
from calendar import monthrange
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final, Literal

import msgspec

Kind = Literal["Date", "DateTime", "Time"]
Parts = tuple[int | Decimal, ...]

_DATE: Final = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_CLOCK: Final = r"(\d\d)(?::(\d\d)(?::(\d\d(?:\.\d{1,20})?))?)?"
_TIME: Final = re.compile(_CLOCK, re.ASCII)
_DATETIME: Final = re.compile(rf"(\d{{4}})(?:-(\d\d)(?:-(\d\d))?)?(?:T(?:{_CLOCK})?(Z|[+-]\d\d:\d\d)?)?", re.ASCII)
_LONGEST: Final = 48
_LARGEST_OFFSET: Final = 14 * 60
DAY: Final = 3  # The number of parts of a full date; a date-time with more has hours.


class Temporal(msgspec.Struct, frozen=True):
    """Hold a point in time as precisely as it is known.

    `parts` are year, month, day, hour, minute, second (a Time starts at hour), as many as are known; the second is a
    Decimal. `offset` is minutes east of UTC, None when no zone is told.
    """

    kind: Kind
    parts: Parts
    offset: int | None = None

    def __str__(self) -> str:
        if self.kind == "Time":
            return _clock(self.parts)
        text = _dashes(self.parts[:DAY])
        if len(self.parts) > DAY:
            text += "T" + _clock(self.parts[DAY:])
        return text + format_offset(self.offset)


def _dashes(parts: Parts) -> str:
    return f"{parts[0]:04}" + "".join(f"-{part:02}" for part in parts[1:])


def _clock(parts: Parts) -> str:
    text = ":".join(f"{int(part):02}" for part in parts)
    fraction = str(parts[2]).partition(".")[2] if len(parts) > 2 else ""
    return f"{text}.{fraction}" if fraction else text


def format_offset(offset: int | None) -> str:
    """Write minutes east of UTC as `+02:00`, 0 as Z, None as nothing."""
    if not offset:
        return "" if offset is None else "Z"
    return f"{'-' if offset < 0 else '+'}{abs(offset) // 60:02}:{abs(offset) % 60:02}"


def parse_date(text: str) -> Temporal | None:
    """Read YYYY, YYYY-MM or YYYY-MM-DD; None for anything else."""
    return _date(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _date(text: str) -> Temporal | None:
    match = _DATE.fullmatch(text)
    if match is None:
        return None
    parts = tuple(int(part) for part in match.groups() if part is not None)
    return Temporal("Date", parts) if _is_day(parts) else None


def parse_datetime(text: str) -> Temporal | None:
    """Read a date, with or without `T`, a time of any precision and a zone; None for anything else."""
    return _datetime(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=4096)
def _datetime(text: str) -> Temporal | None:
    match = _DATETIME.fullmatch(text)
    if match is None:
        return None
    day = tuple(int(part) for part in match.groups()[:3] if part is not None)
    clock = _clock_parts(match.groups()[3:6])
    if clock is None or not _is_day(day) or (clock and len(day) < DAY):
        return None
    offset = _offset(match[7])
    if match[7] and (offset is None or not clock):
        return None
    return Temporal("DateTime", day + clock, offset)


def parse_time(text: str) -> Temporal | None:
    """Read hh, hh:mm or hh:mm:ss.fff; None for anything else."""
    return _time(text) if len(text) <= _LONGEST else None


@lru_cache(maxsize=1024)
def _time(text: str) -> Temporal | None:
    match = _TIME.fullmatch(text)
    clock = _clock_parts(match.groups()) if match else None
    return Temporal("Time", clock) if clock else None


def _clock_parts(groups: tuple[str | None, ...]) -> Parts | None:
    hour, minute, second = groups
    parts: list[int | Decimal] = [int(part) for part in (hour, minute) if part is not None]
    if second is not None:
        parts.append(Decimal(second))
    limits = (24, 60, 61)
    return tuple(parts) if all(part < limit for part, limit in zip(parts, limits, strict=False)) else None


def _is_day(parts: Parts) -> bool:
    year, month, day = (int(part) for part in (*parts, 1, 1)[:3])
    return year > 0 and 0 < month < 13 and 0 < day <= monthrange(year, month)[1]


def _offset(text: str | None) -> int | None:
    if text is None or text == "Z":
        return None if text is None else 0
    minutes = int(text[1:3]) * 60 + int(text[4:])
    if minutes > _LARGEST_OFFSET or int(text[4:]) > 59:
        return None
    return -minutes if text[0] == "-" else minutes


def from_datetime(moment: datetime) -> Temporal:
    """Return an aware datetime as a DateTime to the millisecond."""
    second = Decimal(moment.second) + Decimal(moment.microsecond // 1000).scaleb(-3)
    offset = moment.utcoffset()
    minutes = None if offset is None else int(offset.total_seconds() // 60)
    return Temporal("DateTime", (*moment.timetuple()[:5], second), minutes)


def shift(value: Temporal, minutes: int) -> Parts:
    """Return the parts of a date-time that has hours, moved by minutes; its precision stays."""
    year, month, day, hour, minute = (int(part) for part in (*value.parts, 0)[:5])
    try:
        moved = datetime(year, month, day, hour, minute) + timedelta(minutes=minutes)
    except OverflowError:
        return value.parts
    return (*moved.timetuple()[:5], *value.parts[5:])[: max(len(value.parts), 4)]


def compare(left: Temporal, right: Temporal) -> int | None:
    """Return -1, 0 or 1; None when their precision or a missing zone leaves it open.

    Choice: a date-time without zone may lie anywhere in the 28 hours of the world's zones, so it compares with one
    that has a zone only when that cannot matter. A value without hours compares by the calendar day as written.
    """
    if (left.kind == "Time") != (right.kind == "Time"):
        return None
    if min(len(left.parts), len(right.parts)) <= DAY or left.kind == "Time" or left.offset == right.offset:
        return _compare_parts(left.parts, right.parts)
    if left.offset is not None and right.offset is not None:
        return _compare_parts(shift(left, -left.offset), shift(right, -right.offset))
    earliest, latest = ((_span(left, edge), _span(right, edge)) for edge in (-1, 1))
    orders = {_compare_parts(*earliest), _compare_parts(*latest)}
    return orders.pop() if len(orders) == 1 and None not in orders else None


def _span(value: Temporal, edge: int) -> Parts:
    return shift(value, edge * _LARGEST_OFFSET if value.offset is None else -value.offset)


def _compare_parts(left: Parts, right: Parts) -> int | None:
    common = min(len(left), len(right))
    if left[:common] != right[:common]:
        return -1 if left[:common] < right[:common] else 1
    return 0 if len(left) == len(right) else None
