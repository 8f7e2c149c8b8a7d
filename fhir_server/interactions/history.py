"""History of a resource, of a type, or of the whole system, newest first.

Spec: http.html#history
"""

from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from fhir_server.access.decision import decide
from fhir_server.foundation.dates import parse_instant
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.envelope import Link, bundle, history_entry
from fhir_server.interactions.read import unknown
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.subset import subset_asked
from fhir_server.search.parse import GENERAL
from fhir_server.search.result_parameters import CURSOR
from fhir_server.storage.store import History, Reader

KNOWN: Final = frozenset({"_count", "_since", "_at", "_summary", "_elements", CURSOR})
COUNT_DIGITS: Final = 9


async def history(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return one page of versions. Raises NotFound when a resource has none that may be seen, BadRequest."""
    within = decide(request.grant, _level(request), request.resource_type)
    asked = _asked(request)
    count = 0 if asked.get("_summary") == "count" else _count(asked.get("_count", ""), runtime)
    page = await reader.history(
        History(
            request.resource_type,
            request.resource_id,
            within,
            since=_instant(asked, "_since"),
            at=_instant(asked, "_at"),
            limit=count,
            cursor=asked.get(CURSOR, ""),
        )
    )
    if request.resource_id and not page.versions:
        # Nothing since an instant is an empty history; a resource that is unknown has none.
        known = await reader.read(request.resource_type, request.resource_id, within=within)
        if known is None:
            raise unknown(request)
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


def _asked(request: Request) -> dict[str, str]:
    asked: dict[str, str] = {}
    for name, value in request.parameters:
        if name in KNOWN and value and name not in asked:
            asked[name] = value
        elif name not in GENERAL and not request.is_lenient:
            raise BadRequest(
                f"{name[:80]} means nothing to a history, or not twice; it has {', '.join(sorted(KNOWN))}."
            )
    return asked


def _count(text: str, runtime: Runtime) -> int:
    if not text:
        return runtime.limits.count_default
    if not (text.isascii() and text.isdigit() and len(text) <= COUNT_DIGITS):
        raise BadRequest(f"_count is a whole number, and is {text[:50]!r}.", "_count")
    return min(int(text), runtime.limits.count_maximum)


def _instant(asked: dict[str, str], name: str) -> datetime | None:
    return parse_instant(asked[name]) if name in asked else None


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
