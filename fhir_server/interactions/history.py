"""History of a resource, of a type, or of the whole system, newest first.

Spec: http.html#history
"""

from collections.abc import Sequence
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

REPEATED: Final = frozenset({"_at"})
KNOWN: Final = frozenset({"_count", "_since", "_at", "_list", "_summary", "_elements", CURSOR})
COUNT_DIGITS: Final = 9
ALL_TIME: Final = (datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
PREFIXES: Final = ("eq", "ge", "gt", "sa", "le", "lt", "eb")

Asked = dict[str, list[str]]
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
            since=parse_instant(asked["_since"][0]) if "_since" in asked else None,
            at=_period(asked["_at"]) if "_at" in asked else None,
            limit=_limit(asked, runtime),
            cursor=_first(asked, CURSOR),
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
        if name in KNOWN and value and (name not in asked or name in REPEATED):
            asked.setdefault(name, []).append(value)
        elif name not in GENERAL and not request.is_lenient:
            raise BadRequest(
                f"{name[:80]} means nothing to a history, or not twice; it has {', '.join(sorted(KNOWN))}.", name[:80]
            )
    return asked


def _first(asked: Asked, name: str) -> str:
    return asked.get(name, [""])[0]


def _limit(asked: Asked, runtime: Runtime) -> int:
    text = _first(asked, "_count")
    if _first(asked, "_summary") == "count":
        return 0
    if not text:
        return runtime.limits.count_default
    if not (text.isascii() and text.isdigit() and len(text) <= COUNT_DIGITS):
        raise BadRequest(f"_count is a whole number, and is {text[:50]!r}.", "_count")
    return min(int(text), runtime.limits.count_maximum)


def _period(texts: Sequence[str]) -> Period:
    """Return the time that all of several `_at` name: a date is its whole day, `ge2026-11` all since that month."""
    low, high = ALL_TIME
    for text in texts:
        prefix, date = (text[:2], text[2:]) if text[:2].isalpha() else ("eq", text)
        if prefix not in PREFIXES:
            raise BadRequest(f"_at: {prefix!r} is none of the prefixes {', '.join(PREFIXES)}.", "_at")
        first, last = map(from_microseconds, interval(date))
        if prefix in ("gt", "sa"):
            low = max(low, last)
        elif prefix in ("eq", "ge"):
            low = max(low, first)
        if prefix in ("lt", "eb"):
            high = min(high, first)
        elif prefix in ("eq", "le"):
            high = min(high, last)
    return low, high


def _listed(request: Request, runtime: Runtime, asked: Asked) -> list[Condition]:
    """Return that a List which the caller may search refers to the resource, when `_list` asks that."""
    lists = [("_list", text) for text in asked.get("_list", ())]
    if not lists:
        return []
    return [plan_search(request, runtime, parse(request.resource_type, lists, runtime.parameters)).condition]


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
