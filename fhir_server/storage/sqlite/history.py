"""History: runs the statements of one history and makes its page.

Choice: versions of one resource come by version number, others by instant, then the youngest resource first.
Spec: http.html#history
"""

from typing import Any

from fhir_server.foundation.resource import Version
from fhir_server.storage.cursor import Place, seal, unseal
from fhir_server.storage.sqlite.instants import instant, microseconds
from fhir_server.storage.sqlite.printing.ordering import places
from fhir_server.storage.sqlite.printing.versions import HistoryPlan, history_page, history_total
from fhir_server.storage.sqlite.search import Run
from fhir_server.storage.sqlite.session import Session
from fhir_server.storage.store import History, Page


def history(session: Session, asked: History, run: Run) -> Page:
    """Return one page; raises BadRequest for a cursor that is not of this history."""
    place = unseal(session.secret, _purpose(asked), asked.cursor) if asked.cursor else None
    plan = HistoryPlan(
        asked.resource_type,
        bool(asked.resource_id),
        asked.within,
        asked.since is not None,
        asked.at is not None,
        place is not None,
    )
    values = _arguments(asked)
    rows = []
    if asked.limit:
        rows = run(history_page(session, plan), {**values, **_place_arguments(place), "limit": asked.limit + 1})
    has_more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    count = None
    if asked.needs_total:
        is_whole = asked.limit and place is None and not has_more
        count = len(rows) if is_whole else _count(session, plan, run, values)
    cursor = seal(session.secret, _purpose(asked), _place(rows[-1])) if has_more else ""
    return Page(versions=[_version(row) for row in rows], total=count, cursor=cursor)


def _count(session: Session, plan: HistoryPlan, run: Run, values: dict[str, Any]) -> int:
    whole = HistoryPlan(plan.resource_type, plan.is_instance, plan.within, plan.has_since, plan.has_at)
    return int(run(history_total(session, whole), values)[0][0])


def _arguments(asked: History) -> dict[str, Any]:
    values: dict[str, Any] = {"resource_id": asked.resource_id}
    if asked.since is not None:
        values["since"] = microseconds(asked.since)
    if asked.at is not None:
        values["at_low"], values["at_high"] = map(microseconds, asked.at)
    return values


def _place_arguments(place: Place | None) -> dict[str, Any]:
    if place is None:
        return {}
    last_updated, version_id = place.values
    reference = (place.resource_type, place.resource_id)
    return {**places((), reference), "last_updated": last_updated, "last_version": version_id}


def _place(row: tuple[Any, ...]) -> Place:
    return Place(row[0], row[1], (row[3], row[2]))


def _version(row: tuple[Any, ...]) -> Version:
    return Version(row[0], row[1], row[2], instant(row[3]), row[6], bool(row[4]), row[5])


def _purpose(asked: History) -> tuple[str, str, str]:
    return ("history", asked.resource_type, asked.resource_id)
