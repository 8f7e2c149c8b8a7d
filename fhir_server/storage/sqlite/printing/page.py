"""Page: the statements of a search: one page of hits, and their total.

Spec: search.html, http.html#search
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

import msgspec

from fhir_server.storage.patients import patient_of
from fhir_server.storage.sqlite.printing.driver import Driver, driver
from fhir_server.storage.sqlite.printing.hits import LIMIT, Plan, collected, found, streamed
from fhir_server.storage.sqlite.printing.printer import Printer
from fhir_server.storage.sqlite.printing.walk import is_walked, may_walk, walked
from fhir_server.storage.sqlite.session import Printed, Session


def page(session: Session, plan: Plan) -> Printed:
    """Return the statement of one page: the columns of `versions_from`, then the sort values."""
    return session.printed(("page", plan), lambda: _page(session, _of_one_patient(plan)))


def total(session: Session, plan: Plan) -> Printed:
    """Return the statement that counts what all pages hold."""
    return session.printed(
        ("total", plan.resource_type, plan.condition), lambda: _total(session, _of_one_patient(plan))
    )


def versions_from(printer: Printer, resource_type: str, hits: str, keys: str = "") -> str:
    """Return the statement of the current versions of hits: rid, type, id, version, instant, depositor, content."""
    name = "(SELECT name FROM resource_type WHERE id = r.type)"
    if resource_type:
        name = printer.bind(resource_type)
    return (
        f"SELECT r.rid, {name}, r.id, r.version_id, r.last_updated, r.depositor, b.content{keys}"
        f" FROM ({hits}) h CROSS JOIN resource r ON r.rid = h.rid CROSS JOIN body b ON b.rid = h.rid"
    )


def _of_one_patient(plan: Plan) -> Plan:
    return msgspec.structs.replace(plan, patient_id=patient_of(plan.resource_type, plan.condition))


def _page(session: Session, plan: Plan) -> Printed:
    printer = Printer(session.names)
    keys = "".join(f", h.k{position}" for position in range(len(plan.sorts)))
    return printer.printed(versions_from(printer, plan.resource_type, _hits(printer, plan, session.walk_factors), keys))


def _total(session: Session, plan: Plan) -> Printed:
    printer = Printer(session.names)
    start = driver(printer, plan.condition, plan.subject)
    return printer.printed(f"SELECT count(*) FROM {found(printer, plan, start)}")


def _hits(printer: Printer, plan: Plan, walk_factors: tuple[int, int]) -> str:
    start = driver(printer, plan.condition, plan.subject)
    if not plan.sorts and start is not None and start.is_ordered:
        return streamed(printer, plan, start)
    limit = printer.bind(LIMIT)
    if not may_walk(plan):
        return collected(printer, plan, start, limit)
    if start is None or is_walked(plan, start):
        return f"{walked(printer, plan, limit)} LIMIT {limit}"
    few, some, many = (f"CASE WHEN (SELECT way FROM choice) = {way} THEN {limit} ELSE 0 END" for way in range(3))
    branches = (collected(printer, plan, start, few), walked(printer, plan, some, start), walked(printer, plan, many))
    small, middle, large = branches
    return f"{_choice(start, walk_factors)} SELECT * FROM ({small}) UNION ALL {middle} UNION ALL {large} LIMIT {limit}"


def _choice(start: Driver, walk_factors: tuple[int, int]) -> str:
    """Return the table that tells, once, the way to find a page of n hits among N resources.

    To collect and sort costs n. To walk costs N / n for each hit of the page: 1 each when the hits are gathered before,
    which costs a tenth of n, and 4 when each resource on the way is looked up. n² is compared with N, so that n is
    counted no further than that decides.
    """
    few, some = (f"CAST(sqrt({factor} * coalesce(max(rid), 0)) AS INTEGER)" for factor in walk_factors)
    count = f"SELECT count(*) FROM (SELECT 1 FROM ({start.subquery}) LIMIT (SELECT some + 1 FROM bound))"
    way = "CASE WHEN n <= (SELECT few FROM bound) THEN 0 WHEN n <= (SELECT some FROM bound) THEN 1 ELSE 2 END"
    return (
        f"WITH bound AS MATERIALIZED (SELECT {few} AS few, {some} AS some FROM resource),"
        f" choice AS MATERIALIZED (SELECT {way} AS way FROM (SELECT ({count}) AS n))"
    )
