"""Hits: the resources of one page, as the subquery that finds them in order.

Spec: search.html
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Sequence
from typing import Final

import msgspec

from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.rank import parts
from fhir_server.storage.sqlite.printing.condition import in_order
from fhir_server.storage.sqlite.printing.driver import Driver
from fhir_server.storage.sqlite.printing.kept import kept
from fhir_server.storage.sqlite.printing.ordering import follows, key, last_rid, order
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.session import Slot
from fhir_server.storage.store import Sort

LIMIT: Final = Slot("limit")


class Plan(msgspec.Struct, frozen=True):
    """What a page is printed from: all that is asked and allowed, the order, and the place it goes on from.

    `missing` is None for the first page; else it tells which sort values the last resource of the page before lacks.
    `found_by` and `patient_id`: see Subject.
    """

    resource_type: str
    condition: Condition
    sorts: tuple[Sort, ...] = ()
    missing: tuple[bool, ...] | None = None
    found_by: str = ""
    patient_id: str = ""

    @property
    def subject(self) -> Subject:
        """Return the resource that is looked for."""
        return Subject("r", self.resource_type, self.found_by, patient_id=self.patient_id)


def streamed(printer: Printer, plan: Plan, start: Driver) -> str:
    """Return the hits in order of creation by following an index that is in this order, no further than needed."""
    where = [*start.where, f"r.rid = {start.rid}", *asked(printer, plan, start.rest)]
    if plan.missing is not None:
        where.append(f"{start.rid} > {last_rid(printer)}")
    return (
        f"SELECT DISTINCT {start.rid} AS rid FROM {start.table} CROSS JOIN resource r"
        f" WHERE {' AND '.join(where)} ORDER BY {start.rid} LIMIT {printer.bind(LIMIT)}"
    )


def collected(printer: Printer, plan: Plan, start: Driver | None, limit: str) -> str:
    """Return the hits by finding all of them and keeping the first ones of the order."""
    keys = [key(printer, sort, plan.subject) for sort in plan.sorts]
    return ordered(printer, plan, found(printer, plan, start), keys, limit)


def found(printer: Printer, plan: Plan, start: Driver | None) -> str:
    """Return FROM and WHERE of all hits, each once."""
    where = asked(printer, plan, plan.condition if start is None else start.rest)
    if start is not None:
        where.append(f"r.rid IN ({start.subquery})")
    index = "INDEXED BY resource_by_type" if start is None and plan.resource_type else "NOT INDEXED"
    return f"resource r {index} WHERE {' AND '.join(where)}"


def asked(printer: Printer, plan: Plan, condition: Condition) -> list[str]:
    """Return what must be true of a hit."""
    where = ["r.is_deleted = 0"]
    if plan.resource_type:
        where.append(f"r.type = {printer.resource_type(plan.resource_type)}")
    if condition != ALWAYS:
        where += [f"({kept(printer, part, plan.subject)})" for part in in_order(parts(condition))]
    return where


def ordered(printer: Printer, plan: Plan, tables: str, keys: Sequence[str], limit: str) -> str:
    """Return the first hits of an order, from the place where the page before ended."""
    names = [f"k{position}" for position in range(len(keys))]
    columns = "".join(f", {text} AS {name}" for text, name in zip(keys, names, strict=True))
    after = "1"
    if plan.missing is not None:
        after = follows(printer, names, plan.sorts, plan.missing, "rid")
    return (
        f"SELECT * FROM (SELECT r.rid AS rid{columns} FROM {tables}) WHERE {after}"
        f" ORDER BY {order(names, plan.sorts, 'rid')} LIMIT {limit}"
    )
