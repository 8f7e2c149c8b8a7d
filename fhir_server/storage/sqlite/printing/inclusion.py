"""Inclusion: all includes of one round, as one statement.

Spec: search.html#include
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from typing import Final

from fhir_server.search.condition import Compare, Condition
from fhir_server.search.index_row import REFERENCE
from fhir_server.storage.sqlite.printing.condition import holds
from fhir_server.storage.sqlite.printing.hits import LIMIT
from fhir_server.storage.sqlite.printing.page import versions_from
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.printing.source import rows_of
from fhir_server.storage.sqlite.session import Printed, Session, Slot
from fhir_server.storage.store import Include

_FROM: Final = Slot("from")
_KNOWN: Final = Slot("known")


def inclusion(session: Session, includes: tuple[Include, ...]) -> Printed:
    """Return the statement of what is included from the resources `from` and not `known`, both JSON lists of rids."""
    return session.printed(("include", includes), lambda: _inclusion(session, includes))


def _inclusion(session: Session, includes: tuple[Include, ...]) -> Printed:
    printer = Printer(session.names)
    branches = [
        _branch(printer, include, resource_type, condition)
        for include in includes
        for resource_type, condition in include.within
    ]
    found = " UNION ALL ".join(branches) or "SELECT 0 AS rid WHERE 0"
    hits = (
        f"SELECT DISTINCT rid FROM ({found})"
        f" WHERE rid NOT IN (SELECT value FROM json_each({printer.bind(_KNOWN)}))"
        f" ORDER BY rid LIMIT {printer.bind(LIMIT)}"
    )
    return printer.printed(versions_from(printer, "", hits))


def _branch(printer: Printer, include: Include, resource_type: str, condition: Condition) -> str:
    target = Subject(printer.alias(), resource_type)
    tables, where = (_reverse if include.is_reverse else _forward)(printer, include, target)
    where += [f"{target.alias}.is_deleted = 0", f"({holds(printer, condition, target)})"]
    start = f"json_each({printer.bind(_FROM)}) m CROSS JOIN resource s ON s.rid = m.value"
    return f"SELECT {target.alias}.rid AS rid FROM {start} CROSS JOIN {tables} WHERE {' AND '.join(where)}"


def _forward(printer: Printer, include: Include, target: Subject) -> tuple[str, list[str]]:
    rows = rows_of(printer, Compare(REFERENCE, include.parameter), Subject("s", include.source_type))
    where = [
        *rows.where,
        f"{target.alias}.type = {printer.resource_type(target.resource_type)}",
        f"{rows.expressions['target_type']} = {target.alias}.type",
        f"{target.alias}.id = {rows.expressions['target_id']}",
    ]
    if include.source_type:
        where.append(f"s.type = {printer.resource_type(include.source_type)}")
    return f"{rows.table} CROSS JOIN resource {target.alias} INDEXED BY resource_by_id", where


def _reverse(printer: Printer, include: Include, target: Subject) -> tuple[str, list[str]]:
    row = printer.alias()
    where = [
        f"{row}.p = {printer.parameter(include.parameter, REFERENCE, target)}",
        f"{row}.target_type = s.type",
        f"{row}.target_id = s.id",
        f"{target.alias}.rid = {row}.rid",
    ]
    return f"reference {row} CROSS JOIN resource {target.alias}", where
