"""Verifying: whether the AuditEvents in the store are those that were linked, all of them, and no others.

Spec: security.html#audit
"""

from collections.abc import AsyncIterator, Callable
from typing import Final

from fhir_server.access.audit.chain import Break, Link, Verification
from fhir_server.interactions.trail.chained import last_link, links
from fhir_server.storage.store import Reader, Search

_PAGE: Final = 1_000


async def breaks(
    reader: Reader, noted: str = "", told: Callable[[Link], None] = lambda link: None
) -> AsyncIterator[Break]:
    """Yield where the trail does not hold; nothing when it does.

    `noted` is the text of a link that was written down elsewhere; `told` is called with each link.
    """
    last, verification = await last_link(reader), Verification()
    met: set[str] = set()
    is_noted_met = not noted
    async for link in links(reader):
        if link.sequence > last.sequence:
            break  # linked since we began
        for found in verification.meet(link, await _content(reader, link.reference)):
            yield found
        met.add(link.reference)
        is_noted_met = is_noted_met or str(link) == noted
        told(link)
    for found in verification.end(last):
        yield found
    if not is_noted_met:
        at = int(noted.partition("-")[0])
        yield Break(at, "", "forged" if at <= last.sequence else "cut-off")
    async for found in _inserted(reader, met, last):
        yield found


async def _content(reader: Reader, reference: str) -> bytes | None:
    """Return the bytes of an event, of its newest version: there should be one only."""
    resource_type, _, resource_id = reference.partition("/")
    version = await reader.read(resource_type, resource_id)
    return None if version is None or version.is_deleted else version.content


async def _inserted(reader: Reader, met: set[str], last: Link) -> AsyncIterator[Break]:
    """Yield the events without a link, but those that were linked since `last`."""
    later = {link.reference async for link in links(reader) if link.sequence > last.sequence}
    cursor = ""
    while True:
        page = await reader.search(Search("AuditEvent", limit=_PAGE, cursor=cursor))
        for version in page.versions:
            if version.reference not in met and version.reference not in later:
                yield Break(0, version.reference, "inserted")
        cursor = page.cursor
        if not cursor:
            return
