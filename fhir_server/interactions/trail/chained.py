"""The chain in the store: who writes AuditEvents links them in the same transaction, and anybody can verify them.

The links are server records, a block for each transaction that wrote some; the last link stands in a record of its
own, which makes the writers of all processes follow each other. Spec: security.html#audit
"""

from collections.abc import AsyncIterator, Sequence
from typing import Final

from fhir_server.access.audit.chain import START, Link, chain, decode_links, encode_links
from fhir_server.foundation.resource import Version
from fhir_server.storage.store import Reader, Transaction

_KIND: Final = "audit chain"
_LAST: Final = "last"
_VOLUME: Final = 100_000
"""Links of one volume, which is the kind of their records: a reader holds one volume at a time, some 12 MB."""


async def link(transaction: Transaction, versions: Sequence[Version]) -> None:
    """Link AuditEvents, in the order in which the transaction stores them; of nothing, nothing."""
    previous = await last_link(transaction)
    links: list[Link] = []
    for version in versions:
        previous = chain(previous, version.reference, version.content)
        links.append(previous)
    if links:
        first = links[0].sequence
        await transaction.put_record(_volume(first), f"{first:016}", encode_links(links))
        await transaction.put_record(_KIND, _LAST, encode_links(links[-1:]))


async def last_link(reader: Reader) -> Link:
    """Return the last link; START before the first event."""
    record = await reader.record(_KIND, _LAST)
    return START if record is None else decode_links(record)[0]


async def links(reader: Reader) -> AsyncIterator[Link]:
    """Yield every link that the store holds, by the sequence under which it was put."""
    last = await last_link(reader)
    for first in range(1, last.sequence + 1, _VOLUME):
        for _, record in await reader.records(_volume(first)):
            for one in decode_links(record):
                yield one


def _volume(first: int) -> str:
    return f"{_KIND} {(first - 1) // _VOLUME}"
