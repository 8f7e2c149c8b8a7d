"""Page: the statements of a search: one page of hits, and their total.

Spec: search.html, http.html#search
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from fhir_server.storage.sqlite.printing.driver import Driver, driver
from fhir_server.storage.sqlite.printing.hits import LIMIT, Plan, collected, found, streamed
from fhir_server.storage.sqlite.printing.printer import Printer
from fhir_server.storage.sqlite.printing.walk import is_walked, may_walk, walked
from fhir_server.storage.sqlite.session import Printed, Session


def page(session: Session, plan: Plan) -> Printed:
    """Return the statement of one page: the columns of `versions_from`, then the sort values."""
    return session.printed(("page", plan), lambda: _page(session, plan))


def total(session: Session, plan: Plan) -> Printed:
    """Return the statement that counts what all pages hold."""
    return session.printed(("total", plan.resource_type, plan.condition), lambda: _total(session, plan))


def versions_from(printer: Printer, resource_type: str, hits: str, keys: str = "") -> str:
    """Return the statement of the current versions of hits: rid, type, id, version, instant, depositor, content."""
    name = "(SELECT name FROM resource_type WHERE id = r.type)"
    if resource_type:
        name = printer.bind(resource_type)
    return (
        f"SELECT r.rid, {name}, r.id, r.version_id, r.last_updated, r.depositor, b.content{keys}"
        f" FROM ({hits}) h CROSS JOIN resource r ON r.rid = h.rid CROSS JOIN body b ON b.rid = h.rid"
    )


def _page(session: Session, plan: Plan) -> Printed:
    printer = Printer(session.names)
    keys = "".join(f", h.k{position}" for position in range(len(plan.sorts)))
    return printer.printed(versions_from(printer, plan.resource_type, _hits(printer, plan, session.walk_factor), keys))


def _total(session: Session, plan: Plan) -> Printed:
    printer = Printer(session.names)
    start = driver(printer, plan.condition, plan.subject)
    return printer.printed(f"SELECT count(*) FROM {found(printer, plan, start)}")


def _hits(printer: Printer, plan: Plan, walk_factor: int) -> str:
    start = driver(printer, plan.condition, plan.subject)
    if not plan.sorts and start is not None and start.is_ordered:
        return streamed(printer, plan, start)
    limit = printer.bind(LIMIT)
    if not may_walk(plan):
        return collected(printer, plan, start, limit)
    if start is None or is_walked(plan, start):
        return f"{walked(printer, plan, limit)} LIMIT {limit}"
    small = collected(printer, plan, start, f"CASE WHEN (SELECT is_few FROM choice) THEN {limit} ELSE 0 END")
    large = walked(printer, plan, f"CASE WHEN (SELECT is_few FROM choice) THEN 0 ELSE {limit} END")
    return f"{_choice(start, walk_factor)} SELECT * FROM ({small}) UNION ALL {large} LIMIT {limit}"


def _choice(start: Driver, walk_factor: int) -> str:
    """Return the table that tells, once, whether to collect n hits of N resources.

    That costs n, and a walk N / n for each hit of the page: n² is compared with N, and n counted no further than that.
    """
    most = f"SELECT CAST(sqrt({walk_factor} * max(rid)) AS INTEGER) AS most FROM resource"
    count = f"SELECT count(*) FROM (SELECT 1 FROM ({start.subquery}) LIMIT (SELECT most + 1 FROM bound))"
    return (
        f"WITH bound AS MATERIALIZED ({most}),"
        f" choice AS MATERIALIZED (SELECT ({count}) <= coalesce((SELECT most FROM bound), 0) AS is_few)"
    )
