"""Trail: every answer leaves a journal entry, and the journal becomes AuditEvents before anybody looks at them.

Spec: auditevent.html, security.html#audit, CSP R.1111-42 (traces readable by the holder)
"""

from collections.abc import Sequence
from typing import Any, Final

from fhir_server.access.audit.entry import AccessEntry, decode
from fhir_server.access.audit.events import Seen, audit_events
from fhir_server.access.extract import GOVERNED_TYPES
from fhir_server.access.rows import DOCUMENT, LABEL
from fhir_server.foundation import fhir_json
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import index_rows, last_content
from fhir_server.interactions.request import Runtime
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, IndexRow
from fhir_server.storage.store import Transaction

BATCH: Final = 50
"""Entries that one transaction turns into AuditEvents: writers wait no longer than that takes."""

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

    What the entries touched is read before, so that writers wait for the writing only. Two that drain at once do not
    write twice: the second finds the entries gone.
    """
    entries = await _waiting(runtime, limit)
    if not entries:
        return 0
    events = await _events(runtime, [decode(content) for _, content in entries])
    first, last = entries[0][0], entries[-1][0]

    async def write(transaction: Transaction) -> None:
        waiting = await transaction.journalled(1)
        if waiting and waiting[0][0] == first:
            for event in events:
                await _put(transaction, runtime, event)
            await transaction.forget_journalled(last)

    await runtime.store.transact(write)
    return len(entries)


async def _waiting(runtime: Runtime, limit: int) -> list[tuple[int, bytes]]:
    store = runtime.store
    entries = await store.transact(lambda transaction: transaction.journalled(limit))
    if not entries and await store.journal_length():
        # What was still buffered went into the journal with that transaction.
        entries = await store.transact(lambda transaction: transaction.journalled(limit))
    return entries


async def _events(runtime: Runtime, entries: Sequence[AccessEntry]) -> list[dict[str, Any]]:
    gathered: dict[str, Seen] = {}
    events: list[dict[str, Any]] = []
    for entry in entries:
        touched = _touched(entry)
        for reference in touched:
            if reference not in gathered:
                gathered[reference] = await _seen(runtime, reference)
        of_entry = audit_events(entry, [gathered[reference] for reference in touched])
        events += [{**event, "id": runtime.new_id()} for event in of_entry]
    return events


def _touched(entry: AccessEntry) -> list[str]:
    own = f"{entry.resource_type}/{entry.resource_id}" if entry.resource_id else ""
    return [reference for reference in dict.fromkeys((own, *entry.results)) if reference]


async def _put(transaction: Transaction, runtime: Runtime, event: dict[str, Any]) -> None:
    now = runtime.now()
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    content = fhir_json.seal(fhir_json.format(event), event["id"], 1, now)
    rows = await index_rows(transaction, event, "", runtime.indexing)
    await transaction.put(Version("AuditEvent", event["id"], 1, now, content), rows)


async def _seen(runtime: Runtime, reference: str) -> Seen:
    """Return whose record a resource is in and what governs it; a deleted one is judged by its last content."""
    version = await last_content(runtime.store, reference)
    if version is None:
        return Seen(reference)
    resource = fhir_json.parse(version.content)
    rows = runtime.indexing.rows(resource, version.depositor)
    if not _patients(rows) and resource["resourceType"] in GOVERNED_TYPES:
        depositor = version.depositor
        rows = await runtime.store.transact(lambda store: index_rows(store, resource, depositor, runtime.indexing))
    governing = [f"{row[3]}/{row[4]}" for row in rows if row[0] == REFERENCE and row[1] == DOCUMENT]
    is_own = version.resource_type == "DocumentReference" or any(row[1] == LABEL for row in rows) or len(governing) > 1
    return Seen(reference, _patients(rows), reference if is_own else governing[0] if governing else "")


def _patients(rows: Sequence[IndexRow]) -> tuple[str, ...]:
    return tuple(sorted({row[3] for row in rows if row[0] == COMPARTMENT and row[1] == "Patient"}))
