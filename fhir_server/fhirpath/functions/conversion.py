"""Conversion between the System types, and iif.

Spec: https://hl7.org/fhirpath/N1/#conversion
"""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.node import Node
from fhir_server.fhirpath.operators.arithmetic import is_number
from fhir_server.fhirpath.operators.singleton import EMPTY, FALSE, TRUE, boolean, one, text
from fhir_server.fhirpath.ucum.unit import parse_unit
from fhir_server.fhirpath.values import quantity
from fhir_server.fhirpath.values.long import MAX_INTEGER, MAX_LONG, Long
from fhir_server.fhirpath.values.quantity import CALENDAR_UNITS, Quantity
from fhir_server.fhirpath.values.temporal import DAY, Temporal, parse_date, parse_datetime, parse_time

_TRUE: Final = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE: Final = frozenset({"false", "f", "no", "n", "0", "0.0"})
_INTEGER: Final = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)
_QUANTITY: Final = re.compile(r"([+-]?\d{1,40}(?:\.\d{1,40})?)(?:\s*(?:'([^']+)'|([a-zA-Z]+)))?", re.ASCII)
_LARGEST: Final = 60  # Numbers of more digits have no text.


def to_boolean(value: Any) -> Any:
    """Return true or false of a boolean, a number or a text; None when it is neither."""
    if value.__class__ is bool:
        return value
    if is_number(value):
        return {0: False, 1: True}.get(value)
    word = value.lower() if isinstance(value, str) else ""
    return True if word in _TRUE else False if word in _FALSE else None


def to_integer(value: Any) -> Any:
    """Return an integer of 32 bits; None when it is none."""
    found = to_long(value)
    return None if found is None or abs(found) > MAX_INTEGER else int(found)


def to_long(value: Any) -> Any:
    """Return an integer of 64 bits; None when it is none."""
    if isinstance(value, str) and not _INTEGER.fullmatch(value):
        return None
    if not isinstance(value, int | str):
        return None
    found = Long(value)
    return found if abs(found) <= MAX_LONG else None


def to_decimal(value: Any) -> Any:
    """Return a decimal; None when it is none."""
    if isinstance(value, str):
        return Decimal(value) if _DECIMAL.fullmatch(value) else None
    return Decimal(value) if isinstance(value, int | Decimal) else None


def to_text(value: Any) -> Any:
    """Return the text of a value; None when it has none."""
    if value.__class__ is bool:
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return format(value, "f") if abs(value.adjusted()) < _LARGEST else None
    if isinstance(value, Quantity):
        return str(value) if abs(value.value.adjusted()) < _LARGEST else None
    return str(value) if isinstance(value, str | int | Temporal) else None


def to_date(value: Any) -> Any:
    """Return a date; None when it is none."""
    if isinstance(value, Temporal):
        return None if value.kind == "Time" else Temporal("Date", value.parts[:DAY])
    found = parse_datetime(value) if isinstance(value, str) else None
    if found is None or len(found.parts) > DAY:
        return found and Temporal("Date", found.parts[:DAY])
    return parse_date(value)


def to_datetime(value: Any) -> Any:
    """Return a date-time; None when it is none."""
    if isinstance(value, Temporal):
        return None if value.kind == "Time" else Temporal("DateTime", value.parts, value.offset)
    return parse_datetime(value) if isinstance(value, str) else None


def to_time(value: Any) -> Any:
    """Return a time; None when it is none."""
    if isinstance(value, Temporal):
        return value if value.kind == "Time" else None
    return parse_time(value.removeprefix("T")) if isinstance(value, str) else None


def to_quantity(value: Any) -> Any:
    """Return a quantity; None when it is none."""
    if isinstance(value, Quantity):
        return None if "|" in value.unit else value
    if value.__class__ is bool:
        return Quantity(Decimal(value).quantize(Decimal("1.0")))
    if is_number(value):
        return None if isinstance(value, Long) else Quantity(Decimal(value))
    match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if match is None or (match[3] and match[3] not in CALENDAR_UNITS):
        return None
    return Quantity(Decimal(match[1]), match[2] or match[3] or "1", is_calendar=match[3] is not None)


def in_unit(value: Quantity, unit: str) -> Quantity | None:
    """Return a quantity in another unit; None when the two do not convert."""
    target = Quantity(Decimal(1), unit, is_calendar=unit in CALENDAR_UNITS)
    if not target.is_calendar and parse_unit(unit) is None and unit != value.unit:
        return None
    units = quantity.factors(value, target)
    found = quantity.convert(value.value, *units) if units else None
    return None if found is None else Quantity(found, unit, target.is_calendar)


def _conversion(name: str, convert: Callable[[Any], Any]) -> dict[str, Function]:
    def to(frame: Frame, items: Items) -> Items:
        value = one(items, f"to{name}()")
        found = None if value is None else convert(value)
        return EMPTY if found is None else [found]

    def converts_to(frame: Frame, items: Items) -> Items:
        value = one(items, f"convertsTo{name}()")
        return EMPTY if value is None else boolean(convert(value) is not None)

    return {f"to{name}": Function(to, answers=name), f"convertsTo{name}": Function(converts_to, answers="Boolean")}


def _to_quantity(frame: Frame, items: Items, unit: Items = EMPTY) -> Items:
    value = one(items, "toQuantity()")
    if value.__class__ is Node and value.type.is_quantity and "comparator" in value.value:
        raise EvaluationFailed("A Quantity with a comparator has no value of its own: test the comparator first.")
    found = None if value is None else to_quantity(value)
    target = text(unit, "toQuantity()")
    if found is not None and target is not None:
        found = in_unit(found, target)
    return EMPTY if found is None else [found]


def _converts_to_quantity(frame: Frame, items: Items, unit: Items = EMPTY) -> Items:
    return EMPTY if not items else TRUE if _to_quantity(frame, items, unit) else FALSE


def _iif(frame: Frame, items: Items, criterion: Run, then: Run, otherwise: Run | None = None) -> Items:
    if len(items) > 1:
        raise EvaluationFailed(f"iif() takes one item and was given {len(items)}: use select().")
    this = frame.this
    frame.this = items or EMPTY
    found = one(criterion(frame), "The criterion of iif()")
    if found is not None and found.__class__ is not bool:
        raise EvaluationFailed("The criterion of iif() is no boolean: compare it with something.")
    answer = then(frame) if found else otherwise(frame) if otherwise else EMPTY
    frame.this = this
    return answer


CONVERSION: Final = {
    "iif": Function(_iif, "eee", 2),
    **_conversion("Boolean", to_boolean),
    **_conversion("Integer", to_integer),
    **_conversion("Long", to_long),
    **_conversion("Decimal", to_decimal),
    **_conversion("String", to_text),
    **_conversion("Date", to_date),
    **_conversion("DateTime", to_datetime),
    **_conversion("Time", to_time),
    "toQuantity": Function(_to_quantity, "v", 0, "Quantity"),
    "convertsToQuantity": Function(_converts_to_quantity, "v", 0, "Boolean"),
}
