"""The parts of dates, date-times and times.

Spec: https://build.fhir.org/ig/HL7/FHIRPath/#extract-datetimetime-components
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.operators.singleton import EMPTY, one
from fhir_server.fhirpath.values.temporal import DAY, Temporal, parse_datetime

_PLACES: Final = ("year", "month", "day", "hour", "minute", "second")


def _part(value: Temporal, name: str) -> Any:
    place = _PLACES.index(name) - (DAY if value.kind == "Time" else 0)
    return value.parts[place] if 0 <= place < len(value.parts) else None


def _component(name: str) -> Callable[[Temporal], Any]:
    def read(value: Temporal) -> Any:
        found = _part(value, name)
        return None if found is None else int(found)

    return read


def _millisecond(value: Temporal) -> Any:
    second = _part(value, "second")
    if second is None or "." not in str(second):
        return None
    return int(second % 1 * 1000)


def _offset(value: Temporal) -> Any:
    return None if value.offset is None else Decimal(value.offset) / 60


def _date(value: Temporal) -> Any:
    return None if value.kind == "Time" else Temporal("Date", value.parts[:DAY])


def _time(value: Temporal) -> Any:
    if value.kind == "Time":
        return value
    return Temporal("Time", value.parts[DAY:]) if len(value.parts) > DAY else None


def _reader(name: str, read: Callable[[Temporal], Any], answers: str = "Integer") -> Function:
    def call(frame: Frame, items: Items) -> Items:
        value = one(items, f"{name}()")
        if isinstance(value, str):
            value = parse_datetime(value)
        found = read(value) if isinstance(value, Temporal) else None
        return EMPTY if found is None else [found]

    return Function(call, answers=answers)


COMPONENTS: Final = {
    **{f"{name}Of": _reader(f"{name}Of", _component(name)) for name in _PLACES},
    "millisecondOf": _reader("millisecondOf", _millisecond),
    "timezoneOffsetOf": _reader("timezoneOffsetOf", _offset, "Decimal"),
    "dateOf": _reader("dateOf", _date, "Date"),
    "timeOf": _reader("timeOf", _time, "Time"),
}
