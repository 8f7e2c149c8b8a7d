"""Condition: printed as an SQL expression about one resource; never NULL.

Spec: search.html
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Callable, Iterable
from typing import Any, Final

import msgspec

from fhir_server.search.condition import (
    Always,
    And,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    Near,
    Never,
    Not,
    OfType,
    Or,
    Related,
    Same,
    Updated,
)
from fhir_server.search.index_row import COMPARTMENT, CONTAINED, REFERENCE, RELATION, TEXT
from fhir_server.storage.sqlite.printing.comparison import comparison
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.printing.source import listed, source
from fhir_server.storage.sqlite.printing.special import has_words, is_near
from fhir_server.storage.sqlite.session import NOW


def holds(printer: Printer, condition: Condition, subject: Subject) -> str:
    """Return the expression that is 1 when the condition holds for the subject, else 0."""
    return _PRINTERS[type(condition)](printer, condition, subject)


def _always(printer: Printer, condition: Always, subject: Subject) -> str:
    return "1"


def _never(printer: Printer, condition: Never, subject: Subject) -> str:
    return "0"


def _and(printer: Printer, condition: And, subject: Subject) -> str:
    return _joined(" AND ", "1", [holds(printer, part, subject) for part in in_order(condition.conditions)])


def _or(printer: Printer, condition: Or, subject: Subject) -> str:
    return _joined(" OR ", "0", [holds(printer, part, subject) for part in in_order(condition.conditions)])


def _not(printer: Printer, condition: Not, subject: Subject) -> str:
    return f"NOT ({holds(printer, condition.condition, subject)})"


def _compare(printer: Printer, condition: Compare, subject: Subject) -> str:
    if condition.family == TEXT:
        return has_words(printer, condition, subject)
    rows = source(printer, condition, subject)
    return f"EXISTS (SELECT 1 FROM {rows.table} WHERE {_joined(' AND ', '1', list(rows.where))})"


def _same(printer: Printer, condition: Same, subject: Subject) -> str:
    if not condition.comparisons or any(compare.family == TEXT for compare in condition.comparisons):
        return "0"
    sources = [source(printer, compare, subject) for compare in condition.comparisons]
    elements = [rows.expressions["element"] for rows in sources]
    where = [text for rows in sources for text in rows.where]
    where += [f"{elements[0]} > 0", *(f"{element} = {elements[0]}" for element in elements[1:])]
    tables = " CROSS JOIN ".join(rows.table for rows in sources)
    return f"EXISTS (SELECT 1 FROM {tables} WHERE {' AND '.join(where)})"


def _identity(printer: Printer, condition: Identity, subject: Subject) -> str:
    return comparison(printer, subject.id, "in", condition.resource_ids)


def _updated(printer: Printer, condition: Updated, subject: Subject) -> str:
    column = f"{subject.alias}.last_updated"
    return _joined(" AND ", "1", [comparison(printer, column, *test[1:]) for test in condition.tests])


def _of_type(printer: Printer, condition: OfType, subject: Subject) -> str:
    if subject.resource_type:
        return "1" if subject.resource_type in condition.resource_types else "0"
    names = comparison(printer, "name", "in", condition.resource_types)
    return f"{subject.alias}.type IN (SELECT id FROM resource_type WHERE {names})"


def _exists(printer: Printer, condition: Exists, subject: Subject) -> str:
    return (_named_by if condition.is_reverse else _names)(printer, condition, subject)


def _names(printer: Printer, condition: Exists, subject: Subject) -> str:
    other = Subject(printer.alias(), condition.resource_type)
    to_type = (("target_type", "eq", condition.resource_type),)
    rows = source(printer, Compare(REFERENCE, condition.parameter, to_type), subject)
    where = (
        *rows.where,
        f"{other.alias}.type = {printer.resource_type(condition.resource_type)}",
        f"{other.alias}.id = {rows.expressions['target_id']}",
        f"NOT {other.alias}.is_deleted",
        f"({holds(printer, condition.condition, other)})",
    )
    tables = f"{rows.table} CROSS JOIN resource {other.alias} INDEXED BY resource_by_id"
    return f"EXISTS (SELECT 1 FROM {tables} WHERE {' AND '.join(where)})"


def _named_by(printer: Printer, condition: Exists, subject: Subject) -> str:
    if subject.held:
        return "0"
    row, other = printer.alias(), Subject(printer.alias(), condition.resource_type)
    where = (
        f"{row}.p = {printer.parameter(condition.parameter, REFERENCE, other)}",
        f"{row}.target_type = {subject.alias}.type",
        f"{row}.target_id = {subject.alias}.id",
        f"{other.alias}.rid = {row}.rid",
        f"NOT {other.alias}.is_deleted",
        f"({holds(printer, condition.condition, other)})",
    )
    tables = f"reference {row} CROSS JOIN resource {other.alias}"
    return f"EXISTS (SELECT 1 FROM {tables} WHERE {' AND '.join(where)})"


def _contains(printer: Printer, condition: Contains, subject: Subject) -> str:
    container = msgspec.structs.replace(subject, held="")
    inner = msgspec.structs.replace(subject, held=printer.alias(), resource_type=condition.resource_type)
    number = printer.parameter(condition.resource_type, CONTAINED, container)
    where = [holds(printer, condition.condition, inner)]
    if condition.parameter:
        rows = source(printer, Compare(REFERENCE, condition.parameter, (("target_type", "eq", ""),)), subject)
        names = _joined(" AND ", "1", [*rows.where, f"{rows.expressions['target_id']} = '#' || {inner.id}"])
        where.insert(0, f"EXISTS (SELECT 1 FROM {rows.table} WHERE {names})")
    table = f"{listed(container.rows, CONTAINED, number)} {inner.held}"
    return f"EXISTS (SELECT 1 FROM {table} WHERE {_joined(' AND ', '1', where)})"


def _related(printer: Printer, condition: Related, subject: Subject) -> str:
    rows = source(printer, Compare(COMPARTMENT, "Patient"), subject)
    patient_id = rows.expressions["compartment_id"]
    joined = _joins(printer, condition, subject, patient_id)
    if subject.patient_id:
        # What names nothing of the resource is asked once: of the patient whom the search names, for all his resources.
        known = printer.bind(subject.patient_id)
        joined = f"CASE {patient_id} WHEN {known} THEN {_joins(printer, condition, subject, known)} ELSE {joined} END"
    return f"EXISTS (SELECT 1 FROM {rows.table} WHERE {' AND '.join((*rows.where, joined))})"


def _joins(printer: Printer, condition: Related, subject: Subject, patient_id: str) -> str:
    """Return the expression that a relation joins one of the actors to a patient now."""
    relation, now = printer.alias(), printer.bind(NOW)
    grounds = ", ".join(printer.parameter(ground, RELATION, subject) for ground in condition.grounds)
    where = (
        f"{relation}.patient_id = {patient_id}",
        comparison(printer, f"{relation}.actor", "in", condition.actors),
        # The plus keeps it out of the key: an actor has few relations to one patient, and one walk finds them all.
        f"+{relation}.p IN ({grounds})",
        f"{relation}.low <= {now} AND {now} < {relation}.high",
    )
    return f"EXISTS (SELECT 1 FROM relation {relation} WHERE {' AND '.join(where)})"


def in_order(conditions: Iterable[Condition]) -> list[Condition]:
    """Return the conditions with the cheap ones first, in the order given where they cost the same."""
    return sorted(conditions, key=_cost)


def _cost(condition: Condition) -> int:
    """Return what judging one resource costs, roughly: the engine stops at the first part that decides."""
    if isinstance(condition, And | Or):
        return max(map(_cost, condition.conditions), default=0)
    if isinstance(condition, Not):
        return _cost(condition.condition)
    return _COSTS.get(type(condition), 0)


def _joined(word: str, empty: str, parts: list[str]) -> str:
    return word.join(f"({part})" for part in parts) if parts else empty


_COSTS: Final[dict[type, int]] = {Compare: 1, Related: 1, Same: 2, Exists: 4, Contains: 5}
"""A relation is one probe, as a comparison is: a decision says in which order it wants them."""

_PRINTERS: Final[dict[type, Callable[[Printer, Any, Subject], str]]] = {
    Always: _always,
    Never: _never,
    And: _and,
    Or: _or,
    Not: _not,
    Compare: _compare,
    Same: _same,
    Identity: _identity,
    Updated: _updated,
    OfType: _of_type,
    Exists: _exists,
    Related: _related,
    Near: is_near,
    Contains: _contains,
}
