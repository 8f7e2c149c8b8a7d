"""Inclusion: all includes of one round, as one statement.

Spec: search.html#include
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Iterator
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
    branches = [branch for include in includes for branch in _branches(printer, include)]
    found = " UNION ALL ".join(branches) or "SELECT 0 AS rid WHERE 0"
    hits = (
        f"SELECT DISTINCT rid FROM ({found})"
        f" WHERE rid NOT IN (SELECT value FROM json_each({printer.bind(_KNOWN)}))"
        f" ORDER BY rid LIMIT {printer.bind(LIMIT)}"
    )
    return printer.printed(versions_from(printer, "", hits))


def _branches(printer: Printer, include: Include) -> Iterator[str]:
    start = f"json_each({printer.bind(_FROM)}) m CROSS JOIN resource s ON s.rid = m.value"
    if not include.is_reverse:
        yield _forward(printer, include, start)
        return
    for resource_type, condition in include.within:
        yield _reverse(printer, include.parameter, start, (Subject(printer.alias(), resource_type), condition))


def _forward(printer: Printer, include: Include, start: str) -> str:
    """Return the branch that reads the references of each resource once, whatever the types of its targets."""
    rows = rows_of(printer, Compare(REFERENCE, include.parameter), Subject("s", include.source_type))
    alias = printer.alias()
    allowed = [
        f"({alias}.type = {printer.resource_type(resource_type)}"
        f" AND ({holds(printer, condition, Subject(alias, resource_type))}))"
        for resource_type, condition in include.within
    ]
    where = [
        *rows.where,
        f"{alias}.type = {rows.expressions['target_type']}",
        f"{alias}.id = {rows.expressions['target_id']}",
        f"{alias}.is_deleted = 0",
        f"({' OR '.join(allowed) or '0'})",
    ]
    if include.source_type:
        where.append(f"s.type = {printer.resource_type(include.source_type)}")
    tables = f"{rows.table} CROSS JOIN resource {alias} INDEXED BY resource_by_id"
    return f"SELECT {alias}.rid AS rid FROM {start} CROSS JOIN {tables} WHERE {' AND '.join(where)}"


def _reverse(printer: Printer, parameter: str, start: str, allowed: tuple[Subject, Condition]) -> str:
    (source, condition), row = allowed, printer.alias()
    where = (
        f"{row}.p = {printer.parameter(parameter, REFERENCE, source)}",
        f"{row}.target_type = s.type",
        f"{row}.target_id = s.id",
        f"{source.alias}.rid = {row}.rid",
        f"{source.alias}.is_deleted = 0",
        f"({holds(printer, condition, source)})",
    )
    tables = f"reference {row} CROSS JOIN resource {source.alias}"
    return f"SELECT {source.alias}.rid AS rid FROM {start} CROSS JOIN {tables} WHERE {' AND '.join(where)}"
