from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import DATE, MAX_INSTANT, MIN_INSTANT, IndexRow
from fhir_server.search.match import Subject, match
from fhir_server.search.types import date
from fhir_server.search.types.value import PREFIXES, Use

Finds = Callable[..., list[str]]


def observed(**effective: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", **effective}


@pytest.mark.spec("search.html#date")
@pytest.mark.parametrize(
    ("value", "query", "is_found"),
    [
        ("2013-01-14", "2013-01-14", True),
        ("2013-01-14T00:00:00Z", "2013-01-14", True),
        ("2013-01-14T10:00:00Z", "2013-01-14", True),
        ("2013-01-15T00:00:00Z", "2013-01-14", False),
        ("2013-01-15T00:30:00+01:00", "2013-01-14", True),
        ("2013-01", "2013-01-14", False),
        ("2013-01-14", "2013", True),
        ("2013-01-14T10:00:00Z", "2013-01-14T10:00", True),
        ("2013-01-14T10:00:00Z", "2013-01-14T11:00:00%2B01:00", True),
        ("2013-01-14T10:00:00Z", "2013-01-14T11:00:00+01:00", True),
        ("2013-01-14", "ne2013-01-14", False),
        ("2013-01-15", "ne2013-01-14", True),
        ("2013-01", "ne2013-01-14", True),
        ("2013-01-15", "gt2013-01-14", True),
        ("2013-01-14", "gt2013-01-14", False),
        ("2013-01", "gt2013-01-14", True),
        ("2013-01-13", "lt2013-01-14", True),
        ("2013-01", "lt2013-01-14", True),
        ("2013-01-14", "lt2013-01-14", False),
        ("2013-03-14", "ge2013-03-14", True),
        ("2013-03-13", "ge2013-03-14", False),
        ("2013-03-14", "le2013-03-14", True),
        ("2013-03-15", "le2013-03-14", False),
        ("2013-03-15", "sa2013-03-14", True),
        ("2013-03", "sa2013-03-14", False),
        ("2013-03-13", "eb2013-03-14", True),
        ("2013-03", "eb2013-03-14", False),
        ("2013-03-20", "ap2013-03-14", True),
        ("1913-03-20", "ap2013-03-14", False),
        ("1999-12", "1999-12", True),
        ("9999-12-31", "ge9999-12", True),
    ],
)
def test_prefixes_compare_what_each_precision_covers(finds: Finds, value: str, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?date={query}", observed(effectiveDateTime=value))) is is_found


@pytest.mark.spec("search.html#date")
def test_a_period_is_open_where_it_does_not_say(finds: Finds) -> None:
    since = observed(effectivePeriod={"start": "2013-01-21"})
    until = observed(effectivePeriod={"end": "2013-01-21"})
    within = observed(effectivePeriod={"start": "2013-01-21", "end": "2013-01-23"})
    empty = observed(effectivePeriod={})
    everything = (since, until, within, empty)
    assert finds("Observation?date=ge2014", *everything) == ["0"]
    assert finds("Observation?date=lt2013", *everything) == ["1"]
    assert finds("Observation?date=2013-01", *everything) == ["2"]
    assert finds("Observation?date=sa2012-12-31", *everything) == ["0", "2"]
    assert finds("Observation?date:missing=true", *everything) == ["3"]


@pytest.mark.spec("search.html#date")
def test_of_a_timing_only_the_outer_limits_count(finds: Finds) -> None:
    timing = observed(
        effectiveTiming={
            "event": ["2013-02-01", None, "2013-02-03"],
            "repeat": {"boundsPeriod": {"start": "2013-01-31", "end": "2013-03-24"}, "frequency": 1},
        }
    )
    assert finds("Observation?date=2013", timing, observed(effectiveTiming={"code": {"text": "daily"}})) == ["0"]
    assert finds("Observation?date=ge2013-02-04", timing) == ["0"]
    assert finds("Observation?date=sa2013-01-31", timing) == []


@pytest.mark.spec("search.html#lastUpdated")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("2023-11-14", True),
        ("2023-11-14T22:13:20Z", True),
        ("gt2023-11-14T22:13:20Z", False),
        ("ge2023-11-14T22:13:20Z", True),
        ("lt2023-11-14T22:13:21Z", True),
        ("lt2023-11-14T22:13:20Z", False),
        ("ne2023-11-14", False),
        ("sa2023-11-13", True),
    ],
)
def test_last_updated_is_an_instant(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?_lastUpdated={query}", observed())) is is_found


@pytest.mark.parametrize(
    "value", ["zz2013", "2013-13", "2013-02-30", "2013-1-1", "ge", "2013-01-01T10", "2013-01-01T25:00Z", "yesterday"]
)
def test_what_is_no_date_is_refused_with_what_would_be_right(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match=r"date: .* write \[eq\|ne"):
        finds(f"Observation?date={value}", observed())


INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2003, 1, 1)).map(lambda value: value.replace(tzinfo=UTC))
PRECISIONS = st.sampled_from(["%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"])
DATES = st.builds(lambda instant, form: instant.strftime(form), INSTANTS, PRECISIONS)


