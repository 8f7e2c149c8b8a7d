"""History: runs the commands of one history and makes its page.

Choice: versions of one resource come by version number, others by instant, then the youngest resource first.
Spec: http.html#history
"""

from itertools import takewhile
from typing import Any

import msgspec

from fhir_server.foundation.dates import microseconds
from fhir_server.search.condition import ALWAYS
from fhir_server.storage.cursor import Place, seal, unseal
from fhir_server.storage.mongodb.fields import SHOWN, Document, version_of
from fhir_server.storage.mongodb.places import name_of
from fhir_server.storage.mongodb.printing.condition import Printer, matching
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.store import History, Page

_SHOWN = {**SHOWN, "o": 1}


class _Paging(msgspec.Struct, frozen=True):
    """Where a page begins, as stages, and how many versions it takes to know whether there is another."""

    after: list[Document]
    limit: int


async def history(scope: Scope, asked: History) -> Page:
    """Return one page; raises BadRequest for a cursor that is not of this history."""
    place = unseal(scope.secret, _purpose(asked), asked.cursor) if asked.cursor else None
    rows: list[Document] = []
    if asked.limit:
        paging = _Paging(_after(asked, place), asked.limit + 1)
        order = {"v": -1} if asked.resource_id else {"u": -1, "o": -1, "v": -1}
        ending: list[Document] = [{"$sort": order}, {"$limit": paging.limit}, {"$project": _SHOWN}]
        rows = await _versions(scope, asked, ending, paging)
        rows.sort(key=lambda row: [row[name] for name in order], reverse=True)
    has_more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    count = None
    if asked.needs_total:
        is_whole = asked.limit and place is None and not has_more
        count = len(rows) if is_whole else await _count(scope, asked)
    cursor = seal(scope.secret, _purpose(asked), _place(rows[-1])) if has_more else ""
    return Page(versions=[version_of(row) for row in rows], total=count, cursor=cursor)


async def _count(scope: Scope, asked: History) -> int:
    counted = await _versions(scope, asked, [{"$group": {"_id": None, "n": {"$sum": {"$ifNull": ["$n", 1]}}}}])
    return sum(int(one["n"]) for one in counted)


async def _versions(
    scope: Scope, asked: History, ending: list[Document], paging: _Paging | None = None
) -> list[Document]:
    """Return what the ending keeps of all versions that are asked for, or of those of one page."""
    current = matching(Printer(scope.now), asked.within, _named(asked, is_current=True))
    older: list[Document] = [{"$match": _named(asked, is_current=False)}]
    if asked.within != ALWAYS:
        governing = [*matching(Printer(scope.now), asked.within), {"$project": {"_id": 1}}]
        join = {"from": "resource", "localField": "k", "foreignField": "_id", "pipeline": governing, "as": "current"}
        older += [{"$lookup": join}, {"$match": {"current": {"$ne": []}}}]
    if paging is not None:
        by_version = bool(asked.resource_id)
        # A resource has one current version: without `v`, an index has them in this order.
        current = _paged(current, paging, {"v": -1} if by_version else {"u": -1, "o": -1})
        older = _paged(older, paging, {"v": -1} if by_version else {"u": -1, "o": -1, "v": -1})
    connection = scope.connection
    return await scope.union((connection.resource, current), (connection.history, older), ending)


def _paged(stages: list[Document], paging: _Paging, order: Document) -> list[Document]:
    """Return the stages of one page: what others tell is looked up last, for no more versions than fill it."""
    own = list(takewhile(lambda stage: "$match" in stage, stages))
    return [*own, *paging.after, {"$sort": order}, *stages[len(own) :], {"$limit": paging.limit}]


def _named(asked: History, is_current: bool) -> Document:
    named: Document = {}
    if asked.resource_id:
        named = name_of(f"{asked.resource_type}/{asked.resource_id}")
        if not is_current:
            named["k"] = named.pop("_id")
    elif asked.resource_type:
        named["t"] = asked.resource_type
    updated: Document = {}
    if asked.since is not None:
        updated["$gte"] = microseconds(asked.since)
    if asked.at is not None:
        low, high = map(microseconds, asked.at)
        updated["$lt"] = high
        if not is_current:
            # No later version stood already when the period begins.
            named["y"] = {"$gt": low}
    return {**named, "u": updated} if updated else named


def _after(asked: History, place: Place | None) -> list[Document]:
    if place is None:
        return []
    updated, order, version_id = place.values
    if asked.resource_id:
        return [{"$match": {"v": {"$lt": version_id}}}]
    earlier = [
        {"u": {"$lt": updated}},
        {"u": updated, "o": {"$lt": order}},
        {"u": updated, "o": order, "v": {"$lt": version_id}},
    ]
    return [{"$match": {"$and": [{"u": {"$lte": updated}}, {"$or": earlier}]}}]


def _place(row: Document) -> Place:
    return Place(row["t"], row["i"], (int(row["u"]), int(row["o"]), int(row["v"])))


def _purpose(asked: History) -> tuple[Any, ...]:
    return ("history", asked.resource_type, asked.resource_id)
