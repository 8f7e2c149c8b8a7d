"""Drain: the journal becomes AuditEvents, a batch a transaction, oldest first.

Spec: auditevent.html, security.html#audit, CSP R.1111-42 (traces readable by the holder)
"""

from typing import Final

from fhir_server.access.audit.entry import AccessEntry, decode
from fhir_server.interactions.governance import Governed
from fhir_server.interactions.request import Runtime
from fhir_server.interactions.trail.chained import link
from fhir_server.interactions.trail.making import Maker
from fhir_server.storage.store import Transaction

BATCH: Final = 100
"""Entries that one transaction turns into AuditEvents: writers wait no longer than that takes."""

TOUCHED: Final = 300
"""Resources that the entries of one transaction name or showed; an entry that showed more is alone in its own."""

BACKLOG: Final = 50_000
"""Entries that may wait for an idle moment, some 6 MB; beyond it they are turned a few at a time under load too."""


async def drain_all(runtime: Runtime) -> None:
    """Turn all that was journalled so far into AuditEvents: call it before AuditEvents are read, searched or listed.

    What others journal meanwhile is left to the next call, so that it ends however busy the server is.
    """
    waiting = await runtime.store.journal_length()
    while waiting > 0:
        waiting -= await drain(runtime) or waiting


async def drain(runtime: Runtime, limit: int = BATCH) -> int:
    """Turn the oldest entries into AuditEvents and forget them, in one transaction; return how many entries that were.

    What the entries touched is read in that transaction, so that no label changes between the look and the writing.
    """

    async def work(transaction: Transaction) -> int:
        return await _turn(transaction, runtime, limit)

    turned = await runtime.store.transact(work)
    if not turned and await runtime.store.journal_length():
        # What was still buffered went into the journal with that transaction.
        turned = await runtime.store.transact(work)
    return turned


async def _turn(transaction: Transaction, runtime: Runtime, limit: int) -> int:
    waiting = await transaction.journalled(limit)
    entries = _together([decode(content) for _, content in waiting])
    if not entries:
        return 0
    maker = Maker(Governed(transaction, runtime.indexing), runtime)
    versions = []
    for entry in entries:
        for version, rows in await maker.events(entry):
            await transaction.put(version, rows)
            versions.append(version)
    await link(transaction, versions)
    await transaction.forget_journalled([sequence for sequence, _ in waiting[: len(entries)]])
    return len(entries)


def _together(entries: list[AccessEntry]) -> list[AccessEntry]:
    """Return the first entries that touch few enough resources; the first one always."""
    touched = 0
    for count, entry in enumerate(entries):
        touched += 1 + len(entry.results)
        if touched > TOUCHED and count:
            return entries[:count]
    return entries
