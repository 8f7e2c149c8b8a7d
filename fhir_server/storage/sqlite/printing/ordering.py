"""Ordering: sort keys, and the place in their order where a page goes on.

Choice: resources without any sort key come in order of creation; a page goes on after a place, never after a number
of results, so that it neither repeats nor skips what was there when others write.
Spec: search.html#sort
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Sequence
from typing import Any, Final

from fhir_server.search.condition import Compare
from fhir_server.search.index_row import (
    COMPARTMENT,
    DATE,
    NUMBER,
    QUANTITY,
    REFERENCE,
    RELATION,
    STRING,
    TOKEN,
    URI,
)
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.printing.source import rows_of
from fhir_server.storage.sqlite.session import Slot
from fhir_server.storage.store import Sort

_INTERVALS: Final = frozenset((DATE, NUMBER, QUANTITY))
_COLUMNS: Final = {
    TOKEN: "code",
    STRING: "folded",
    URI: "value",
    REFERENCE: "target_id",
    COMPARTMENT: "compartment_id",
    RELATION: "actor",
}
_FIELDS: Final = {"_id": "id", "_lastUpdated": "last_updated"}

LAST_TYPE: Final = Slot("last_type")
LAST_ID: Final = Slot("last_id")


def key(printer: Printer, sort: Sort, subject: Subject) -> str:
    """Return the expression of a resource's sort value, NULL when it has none."""
    if not sort.family:
        return f"{subject.alias}.{_FIELDS[sort.parameter]}"
    rows = rows_of(printer, Compare(sort.family, sort.parameter), subject)
    where = f" WHERE {' AND '.join(rows.where)}" if rows.where else ""
    extreme = "max" if sort.is_descending else "min"
    return f"(SELECT {extreme}({rows.expressions[column(sort)]}) FROM {rows.table}{where})"


def column(sort: Sort) -> str:
    """Return the column that a sort compares."""
    if sort.family in _INTERVALS:
        return "high" if sort.is_descending else "low"
    return _COLUMNS[sort.family]


def order(keys: Sequence[str], sorts: Sequence[Sort], rid: str) -> str:
    """Return what stands after ORDER BY."""
    parts = [
        f"{key} {'DESC' if sort.is_descending else 'ASC'} NULLS LAST" for key, sort in zip(keys, sorts, strict=True)
    ]
    return ", ".join((*parts, rid))


def follows(printer: Printer, keys: Sequence[str], sorts: Sequence[Sort], missing: Sequence[bool], rid: str) -> str:
    """Return the condition that a resource comes after the last one of the page before.

    `missing` tells which sort values that last one lacks; the others are the arguments `key0`, `key1` ...
    """
    text = f"{rid} > {last_rid(printer)}"
    for position in reversed(range(len(keys))):
        if missing[position]:
            text = f"({keys[position]} IS NULL AND {text})"
            continue
        value = printer.bind(Slot(f"key{position}"))
        sign = "<" if sorts[position].is_descending else ">"
        text = (
            f"({keys[position]} {sign} {value} OR {keys[position]} IS NULL OR ({keys[position]} = {value} AND {text}))"
        )
    return text


def last_rid(printer: Printer) -> str:
    """Return the expression that finds the last resource of the page before."""
    number = f"(SELECT id FROM resource_type WHERE name = {printer.bind(LAST_TYPE)})"
    return f"(SELECT rid FROM resource WHERE type = {number} AND id = {printer.bind(LAST_ID)})"


def places(values: Sequence[Any], reference: tuple[str, str]) -> dict[str, Any]:
    """Return the arguments that `follows` waits for."""
    found = {f"key{position}": value for position, value in enumerate(values)}
    return {**found, LAST_TYPE.name: reference[0], LAST_ID.name: reference[1]}
