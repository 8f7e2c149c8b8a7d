"""Search: runs the statements of one search and makes its page.

One statement; one more for a total that the page does not tell, and one for each round of includes.
Spec: search.html, http.html#search
"""

import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import all_of
from fhir_server.storage.cursor import Place, seal, unseal
from fhir_server.storage.sqlite.instants import instant
from fhir_server.storage.sqlite.printing.hits import Plan
from fhir_server.storage.sqlite.printing.inclusion import inclusion
from fhir_server.storage.sqlite.printing.ordering import places
from fhir_server.storage.sqlite.printing.page import page, total
from fhir_server.storage.sqlite.session import Printed, Session
from fhir_server.storage.store import Page, Search

Run = Callable[[Printed, dict[str, Any]], list[tuple[Any, ...]]]

_ROUNDS_MAXIMUM: Final = 10
_COLUMNS: Final = 7


def search(session: Session, asked: Search, run: Run) -> Page:
    """Return one page; raises BadRequest for a cursor that is not of this search, TooCostly when it takes too long."""
    place = unseal(session.secret, _purpose(asked), asked.cursor) if asked.cursor else None
    missing = None if place is None else tuple(value is None for value in place.values)
    plan = Plan(asked.resource_type, all_of(asked.condition, asked.within), asked.sort, missing)
    values = {} if place is None else places(place.values, (place.resource_type, place.resource_id))
    rows = run(page(session, plan), {**values, "limit": asked.limit + 1}) if asked.limit else []
    has_more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    count = None
    if asked.needs_total:
        is_whole = asked.limit and place is None and not has_more
        count = len(rows) if is_whole else run(total(session, plan), {})[0][0]
    included, is_truncated = _included(session, asked, rows, run)
    return Page(
        versions=_versions(rows),
        included=included,
        total=count,
        cursor=_cursor(session, asked, rows[-1]) if has_more else "",
        is_truncated=is_truncated,
    )


def _included(session: Session, asked: Search, rows: list[tuple[Any, ...]], run: Run) -> tuple[list[Version], bool]:
    known, latest, included = [row[0] for row in rows], [row[0] for row in rows], list[tuple[Any, ...]]()
    includes = asked.includes
    for _ in range(_ROUNDS_MAXIMUM):
        if not includes or not latest:
            break
        room = asked.include_limit - len(included)
        values = {"from": json.dumps(latest), "known": json.dumps(known), "limit": room + 1}
        found = run(inclusion(session, includes), values)
        included += found[:room]
        if len(found) > room:
            return _versions(included), True
        latest = [row[0] for row in found]
        known += latest
        includes = tuple(include for include in includes if include.is_iterated)
    return _versions(included), False


def _versions(rows: Iterable[tuple[Any, ...]]) -> list[Version]:
    return [Version(row[1], row[2], row[3], instant(row[4]), row[6], False, row[5]) for row in rows]


def _cursor(session: Session, asked: Search, last: tuple[Any, ...]) -> str:
    return seal(session.secret, _purpose(asked), Place(last[1], last[2], last[_COLUMNS:]))


def _purpose(asked: Search) -> tuple[Any, ...]:
    return ("search", asked.resource_type, asked.sort, asked.purpose)
