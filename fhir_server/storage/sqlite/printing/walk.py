"""Walk: the hits of a page by walking the index of the first sort key until there are enough.

What is frequent and sorted by date (the newest of all laboratory results) is found at once near the end of the index;
collecting and sorting it would take a hundred times as long. What is rare is better collected.
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

import msgspec

from fhir_server.search.condition import Compare, Not, all_of
from fhir_server.search.index_row import DATE
from fhir_server.storage.rank import FREQUENT, INTERVAL, rank
from fhir_server.storage.sqlite.printing.driver import Driver, driver
from fhir_server.storage.sqlite.printing.hits import Plan, asked, collected, ordered
from fhir_server.storage.sqlite.printing.ordering import column, key
from fhir_server.storage.sqlite.printing.printer import Printer
from fhir_server.storage.sqlite.session import Slot


def may_walk(plan: Plan) -> bool:
    """Say whether the first sort key has an index to walk, and much may be found."""
    if not plan.sorts or not plan.resource_type:
        return False
    first, found = plan.sorts[0], rank(plan.condition)
    if first.family == DATE:
        return found >= FREQUENT and found != INTERVAL
    return is_by_update(plan) and found >= FREQUENT


def is_by_update(plan: Plan) -> bool:
    """Say whether the walk follows the instant of the current version."""
    return not plan.sorts[0].family and plan.sorts[0].parameter == "_lastUpdated"


def is_walked(plan: Plan, start: Driver) -> bool:
    """Say whether the search starts from the very index that would be walked."""
    return is_by_update(plan) and "resource_by_update" in start.table


def walked(printer: Printer, plan: Plan, limit: str, gathered: Driver | None = None) -> str:
    """Return the hits in order: those with a first sort value, then, if there is room, those without.

    With a driver, what it finds is gathered before the walk; without, each resource on the way is judged by itself.
    """
    keys = [key(printer, sort, plan.subject) for sort in plan.sorts[1:]]
    if is_by_update(plan):
        where = [*_judged(printer, plan, gathered), *_from_place(printer, plan, "r.last_updated")]
        tables = f"resource r INDEXED BY resource_by_update WHERE {' AND '.join(where)}"
        return f"SELECT * FROM ({ordered(printer, plan, tables, ['r.last_updated', *keys], limit)})"
    lacking = _lacking(printer, plan, limit)
    if plan.missing is not None and plan.missing[0]:
        return lacking
    value = f"d.{column(plan.sorts[0])}"
    having = ordered(printer, plan, _dated(printer, plan, value, gathered), [value, *keys], limit)
    return f"SELECT * FROM ({having}) UNION ALL {lacking}"


def _judged(printer: Printer, plan: Plan, gathered: Driver | None) -> list[str]:
    if gathered is None:
        return asked(printer, plan, plan.condition)
    # The sign keeps the engine from following the list instead of the walk.
    return [f"+{plan.subject.rid} IN ({gathered.subquery})", *asked(printer, plan, gathered.rest)]


def _dated(printer: Printer, plan: Plan, value: str, gathered: Driver | None) -> str:
    first = plan.sorts[0]
    plan = msgspec.structs.replace(plan, found_by="d")
    better, other = (">", "low") if first.is_descending else ("<", "high")
    same = value.removeprefix("d.")
    where = [
        f"d.p = {printer.parameter(first.parameter, first.family, plan.subject)}",
        "r.rid = d.rid",
        *_judged(printer, plan, gathered),
        *_from_place(printer, plan, value),
        "NOT EXISTS (SELECT 1 FROM date e INDEXED BY date_by_resource WHERE e.rid = d.rid AND e.p = d.p"
        f" AND (e.{same} {better} {value}"
        f" OR (e.{same} = {value} AND (e.{other}, e.element) < (d.{other}, d.element))))",
    ]
    index = "INDEXED BY date_by_high" if first.is_descending else "NOT INDEXED"
    return f"date d {index} CROSS JOIN resource r WHERE {' AND '.join(where)}"


def _from_place(printer: Printer, plan: Plan, value: str) -> list[str]:
    if plan.missing is None or plan.missing[0]:
        return []
    sign = "<=" if plan.sorts[0].is_descending else ">="
    return [f"{value} {sign} {printer.bind(Slot('key0'))}"]


def _lacking(printer: Printer, plan: Plan, limit: str) -> str:
    first = plan.sorts[0]
    condition = all_of(plan.condition, Not(Compare(first.family, first.parameter)))
    rest = msgspec.structs.replace(plan, condition=condition, found_by="")
    return f"SELECT * FROM ({collected(printer, rest, driver(printer, condition, plan.subject), limit)})"
