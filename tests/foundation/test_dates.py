from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.dates import (
    format_http_date,
    format_instant,
    from_microseconds,
    interval,
    microseconds,
    parse_http_date,
    parse_instant,
)
from fhir_server.foundation.operation_outcome import BadRequest


def moment(*parts):
    return microseconds(datetime(*parts, tzinfo=UTC))


@pytest.mark.spec("search.html#date")
@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("2026", moment(2026, 1, 1), moment(2027, 1, 1)),
        ("2024-02", moment(2024, 2, 1), moment(2024, 3, 1)),
        ("2026-12", moment(2026, 12, 1), moment(2027, 1, 1)),
        ("2024-02-29", moment(2024, 2, 29), moment(2024, 3, 1)),
        ("2026-11-22T10:00", moment(2026, 11, 22, 10), moment(2026, 11, 22, 10, 1)),
        ("2026-11-22T10:00:05Z", moment(2026, 11, 22, 10, 0, 5), moment(2026, 11, 22, 10, 0, 6)),
        ("2026-11-22T10:00:05+01:30", moment(2026, 11, 22, 8, 30, 5), moment(2026, 11, 22, 8, 30, 6)),
        ("2026-11-22T10:00:05-01:00", moment(2026, 11, 22, 11, 0, 5), moment(2026, 11, 22, 11, 0, 6)),
        ("2026-11-22T10:00:05.12Z", moment(2026, 11, 22, 10, 0, 5, 120000), moment(2026, 11, 22, 10, 0, 5, 130000)),
        ("2016-12-31T23:59:60Z", moment(2017, 1, 1), moment(2017, 1, 1, 0, 0, 1)),
        ("1960-01-01T00:00:00.123456789Z", moment(1960, 1, 1) + 123456, moment(1960, 1, 1) + 123457),
    ],
)
def test_a_date_covers_its_precision(text, low, high):
    assert interval(text) == (low, high)


def test_the_ends_of_the_calendar_do_not_overflow():
    assert interval("9999")[1] - interval("9999-12-31")[0] == 86_400_000_000
    assert interval("0001-01-01T00:00:00+14:00")[0] < interval("0001")[0]


@pytest.mark.parametrize(
    "text", ["", "26", "2026-13", "2026-02-30", "0000", "2026-1-1", "2026-01-01T", "2026-01-01T25:00Z", "٢٠٢٦", "now"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(BadRequest, match="is no date"):
        interval(text)


@pytest.mark.spec("datatypes.html#instant")
def test_instants_are_written_in_utc_with_milliseconds():
    paris = timezone(timedelta(hours=1))
    assert format_instant(datetime(2026, 11, 22, 11, 0, 0, 123_999, tzinfo=paris)) == "2026-11-22T10:00:00.123Z"
    assert parse_instant("2026-11-22T10:00:00.123Z") == datetime(2026, 11, 22, 10, 0, 0, 123_000, tzinfo=UTC)


@pytest.mark.spec("http.html#concurrency")
def test_http_dates():
    instant = datetime(2026, 11, 22, 10, tzinfo=UTC)
    assert format_http_date(instant) == "Sun, 22 Nov 2026 10:00:00 GMT"
    assert parse_http_date("Sun, 22 Nov 2026 10:00:00 GMT") == instant
    assert parse_http_date("yesterday") is None


@given(st.datetimes(timezones=st.just(UTC)))
def test_an_instant_lies_within_its_text(instant):
    low, high = interval(format_instant(instant))
    assert low <= microseconds(instant) < high
    assert from_microseconds(microseconds(instant)) == instant
