"""Explain: the statements of one search, how the engine runs them, and what that took.

Source: https://www.sqlite.org/eqp.html, https://www.sqlite.org/c3ref/c_stmtstatus_counter.html
"""

from typing import Any

from fhir_server.storage.sqlite.search import search
from fhir_server.storage.sqlite.session import Printed, Session
from fhir_server.storage.store import Search


def explain(session: Session, asked: Search, seconds: float) -> dict[str, Any]:
    """Return what answering a search does, in the order of its statements.

    `statements`: each with `sql`, `arguments`, `plan` (a line a step, indented), `rows` it found, `scanned` rows of
    tables without index, `sorts`, and `steps` of the engine. `matches`, `included` and `total` are those of the page.
    The arguments hold the access decision: show them to nobody who may not see it.
    """
    statements: list[dict[str, Any]] = []

    def run(printed: Printed, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        arguments = printed.filled(session.with_now(printed, values))
        plan = session.connection.rows(f"EXPLAIN QUERY PLAN {printed.text}", arguments)
        rows, counted = session.connection.counted_within(seconds, printed.text, arguments)
        shown = {"sql": printed.text, "arguments": list(arguments), "plan": _lines(plan), "rows": len(rows)}
        statements.append({**shown, **counted})
        return rows

    page = search(session, asked, run)
    return {
        "statements": statements,
        "matches": len(page.versions),
        "included": len(page.included),
        "total": page.total,
    }


def _lines(plan: list[tuple[Any, ...]]) -> list[str]:
    depths = {0: 0}
    lines: list[str] = []
    for number, parent, _, text in plan:
        depths[number] = depths.get(parent, 0) + 1
        lines.append("  " * (depths[number] - 1) + text)
    return lines
