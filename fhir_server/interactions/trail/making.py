"""Making: the AuditEvents of journal entries with their bytes and rows; what entries have in common is made once.

Spec: auditevent.html, https://profiles.ihe.net/ITI/BALP/ (Basic Audit Log Patterns)
"""

from typing import Any

import msgspec

from fhir_server.access.audit.entry import AccessEntry
from fhir_server.access.audit.events import Seen, frame, frame_key, variants
from fhir_server.access.extract import GOVERNED_TYPES
from fhir_server.access.rows import DOCUMENT, LABEL
from fhir_server.foundation import fhir_json
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import Governed, Own
from fhir_server.interactions.request import Runtime
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, IndexRow


class Frame(msgspec.Struct, frozen=True):
    """What several events say alike, and its rows."""

    event: dict[str, Any]
    rows: list[IndexRow]


class Maker:
    """Makes the events of one batch; `governed` reads in the batch's transaction."""

    def __init__(self, governed: Governed, runtime: Runtime) -> None:
        self._governed = governed
        self._runtime = runtime
        self._seen: dict[str, Seen] = {}
        self._frames: dict[tuple[Any, ...], Frame] = {}
        # A search parameter of an operator's own may look at the whole event.
        self._is_divisible = not runtime.parameters.evaluated("AuditEvent")

    async def events(self, entry: AccessEntry) -> list[tuple[Version, list[IndexRow]]]:
        """Return the first versions of the events of an entry, each with its rows."""
        seen = [await self._look(reference) for reference in touched(entry)]
        common = self._frame(entry)
        return [await self._event(common, variant) for variant in variants(entry, seen)]

    async def _event(self, common: Frame, variant: dict[str, Any]) -> tuple[Version, list[IndexRow]]:
        own_id = self._runtime.new_id()
        now = self._runtime.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        event = {**common.event, "id": own_id, **variant}
        content = fhir_json.seal(fhir_json.format(event), own_id, 1, now)
        if self._is_divisible:
            partial = {"resourceType": "AuditEvent", "id": own_id, **variant}
            rows = [*common.rows, *self._runtime.indexing.rows(partial, "")]
        else:
            rows = self._runtime.indexing.rows(event, "")
        return Version("AuditEvent", own_id, 1, now, content), await self._governed.with_governors(Own(event, "", rows))

    def _frame(self, entry: AccessEntry) -> Frame:
        key = frame_key(entry)
        known = self._frames.get(key)
        if known is None:
            event = frame(entry)
            known = self._frames[key] = Frame(event, self._runtime.indexing.rows(event, ""))
        return known

    async def _look(self, reference: str) -> Seen:
        """Return whose record a resource is in and what governs it; a deleted one is judged by its last content."""
        if reference not in self._seen:
            own = await self._governed.own(reference)
            self._seen[reference] = Seen(reference) if own is None else await self._judged(reference, own)
        return self._seen[reference]

    async def _judged(self, reference: str, own: Own) -> Seen:
        rows = own.rows
        if own.resource["resourceType"] in GOVERNED_TYPES and not _patients(rows):
            rows = await self._governed.with_governors(own)
        governing = [f"{row[3]}/{row[4]}" for row in rows if row[0] == REFERENCE and row[1] == DOCUMENT]
        is_document = own.resource["resourceType"] == "DocumentReference"
        is_own = is_document or any(row[1] == LABEL for row in rows) or len(governing) > 1
        return Seen(reference, _patients(rows), reference if is_own else governing[0] if governing else "")


def touched(entry: AccessEntry) -> list[str]:
    """Return the references that an entry names or showed, each once."""
    own = f"{entry.resource_type}/{entry.resource_id}" if entry.resource_id else ""
    return [reference for reference in dict.fromkeys((own, *entry.results)) if reference]


def _patients(rows: list[IndexRow]) -> tuple[str, ...]:
    return tuple(sorted({row[3] for row in rows if row[0] == COMPARTMENT and row[1] == "Patient"}))
