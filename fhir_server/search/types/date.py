"""Date: instants and intervals, each as precise as it is written.

Spec: search.html#date, search.html#prefix
"""

from typing import Any, Final

from fhir_server.foundation.dates import DAY as DAY
from fhir_server.foundation.dates import interval as interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import DATE, MAX_INSTANT, MIN_INSTANT
from fhir_server.search.types.value import PREFIXES, Emit, Leaf, Use, prefixed, unescape

FAMILY: Final = DATE
MODIFIERS: Final[frozenset[str]] = frozenset()

APPROXIMATION: Final = 10
"""`ap` widens by a tenth of the time between now and the date."""


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
    except BadRequest:
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
