"""Driver: the index a search starts from; everything else is asked of each resource found there."""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Callable
from typing import Any, Final

import msgspec

from fhir_server.search.condition import (
    ALWAYS,
    And,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    Near,
    Or,
    Related,
    Same,
    Updated,
    all_of,
)
from fhir_server.search.index_row import COMPARTMENT, DATE, POSITION, REFERENCE, RELATION, TEXT, TOKEN
from fhir_server.storage.rank import LEADING, NEVER, parts, rank, within_contained
from fhir_server.storage.sqlite.printing.comparison import comparison, tests_of
from fhir_server.storage.sqlite.printing.condition import holds
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.printing.source import rows_of
from fhir_server.storage.sqlite.printing.special import box, within_distance, words_asked
from fhir_server.storage.sqlite.rows import FAMILIES, MARK
from fhir_server.storage.sqlite.session import NOW


class Driver(msgspec.Struct, frozen=True):
    """What stands after FROM and WHERE, and the expression of the `rid` it finds, perhaps more than once.

    `is_ordered`: they come in ascending order, one after the other. `rest` is what is still to be asked of each.
    """

    table: str
    where: tuple[str, ...]
    rid: str
    is_ordered: bool = False
    rest: Condition = ALWAYS

    @property
    def subquery(self) -> str:
        """Return the SELECT of the resources found."""
        return f"SELECT {self.rid} FROM {self.table} WHERE {' AND '.join(self.where)}"


def driver(printer: Printer, condition: Condition, subject: Subject) -> Driver | None:
    """Return the driver of the part that is expected to find least, or None when no part has an index."""
    asked = parts(condition)
    best = min(asked, key=rank)
    if rank(best) >= NEVER:
        return None
    found = _DRIVERS[type(best)](printer, best, subject)
    others = (part for part in asked if part is not best)
    return msgspec.structs.replace(found, rest=all_of(found.rest, *others))


def _identity(printer: Printer, condition: Identity, subject: Subject) -> Driver:
    alias = printer.alias()
    ids = comparison(printer, f"{alias}.id", "in", condition.resource_ids)
    where = (f"{alias}.type IN ({_types(printer, subject)})", ids)
    return Driver(f"resource {alias} INDEXED BY resource_by_id", where, f"{alias}.rid")


def _updated(printer: Printer, condition: Updated, subject: Subject) -> Driver:
    alias = printer.alias()
    tests = [comparison(printer, f"{alias}.last_updated", *test[1:]) for test in condition.tests]
    where = (f"{alias}.type IN ({_types(printer, subject)})", *tests)
    return Driver(f"resource {alias} INDEXED BY resource_by_update", where, f"{alias}.rid")


def _types(printer: Printer, subject: Subject) -> str:
    return printer.resource_type(subject.resource_type) if subject.resource_type else "SELECT id FROM resource_type"


def _compare(printer: Printer, condition: Compare, subject: Subject) -> Driver:
    if condition.family == TEXT:
        return _worded(printer, condition)
    family, alias = FAMILIES[condition.family], printer.alias()
    expressions = {column: f"{alias}.{column}" for column in family.columns}
    where = [f"{alias}.p {_parameters(printer, condition, subject)}"]
    is_across = condition.family == COMPARTMENT
    if is_across and subject.resource_type:
        where.append(f"{alias}.type = {printer.resource_type(subject.resource_type)}")
    where += tests_of(printer, condition.tests, expressions)
    named = {column for column, operator, _ in condition.tests if operator == "eq"}
    is_ordered = LEADING.get(condition.family) in named and bool(subject.resource_type)
    if condition.family == REFERENCE:
        is_ordered = is_ordered and "target_type" in named
    return Driver(f"{family.table} {alias}{_index(condition)}", tuple(where), f"{alias}.rid", is_ordered)


def _worded(printer: Printer, condition: Compare) -> Driver:
    alias, asked = printer.alias(), words_asked(condition)
    where = (f"{alias}.words MATCH {printer.bind(asked)}",) if asked else ("0",)
    return Driver(f"words {alias}", where, f"{alias}.rowid")


def _near(printer: Printer, condition: Near, subject: Subject) -> Driver:
    alias = printer.alias()
    expressions = {column: f"{alias}.{column}" for column in FAMILIES[POSITION].columns}
    where = [
        f"{alias}.p {_parameters(printer, Compare(POSITION, condition.parameter), subject)}",
        *box(printer, condition, expressions),
        within_distance(printer, condition, expressions),
    ]
    return Driver(f"position {alias}", tuple(where), f"{alias}.rid")


def _index(condition: Compare) -> str:
    is_from = any(column == "high" and operator in ("gt", "ge") for column, operator, _ in condition.tests)
    return " INDEXED BY date_by_high" if condition.family == DATE and is_from else ""


def _parameters(printer: Printer, condition: Compare, subject: Subject) -> str:
    if subject.resource_type or condition.family == COMPARTMENT:
        return f"= {printer.parameter(condition.parameter, condition.family, subject)}"
    # Across types, what a contained resource says is not said by its container.
    own = f"name = {printer.bind(condition.parameter)} AND family = {condition.family} AND resource_type NOT LIKE '#%'"
    return f"IN (SELECT id FROM parameter WHERE {own})"


