"""Versions: the statements of a history, newest first.

Spec: http.html#history
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from typing import Final

import msgspec

from fhir_server.search.condition import Condition
from fhir_server.storage.sqlite.printing.condition import holds
from fhir_server.storage.sqlite.printing.hits import LIMIT
from fhir_server.storage.sqlite.printing.ordering import last_rid
from fhir_server.storage.sqlite.printing.printer import Printer, Subject
from fhir_server.storage.sqlite.session import Printed, Session, Slot

_ID: Final = Slot("resource_id")
_SINCE: Final = Slot("since")
_AT_LOW: Final = Slot("at_low")
_AT_HIGH: Final = Slot("at_high")
_PLACE: Final = (Slot("last_updated"), Slot("last_version"))


class HistoryPlan(msgspec.Struct, frozen=True):
    """What a history's statement is printed from; the booleans say which arguments there are."""

    resource_type: str
    is_instance: bool
    within: Condition
    has_since: bool
    has_at: bool
    has_place: bool = False


def history_page(session: Session, plan: HistoryPlan) -> Printed:
    """Return the statement of one page: type, id, version, instant, is_deleted, depositor, content."""
    return session.printed(("history", plan), lambda: _page(session, plan))


def history_total(session: Session, plan: HistoryPlan) -> Printed:
    """Return the statement that counts the versions of all pages."""
    return session.printed(("history total", plan), lambda: _total(session, plan))


def _page(session: Session, plan: HistoryPlan) -> Printed:
    printer = Printer(session.names)
    order = "version_id DESC" if plan.is_instance else "last_updated DESC, rid DESC, version_id DESC"
    hits = (
        f"SELECT * FROM ({_versions(printer, plan)}) WHERE {_after(printer, plan)}"
        f" ORDER BY {order} LIMIT {printer.bind(LIMIT)}"
    )
    return printer.printed(f"""
        SELECT (SELECT name FROM resource_type WHERE id = r.type), r.id, v.version_id, v.last_updated, v.is_deleted,
            r.depositor, CASE WHEN v.is_current THEN (SELECT content FROM body WHERE rid = v.rid)
            ELSE (SELECT content FROM history WHERE rid = v.rid AND version_id = v.version_id) END
        FROM ({hits}) v CROSS JOIN resource r ON r.rid = v.rid""")


def _total(session: Session, plan: HistoryPlan) -> Printed:
    printer = Printer(session.names)
    return printer.printed(f"SELECT count(*) FROM ({_versions(printer, plan)})")


def _versions(printer: Printer, plan: HistoryPlan) -> str:
    columns = "rid, {0}.version_id, {0}.last_updated, {0}.is_deleted"
    current = f"SELECT r.{columns.format('r')}, 1 AS is_current FROM resource r WHERE {_asked(printer, plan, 'r')}"
    older = (
        f"SELECT r.{columns.format('h')}, 0 AS is_current FROM {_older(plan)}"
        f" WHERE r.rid = h.rid AND {_asked(printer, plan, 'h')}"
    )
    return f"{current} UNION ALL {older}"


def _older(plan: HistoryPlan) -> str:
    return "resource r CROSS JOIN history h" if plan.is_instance else "history h CROSS JOIN resource r"


def _asked(printer: Printer, plan: HistoryPlan, version: str) -> str:
    where = []
    if plan.resource_type:
        owner = "r" if plan.is_instance else version
        where.append(f"{owner}.type = {printer.resource_type(plan.resource_type)}")
    elif plan.has_since:
        where.append(f"{version}.type IN (SELECT id FROM resource_type)")
    if plan.is_instance:
        where.append(f"r.id = {printer.bind(_ID)}")
    if plan.has_since:
        where.append(f"{version}.last_updated >= {printer.bind(_SINCE)}")
    if plan.has_at:
        where.append(f"{version}.last_updated < {printer.bind(_AT_HIGH)}")
        if version == "h":
            where.append(_is_current_after(printer))
    where.append(f"({holds(printer, plan.within, Subject('r', plan.resource_type))})")
    return " AND ".join(where)


def _is_current_after(printer: Printer) -> str:
    """Return that no later version stood already when the period begins."""
    low = printer.bind(_AT_LOW)
    return (
        f"r.last_updated > {low} AND NOT EXISTS (SELECT 1 FROM history n WHERE n.rid = h.rid"
        f" AND n.version_id > h.version_id AND n.last_updated <= {low})"
    )


def _after(printer: Printer, plan: HistoryPlan) -> str:
    if not plan.has_place:
        return "1"
    updated, version = (printer.bind(slot) for slot in _PLACE)
    if plan.is_instance:
        return f"version_id < {version} AND {updated} IS NOT NULL"
    return f"(last_updated, rid, version_id) < ({updated}, {last_rid(printer)}, {version})"
