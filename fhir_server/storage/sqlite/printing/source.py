"""Source: where the rows of one resource are looked up, when something else found the resource.

Most questions name the value exactly, and the table by value answers them by its key; dates and compartments have an
index by resource; all others read the resource's own index rows.
"""

from typing import Final

import msgspec

from fhir_server.search.condition import Compare, Test
from fhir_server.search.index_row import COMPARTMENT, DATE, REFERENCE, RELATION, STRING, TOKEN, URI
from fhir_server.storage.sqlite.printing.comparison import tests_of
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.rows import FAMILIES

_BY_RESOURCE: Final = {DATE: "date_by_resource", COMPARTMENT: "compartment_by_resource"}
_LEADING: Final = {
    TOKEN: ("code",),
    STRING: ("folded",),
    REFERENCE: ("target_type", "target_id"),
    URI: ("value",),
}
"""The columns between parameter and resource in the key of a table by value."""

_PROBES_MAXIMUM: Final = 16


class Source(msgspec.Struct, frozen=True):
    """What stands after FROM, what stands after WHERE, and the expression of each column."""

    table: str
    where: tuple[str, ...]
    expressions: dict[str, str]


def source(printer: Printer, compare: Compare, subject: Subject) -> Source:
    """Return where the subject's rows that pass the comparison are."""
    found = rows_of(printer, compare, subject)
    tests = tests_of(printer, compare.tests, found.expressions)
    return Source(found.table, (*found.where, *tests), found.expressions)


def rows_of(printer: Printer, compare: Compare, subject: Subject) -> Source:
    """Return where the subject's rows of a family and parameter are; all of them, or those that may pass."""
    family = FAMILIES[compare.family]
    alias = printer.alias()
    parameter = printer.parameter(compare.parameter, compare.family, subject)
    if not subject.held and (compare.family in _BY_RESOURCE or _names_value(compare)):
        index = f" INDEXED BY {_BY_RESOURCE[compare.family]}" if compare.family in _BY_RESOURCE else ""
        expressions = {column: f"{alias}.{column}" for column in (*family.columns, "element")}
        where = (f"{alias}.p = {parameter}", f"{alias}.rid = {subject.rid}")
        return Source(f"{family.table} {alias}{index}", where, expressions)
    expressions = {
        column: f"({alias}.value ->> {position})" for position, column in enumerate((*family.columns, "element"))
    }
    return Source(f"{listed(subject.rows, compare.family, parameter)} {alias}", (), expressions)


def listed(rows: str, family: int, parameter: str) -> str:
    """Return the table of the rows of a parameter among a resource's rows; each is a JSON list in column `value`."""
    path = f'\'$."{family}"."{parameter}"\''
    if not parameter.isdigit():
        path = f"'$.\"{family}\".\"' || {parameter} || '\"'"
    return f"json_each({rows}, {path})"


def _names_value(compare: Compare) -> bool:
    if compare.family == RELATION:
        return False
    leading = _LEADING.get(compare.family)
    return leading is not None and all(_is_named(compare.tests, column) for column in leading)


def _is_named(tests: tuple[Test, ...], column: str) -> bool:
    return any(
        name == column and (operator == "eq" or (operator == "in" and len(value) <= _PROBES_MAXIMUM))
        for name, operator, value in tests
    )