def _same(printer: Printer, condition: Same, subject: Subject) -> Driver:
    found = _compare(printer, min(condition.comparisons, key=rank), subject)
    return msgspec.structs.replace(found, rest=condition)


def _or(printer: Printer, condition: Or, subject: Subject) -> Driver:
    found = [driver(printer, part, subject) for part in condition.conditions]
    union = " UNION ".join(_judged(printer, part, subject) for part in found if part is not None)
    return Driver(f"({union})", ("1",), "*", rest=condition if subject.held else ALWAYS)


def _judged(printer: Printer, found: Driver, subject: Subject) -> str:
    """Return the SELECT of the resources found that meet the rest too."""
    if found.rest == ALWAYS or subject.held:
        return found.subquery
    alias = printer.alias()
    rest = holds(printer, found.rest, Subject(alias, subject.resource_type))
    return f"SELECT {alias}.rid FROM resource {alias} NOT INDEXED WHERE {alias}.rid IN ({found.subquery}) AND ({rest})"


def _contains(printer: Printer, condition: Contains, subject: Subject) -> Driver:
    """Return the containers of what has the rows asked for: whether one contained resource has them all is the rest."""
    best, held = within_contained(condition), Subject(subject.alias, condition.resource_type, held=printer.alias())
    if best is not None:
        return msgspec.structs.replace(_DRIVERS[type(best)](printer, best, held), rest=condition)
    alias = printer.alias()
    where = (f"{alias}.p = {printer.parameter(MARK, TOKEN, held)}",)
    return Driver(f"token {alias}", where, f"{alias}.rid", rest=condition)


def _exists(printer: Printer, condition: Exists, subject: Subject) -> Driver:
    other, row = Subject(printer.alias(), condition.resource_type), printer.alias()
    found = _others(printer, condition.condition, other)
    if condition.is_reverse:
        return _named_by(printer, condition, subject, (found, other))
    where = (
        f"{row}.p {_parameters(printer, Compare(REFERENCE, condition.parameter), subject)}",
        f"{row}.target_type = {other.alias}.type",
        f"{row}.target_id = {other.alias}.id",
    )
    return Driver(f"{found} CROSS JOIN reference {row}", where, f"{row}.rid")


def _named_by(printer: Printer, condition: Exists, subject: Subject, others: tuple[str, Subject]) -> Driver:
    found, other = others
    rows, alias = rows_of(printer, Compare(REFERENCE, condition.parameter), other), printer.alias()
    where = (
        *rows.where,
        f"{alias}.type = {rows.expressions['target_type']}",
        f"{alias}.id = {rows.expressions['target_id']}",
    )
    tables = f"{found} CROSS JOIN {rows.table} CROSS JOIN resource {alias} INDEXED BY resource_by_id"
    return Driver(tables, (*where, f"{alias}.type IN ({_types(printer, subject)})"), f"{alias}.rid")


def _others(printer: Printer, condition: Condition, other: Subject) -> str:
    inner = Subject(printer.alias(), other.resource_type)
    start = driver(printer, condition, inner)
    rest = condition if start is None else start.rest
    where = [
        f"{inner.alias}.type = {printer.resource_type(other.resource_type)}",
        f"{inner.alias}.is_deleted = 0",
        f"({holds(printer, rest, inner)})",
    ]
    if start is not None:
        where.append(f"{inner.alias}.rid IN ({start.subquery})")
    index = "INDEXED BY resource_by_type" if start is None else "NOT INDEXED"
    columns = ", ".join(f"{inner.alias}.{column}" for column in ("rid", "type", "id"))
    select = f"SELECT {columns} FROM resource {inner.alias} {index} WHERE {' AND '.join(where)}"
    return f"({select}) {other.alias}"


def _related(printer: Printer, condition: Related, subject: Subject) -> Driver:
    relation, row, now = printer.alias(), printer.alias(), printer.bind(NOW)
    grounds = comparison(printer, "name", "in", condition.grounds)
    where = [
        comparison(printer, f"{relation}.actor", "in", condition.actors),
        f"{relation}.p IN (SELECT id FROM parameter WHERE family = {RELATION} AND {grounds})",
        f"{relation}.low <= {now} AND {now} < {relation}.high",
        f"{row}.p = {printer.parameter('Patient', COMPARTMENT, subject)}",
        f"{row}.compartment_id = {relation}.patient_id",
    ]
    if subject.resource_type:
        where.append(f"{row}.type = {printer.resource_type(subject.resource_type)}")
    return Driver(f"relation {relation} CROSS JOIN compartment {row}", tuple(where), f"{row}.rid")


def _and(printer: Printer, condition: And, subject: Subject) -> Driver:
    found = driver(printer, condition, subject)
    if found is None:
        raise ValueError("the condition has no index")
    return found


_DRIVERS: Final[dict[type, Callable[[Printer, Any, Subject], Driver]]] = {
    And: _and,
    Or: _or,
    Identity: _identity,
    Compare: _compare,
    Contains: _contains,
    Same: _same,
    Exists: _exists,
    Near: _near,
    Related: _related,
    Updated: _updated,
}
