"""Dates and times: FHIR text to half-open intervals, instants to text.

Spec: datatypes.html#dateTime, search.html#date
"""

import re
from calendar import monthrange
from datetime import UTC, date, datetime, timedelta
from email.utils import format_datetime, parsedate_to_datetime
from functools import lru_cache
from typing import Final

from fhir_server.foundation.operation_outcome import BadRequest

SECOND: Final = 1_000_000
MINUTE: Final = 60 * SECOND
DAY: Final = 86_400 * SECOND
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL: Final = EPOCH.toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)
_FIRST: Final = (datetime(1, 1, 1, tzinfo=UTC) - EPOCH) // _MICROSECOND
_LAST: Final = (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC) - EPOCH) // _MICROSECOND
_TEXT: Final = re.compile(
    r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T([01]\d|2[0-3]):([0-5]\d)(?::([0-5]\d|60)(?:\.(\d+))?)?"
    r"(?:(Z)|([+-])(0\d|1[0-3]|14):([0-5]\d))?)?)?)?",
    re.ASCII,
)


@lru_cache(maxsize=16_384)
def interval(text: str) -> tuple[int, int]:
    """Return `low, high` in microseconds since 1970 UTC of a date, dateTime or instant: all that its precision covers.

    Choice: a value without zone is UTC, because an interval that depends on where the server runs would make the
    index depend on it too. A leap second counts as the first second of the next minute. BadRequest for any other text.
    """
    match = _TEXT.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        if match[4] is None:
            return _days(match)
        return _time(match)
    except ValueError:
        sentence = f"'{text[:64]}' is no date: write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss+zz:zz."
        raise BadRequest(sentence, code="value") from None


def _days(match: re.Match[str]) -> tuple[int, int]:
    year, month, day = int(match[1]), int(match[2] or 1), int(match[3] or 1)
    low = date(year, month, day).toordinal() - _EPOCH_ORDINAL
    if match[3]:
        high = low + 1
    elif match[2]:
        high = low + monthrange(year, month)[1]
    else:
        high = date(year, 12, 31).toordinal() - _EPOCH_ORDINAL + 1
    return low * DAY, high * DAY


def _time(match: re.Match[str]) -> tuple[int, int]:
    day = date(int(match[1]), int(match[2]), int(match[3])).toordinal() - _EPOCH_ORDINAL
    low = day * DAY + (int(match[4]) * 60 + int(match[5])) * MINUTE
    width = MINUTE
    if match[6]:
        low += int(match[6]) * SECOND
        width = SECOND
    if match[7]:
        digits = match[7][:6]
        width = 10 ** (6 - len(digits))
        low += int(digits) * width
    if match[9]:
        offset = (int(match[10]) * 60 + int(match[11])) * MINUTE
        low -= offset if match[9] == "+" else -offset
    return low, low + width


def microseconds(instant: datetime) -> int:
    """Return microseconds since 1970 UTC."""
    return (instant - EPOCH) // _MICROSECOND


def from_microseconds(value: int) -> datetime:
    """Return the aware UTC datetime of microseconds since 1970; the first or last there is for one beyond it.

    A zone or a whole year can lead out of the years 1 to 9999.
    """
    return EPOCH + timedelta(microseconds=min(max(value, _FIRST), _LAST))


def format_instant(instant: datetime) -> str:
    """Write an aware datetime as a FHIR instant in UTC with milliseconds, `2026-11-22T10:00:00.123Z`."""
    utc = instant if instant.tzinfo is UTC else instant.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def parse_instant(text: str) -> datetime:
    """Return the moment at which a FHIR instant, or any dateTime, begins."""
    return from_microseconds(interval(text)[0])


@lru_cache(maxsize=1024)
def format_http_date(instant: datetime) -> str:
    """Write an aware UTC datetime as HTTP's date, `Sun, 22 Nov 2026 10:00:00 GMT`."""
    return format_datetime(instant, usegmt=True)


def parse_http_date(text: str) -> datetime | None:
    """Return the aware datetime of an HTTP date; None when it is none, which HTTP asks to ignore."""
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)
