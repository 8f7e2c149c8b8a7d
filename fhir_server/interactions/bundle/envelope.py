"""Envelope: bundles made of stored bytes, which are joined and never parsed.

Spec: bundle.html, http.html#search, http.html#history
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import FhirError, Issue, outcome
from fhir_server.foundation.resource import Version
from fhir_server.interactions.request import Response
from fhir_server.storage.store import Page

Link = tuple[str, str]
"""(relation, url)"""

_OWN_ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
STATUS_TEXTS: Final = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    304: "304 Not Modified",
}


def bundle(bundle_type: str, entries: Iterable[bytes], links: Sequence[Link] = (), total: int | None = None) -> bytes:
    """Return a Bundle around entries that are JSON text already."""
    head: dict[str, Any] = {"resourceType": "Bundle", "type": bundle_type}
    if total is not None:
        head["total"] = total
    if links:
        head["link"] = [{"relation": relation, "url": url} for relation, url in links]
    joined = b",".join(entries)
    start = fhir_json.format(head)[:-1]
    # An empty list is no FHIR JSON: json.html#null.
    return b'%b,"entry":[%b]}' % (start, joined) if joined else start + b"}"


def search_entry(version: Version, content: bytes, mode: str, base_url: str) -> bytes:
    """Return an entry of a searchset; `mode` is match or include."""
    full_url = f"{base_url}/{version.reference}".encode()
    return b'{"fullUrl":"%b","resource":%b,"search":{"mode":"%b"}}' % (full_url, content, mode.encode())


def outcome_entry(content: bytes) -> bytes:
    """Return the entry of a searchset that says something about the search itself."""
    return b'{"resource":%b,"search":{"mode":"outcome"}}' % content


def history_entry(version: Version, content: bytes, base_url: str) -> bytes:
    """Return an entry of a history.

    Choice: how an id was chosen is not kept. Those of this server are UUIDs of version 7; a first version of any other
    id came by PUT, and who repeats the history elsewhere keeps it so. Spec: http.html#history.
    """
    if version.is_deleted:
        method, url, status = "DELETE", version.reference, "204"
    elif version.version_id == 1:
        is_ours = _OWN_ID.fullmatch(version.resource_id)
        method, url = ("POST", version.resource_type) if is_ours else ("PUT", version.reference)
        status = "201"
    else:
        method, url, status = "PUT", version.reference, "200"
    about = {
        "request": {"method": method, "url": url},
        "response": {
            "status": status,
            "etag": f'W/"{version.version_id}"',
            "lastModified": format_instant(version.last_updated),
        },
    }
    head = f'{{"fullUrl":"{base_url}/{version.reference}",'.encode()
    resource = b"" if version.is_deleted else b'"resource":%b,' % content
    return b"%b%b%b" % (head, resource, fhir_json.format(about)[1:])


def response_entry(response: Response, base_url: str, has_resource: bool) -> bytes:
    """Return an entry of a batch-response or transaction-response."""
    about: dict[str, Any] = {"status": STATUS_TEXTS.get(response.status, str(response.status))}
    if response.location:
        about["location"] = f"{base_url}/{response.location}"
    if response.version_id is not None:
        about["etag"] = f'W/"{response.version_id}"'
    if response.last_updated is not None:
        about["lastModified"] = format_instant(response.last_updated)
    text = fhir_json.format(about)
    if not has_resource or not response.content:
        return b'{"response":%b}' % text
    return b'{"resource":%b,"response":%b}' % (response.content, text)


def refusal_entry(refusal: FhirError) -> bytes:
    """Return the entry of a batch-response for an entry that was refused."""
    return fhir_json.format({"response": {"status": str(refusal.status), "outcome": refusal.outcome()}})


def searchset(page: Page, links: Sequence[Link], base_url: str, issues: Sequence[Issue] = ()) -> bytes:
    """Return a page of whole resources as a searchset; `issues` tell of the search itself."""
    entries = [search_entry(version, version.content, "match", base_url) for version in page.versions]
    entries += [search_entry(version, version.content, "include", base_url) for version in page.included]
    if issues:
        entries.append(outcome_entry(fhir_json.format(outcome(issues))))
    return bundle("searchset", entries, links, page.total)
