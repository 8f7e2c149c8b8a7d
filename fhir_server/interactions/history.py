"""History of a resource, of a type, or of the whole system, newest first.

Spec: http.html#history
"""

from datetime import UTC, datetime
from typing import Final
from urllib.parse import quote, urlencode

from fhir_server.access.decision import decide
from fhir_server.foundation.dates import from_microseconds, interval, parse_instant
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.envelope import Link, bundle, history_entry
from fhir_server.interactions.read import unknown
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.search import plan_search
from fhir_server.interactions.subset import subset_asked
from fhir_server.search.condition import Condition, all_of
from fhir_server.search.parse import GENERAL, parse
from fhir_server.search.result_parameters import CURSOR
from fhir_server.storage.store import History, Page, Reader

KNOWN: Final = frozenset({"_count", "_since", "_at", "_list", "_sort", "_summary", "_elements", CURSOR})
SORTS: Final = ("-_lastUpdated", "none")
"""Choice: R4 has newest first and no `_sort`; these, which R5 knows, ask for no more than that."""
COUNT_DIGITS: Final = 9
ALL_TIME: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
SAME_PREFIXES: Final = {"sa": "gt", "eb": "lt"}
PREFIXES: Final = ("eq", "ge", "gt", "sa", "le", "lt", "eb")

Asked = dict[str, str]
Period = tuple[datetime, datetime]


async def history(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return one page of versions. Raises NotFound when a resource has none that may be seen, BadRequest."""
    within = decide(request.grant, _level(request), request.resource_type)
    asked = _asked(request)
    page = await reader.history(
        History(
            request.resource_type,
            request.resource_id,
            all_of(within, *_listed(request, runtime, asked)),
            since=parse_instant(asked["_since"]) if "_since" in asked else None,
            at=_period(asked["_at"]) if "_at" in asked else None,
            limit=_limit(asked, runtime),
            cursor=asked.get(CURSOR, ""),
        )
    )
    if request.resource_id and not page.versions:
        # Nothing since an instant is an empty history; a resource that is unknown has none.
        known = await reader.read(request.resource_type, request.resource_id, within=within)
        if known is None:
            raise unknown(request)
    return _bundle(request, page)


def _bundle(request: Request, page: Page) -> Response:
    entries = (history_entry(version, _shown(request, version), request.base_url) for version in page.versions)
    shown = tuple(dict.fromkeys(version.reference for version in page.versions))
    return Response(200, bundle("history", entries, _links(request, page.cursor), page.total), shown=shown)


def _shown(request: Request, version: Version) -> bytes:
    return version.content if version.is_deleted else subset_asked(version.content, request.parameters)


def _level(request: Request) -> str:
    """Return CapabilityStatement's code: a list of what there is (type, system) is a search to a grant."""
    if request.resource_id:
        return "history-instance"
    return "history-type" if request.resource_type else "history-system"


def _asked(request: Request) -> Asked:
    asked: Asked = {}
    for name, value in request.parameters:
        if name in KNOWN and value and name not in asked:
            asked[name] = value
        elif name not in GENERAL and not request.is_lenient:
            raise BadRequest(
                f"{name[:80]} means nothing to a history, or not twice; it has {', '.join(sorted(KNOWN))}.", name[:80]
            )
    if asked.get("_sort", SORTS[0]) not in SORTS:
        raise BadRequest(f"_sort: a history is newest first; it takes {' and '.join(SORTS)}.", "_sort")
    return asked


def _limit(asked: Asked, runtime: Runtime) -> int:
    text = asked.get("_count", "")
    if asked.get("_summary") == "count":
        return 0
    if not text:
        return runtime.limits.count_default
    if not (text.isascii() and text.isdigit() and len(text) <= COUNT_DIGITS):
        raise BadRequest(f"_count is a whole number, and is {text[:50]!r}.", "_count")
    return min(int(text), runtime.limits.count_maximum)


def _period(text: str) -> Period:
    """Return the time that `_at` names: a date is its whole day, `ge2026-11` all since the start of that month."""
    prefix, date = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
    if prefix not in PREFIXES:
        raise BadRequest(f"_at: {prefix!r} is none of the prefixes {', '.join(PREFIXES)}.", "_at")
    low, high = map(from_microseconds, interval(date))
    first, last = ALL_TIME
    periods = {"eq": (low, high), "ge": (low, last), "gt": (high, last), "le": (first, high), "lt": (first, low)}
    return periods[SAME_PREFIXES.get(prefix, prefix)]


def _listed(request: Request, runtime: Runtime, asked: Asked) -> list[Condition]:
    """Return that a List which the caller may search refers to the resource, when `_list` asks that."""
    if "_list" not in asked:
        return []
    query = parse(request.resource_type, [("_list", asked["_list"])], runtime.parameters)
    return [plan_search(request, runtime, query).condition]


def _links(request: Request, cursor: str) -> list[Link]:
    places = (request.resource_type, request.resource_id, "_history")
    address = "/".join((request.base_url, *filter(None, places)))
    asked = [pair for pair in request.parameters if pair[0] in KNOWN | GENERAL]
    rest = [pair for pair in asked if pair[0] != CURSOR]
    links = [("self", _url(address, asked))]
    if cursor:
        links.append(("next", _url(address, [*rest, (CURSOR, cursor)])))
    return links


def _url(address: str, pairs: list[tuple[str, str]]) -> str:
    return f"{address}?{urlencode(pairs, quote_via=quote)}" if pairs else address