def covered(text: str) -> tuple[datetime, datetime]:
    """Return first and last microsecond, found by trying: the slow and certain way."""
    for form in ("%Y", "%Y-%m", "%Y-%m-%d", "%Y-%m-%dT%H:%MZ", "%Y-%m-%dT%H:%M:%SZ"):
        try:
            first = datetime.strptime(text, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        steps = {
            "%Y": first.replace(year=first.year + 1),
            "%Y-%m": (first + timedelta(days=31)).replace(day=1),
            "%Y-%m-%d": first + timedelta(days=1),
            "%Y-%m-%dT%H:%MZ": first + timedelta(minutes=1),
            "%Y-%m-%dT%H:%M:%SZ": first + timedelta(seconds=1),
        }
        return first, steps[form] - timedelta(microseconds=1)
    raise AssertionError(text)


def expected(prefix: str, asked: tuple[datetime, datetime], stored: tuple[datetime, datetime]) -> bool:
    """Say the sentences of search.html#prefix about closed intervals."""
    contains = asked[0] <= stored[0] and stored[1] <= asked[1]
    reaches_above, reaches_below = stored[1] > asked[1], stored[0] < asked[0]
    return {
        "eq": contains,
        "ne": not contains,
        "gt": reaches_above,
        "lt": reaches_below,
        "ge": reaches_above or contains,
        "le": reaches_below or contains,
        "sa": stored[0] > asked[1],
        "eb": stored[1] < asked[0],
    }[prefix]


@pytest.mark.spec("search.html#prefix")
@given(DATES, DATES, DATES, st.sampled_from([prefix for prefix in PREFIXES if prefix != "ap"]))
def test_rows_and_conditions_agree_with_the_sentences_of_the_specification(
    asked: str, start: str, end: str, prefix: str
) -> None:
    start, end = sorted((start, end), key=lambda text: covered(text)[0])
    rows: list[IndexRow] = []
    date.period(rows.append, "date", 0, {"start": start, "end": end})
    found = match(date.condition(prefix + asked, Use("date")), Subject("Observation", "1", 0, rows))
    stored = (covered(start)[0], covered(end)[1])
    if stored[0] <= stored[1]:
        assert found is expected(prefix, covered(asked), stored)


def test_open_ends_are_beyond_every_date() -> None:
    rows: list[IndexRow] = []
    date.period(rows.append, "date", 0, {"start": "9999-12-31"})
    date.period(rows.append, "date", 0, {"end": "0001-01-01"})
    assert rows[0] == (DATE, "date", 0, date.interval("9999-12-31")[0], MAX_INSTANT)
    assert rows[1] == (DATE, "date", 0, MIN_INSTANT, date.interval("0001-01-01")[1])
