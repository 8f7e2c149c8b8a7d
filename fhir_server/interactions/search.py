"""Search a type, a compartment, or all types.

Spec: http.html#search, search.html
"""

from typing import Final
from urllib.parse import quote

from fhir_server.access.decision import decide
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import Issue, outcome
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.envelope import bundle, outcome_entry, search_entry
from fhir_server.interactions.gathering.canonical_includes import with_canonicals
from fhir_server.interactions.gathering.contained import contained_page, shows_contained
from fhir_server.interactions.gathering.explanation import EXPLAIN, asks_explanation, explanation
from fhir_server.interactions.gathering.value_sets import with_value_sets
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.subset import subset_content
from fhir_server.search.compartment import in_compartment
from fhir_server.search.condition import all_of
from fhir_server.search.parse import GENERAL, format_query, parse
from fhir_server.search.plan import Bounds, Planner
from fhir_server.search.query import Query
from fhir_server.search.result_parameters import CURSOR
from fhir_server.storage.store import Include, Page, Reader, Search, Sort

SAFE: Final = ":,|$/*"
"""Characters that search values are full of, and that a query may hold as they are. Spec: RFC 3986, 3.4."""


async def search(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return one page of a searchset. Raises BadRequest for what is not understood, Forbidden."""
    if asks_explanation(request, runtime):
        plain = tuple(pair for pair in request.parameters if pair != EXPLAIN)
        query = parse(request.resource_type, plain, runtime.parameters, request.is_lenient)
        runtime = await with_value_sets(request, reader, runtime, query)
        return await explanation(plan_search(request, runtime, query), runtime)
    query, page = await find(request, reader, runtime)
    return Response(200, _searchset(request, query, page), shown=shown(page))


async def find(request: Request, reader: Reader, runtime: Runtime) -> tuple[Query, Page]:
    """Return what a search asked, and the page that answers it. Raises BadRequest, Forbidden."""
    query = parse(request.resource_type, request.parameters, runtime.parameters, request.is_lenient)
    asked = plan_search(request, await with_value_sets(request, reader, runtime, query), query)
    if shows_contained(query):
        return query, await contained_page(reader, asked)
    return query, await with_canonicals(request, reader, runtime, query, await reader.search(asked))


def shown(page: Page) -> tuple[str, ...]:
    """Return the references of all that a page shows; what is contained counts as its container."""
    return tuple(version.reference.partition("#")[0] for version in (*page.versions, *page.included))


def plan_search(request: Request, runtime: Runtime, query: Query) -> Search:
    """Return what the store is asked, under the decision on every type that the query touches."""
    limits = runtime.limits
    planner = Planner(
        runtime.parameters,
        lambda resource_type: decide(request.grant, "search", resource_type),
        (request.base_url,),
        microseconds(runtime.now()),
        Bounds(limits.count_default, limits.count_maximum),
        runtime.terminology,
    )
    plan = planner.plan(query)
    condition, purpose = plan.condition, plan.purpose
    if request.compartment is not None:
        condition = all_of(in_compartment(request.compartment, plan.resource_type), condition)
        purpose = f"{'/'.join(request.compartment)} {purpose}"
    return Search(
        resource_type=plan.resource_type,
        condition=condition,
        within=plan.within,
        sort=tuple(Sort(*key) for key in plan.sort),
        limit=plan.limit,
        cursor=plan.cursor,
        needs_total=plan.needs_total,
        includes=tuple(Include(*include) for include in plan.includes),
        include_limit=limits.include_maximum,
        purpose=purpose,
    )


def _searchset(request: Request, query: Query, page: Page) -> bytes:
    entries = [_entry(request, query, version, "match") for version in page.versions]
    entries += [_entry(request, query, version, "include") for version in page.included]
    issues = [
        Issue("warning", "not-supported", f"The parameter {name[:100]} was ignored.", (name[:100],))
        for name in query.ignored
    ]
    if page.is_truncated:
        issues.append(Issue("warning", "too-costly", "There are more resources to include than one page takes."))
    if issues:
        entries.append(outcome_entry(fhir_json.format(outcome(issues))))
    return bundle("searchset", entries, _links(request, query, page.cursor), _total(query, page))


def _total(query: Query, page: Page) -> int | None:
    """Return the total that was asked for; and, unless it is not wanted, the one that a single page tells anyway."""
    is_whole = not query.cursor and not page.cursor and query.total != "none"
    return len(page.versions) if page.total is None and is_whole else page.total


def _entry(request: Request, query: Query, version: Version, mode: str) -> bytes:
    content = version.content
    if query.summary or query.elements:
        # Choice: what is included is shown whole, but for `_summary`, which asks for less of everything.
        content = subset_content(content, query.summary, query.elements if mode == "match" else ())
    return search_entry(version, content, mode, request.base_url)


def _links(request: Request, query: Query, cursor: str) -> list[tuple[str, str]]:
    """Return self and, when there is more, first and next; they keep all that was understood."""
    asked = [pair for pair in request.parameters if pair[0] in GENERAL and pair[1]] + format_query(query)
    links = [("self", _url(request, asked))]
    rest = [pair for pair in asked if pair[0] != CURSOR]
    if cursor or query.cursor:
        links.append(("first", _url(request, rest)))
    if cursor:
        links.append(("next", _url(request, [*rest, (CURSOR, cursor)])))
    return links


def _url(request: Request, pairs: list[tuple[str, str]]) -> str:
    place = request.resource_type
    if request.compartment is not None:
        place = f"{'/'.join(request.compartment)}/{place or '*'}"
    address = f"{request.base_url}/{place}" if place else request.base_url
    query = "&".join(f"{quote(name, SAFE)}={quote(value, SAFE)}" for name, value in pairs)
    return f"{address}?{query}" if pairs else address
