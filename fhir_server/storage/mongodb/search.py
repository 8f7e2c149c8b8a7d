"""Search: runs the commands of one search and makes its page.

One command; one more for a total that the page does not tell, and one for each round of includes. A search that names
nothing but other resources (a chain alone) first asks which these are: one more.
Spec: search.html, http.html#search
"""

from typing import Any, Final

import msgspec

from fhir_server.search.condition import Condition, all_of
from fhir_server.storage.cursor import Place, seal, unseal
from fhir_server.storage.mongodb.fields import SHOWN, Document, version_of
from fhir_server.storage.mongodb.printing.ordering import key_names
from fhir_server.storage.mongodb.printing.page import Plan, inclusion, link_fields, page, total
from fhir_server.storage.mongodb.resolving import resolved
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.store import Page, Search

_ROUNDS_MAXIMUM: Final = 10


async def search(scope: Scope, asked: Search) -> Page:
    """Return one page; raises BadRequest for a cursor that is not of this search, TooCostly when it takes too long."""
    place = unseal(scope.secret, _purpose(asked), asked.cursor) if asked.cursor else None
    plan = await _plan(scope, asked.resource_type, all_of(asked.condition, asked.within), asked)
    rows: list[Document] = []
    if asked.limit:
        values = None if place is None else place.values
        pipeline = page(plan, values, asked.limit + 1, link_fields(asked.includes))
        rows = await scope.many(scope.connection.resource, pipeline, plan.index)
    has_more = len(rows) > asked.limit
    rows = rows[: asked.limit]
    count = None
    if asked.needs_total:
        is_whole = asked.limit and place is None and not has_more
        count = len(rows) if is_whole else await _count(scope, plan)
    included, is_truncated = await _included(scope, asked, rows)
    return Page(
        versions=[version_of(row) for row in rows],
        included=[version_of(row) for row in included],
        total=count,
        cursor=seal(scope.secret, _purpose(asked), _place(asked, rows[-1])) if has_more else "",
        is_truncated=is_truncated,
    )


async def _plan(scope: Scope, resource_type: str, condition: Condition, asked: Search) -> Plan:
    plan = Plan(resource_type, condition, scope.now, asked.sort)
    known = await resolved(scope, resource_type, condition)
    return plan if known is None else msgspec.structs.replace(plan, known=known)


async def _count(scope: Scope, plan: Plan) -> int:
    counted = await scope.many(scope.connection.resource, total(plan), plan.index)
    return int(counted[0]["n"]) if counted else 0


async def _included(scope: Scope, asked: Search, rows: list[Document]) -> tuple[list[Document], bool]:
    includes, latest, included = asked.includes, rows, list[Document]()
    known = [f"{row['t']}/{row['i']}" for row in rows]
    for _ in range(_ROUNDS_MAXIMUM):
        if not includes or not latest:
            break
        room = asked.include_limit - len(included)
        iterated = tuple(include for include in includes if include.is_iterated)
        found = await scope.many(
            scope.connection.resource,
            [
                *inclusion(includes, latest, known, scope.now),
                {"$sort": {"o": 1}},
                {"$limit": room + 1},
                {"$project": {**SHOWN, **dict.fromkeys(link_fields(iterated), 1)}},
            ],
        )
        included += found[:room]
        if len(found) > room:
            return included, True
        known += [f"{row['t']}/{row['i']}" for row in found]
        latest, includes = found, iterated
    return included, False


def _place(asked: Search, last: Document) -> Place:
    keys = (last.get(name) for name in (*key_names(asked.sort), "o"))
    return Place(last["t"], last["i"], tuple(int(key) if isinstance(key, int) else key for key in keys))


def _purpose(asked: Search) -> tuple[Any, ...]:
    return ("search", asked.resource_type, asked.sort, asked.purpose)
