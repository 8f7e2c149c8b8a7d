"""Governance: what is converted from, attached to or said about a resource is seen with it, and hidden with it.

Spec: binary.html#security, provenance.html, CSP R.1111-49 (masking)
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fhir_server.access.extract import (
    ATTACHED_TYPES,
    GOVERNED_TYPES,
    access_rows,
    attachments,
    governors,
    inherit,
    is_access_row,
    kept_rows,
    replaced,
)
from fhir_server.access.rows import ATTACHMENT, DOCUMENT, LABEL, REPLACES, at_home, reference_row, refers_to
from fhir_server.foundation import fhir_json
from fhir_server.foundation.resource import Version
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, IndexRow
from fhir_server.storage.store import Reader, Search, Transaction


class Indexing(msgspec.Struct, frozen=True):
    """How this server makes rows: its extractor, and its own addresses without a final slash."""

    extractor: Extractor
    base_urls: tuple[str, ...] = ()

    def rows(self, resource: dict[str, Any], depositor: str) -> list[IndexRow]:
        """Return the rows that a resource has of itself."""
        rows = self.extractor.extract(resource) + access_rows(at_home(resource, self.base_urls), depositor)
        return list(dict.fromkeys(rows))

    def access_rows(self, resource: dict[str, Any], depositor: str) -> list[IndexRow]:
        """Return those of the rows that decisions read, of a stored resource: a small part of the work."""
        rows = self.extractor.compartments(resource) + access_rows(at_home(resource, self.base_urls), depositor)
        return list(dict.fromkeys(rows))


INDEXING: Final = Indexing(Extractor())
_CLAIM: Final = "governor"
_DELETED: Final = "deleted of"
_DEPTH: Final = 3
"""A Provenance of a Binary of a DocumentReference is the longest chain of governors."""
_PAGE: Final = 500


async def index_rows(
    transaction: Transaction, resource: dict[str, Any], depositor: str, indexing: Indexing = INDEXING
) -> list[IndexRow]:
    """Return every row of a resource that has its id: of search, of access, and what its governors give it.

    Reads nothing unless the resource names a governor or is an attachment. Raises Unprocessable as `extract` does.
    """
    return await Governed(transaction, indexing).rows(resource, depositor, _DEPTH)


async def put_deletion(
    transaction: Transaction, current: Version, deletion: Version, indexing: Indexing = INDEXING
) -> None:
    """Store the deletion of a current version with the rows it keeps: only who could see it learns that it is gone."""
    rows = kept_rows(await index_rows(transaction, fhir_json.parse(current.content), current.depositor, indexing))
    await transaction.put(deletion, rows)
    await _remember_deleted(transaction, current.reference, rows)


def kept_source(before: dict[str, Any], after: dict[str, Any]) -> str:
    """Return the `meta.source` that an update must put back, "" when there is nothing to put back.

    A client that drops or changes the document that a resource was converted from would otherwise unmask it.
    """
    source = str(before.get("meta", {}).get("source", ""))
    is_governing = "DocumentReference/" in source
    return source if is_governing and after.get("meta", {}).get("source") != source else ""


async def reindex_governed(
    transaction: Transaction,
    before: dict[str, Any] | None,
    after: dict[str, Any],
    depositor: str,
    indexing: Indexing = INDEXING,
) -> int:
    """Index again what a resource governs, once it is written; return how many resources that were.

    `before` is None for the first version, or after a deletion; `depositor` is the resource's. Nothing is read when
    labels, authors and compartments stay as they were and no attachment is named.
    """
    governed = Governed(transaction, indexing)
    reference = f"{after['resourceType']}/{after['id']}"
    count = await governed.claim(reference, attachments(at_home(after, indexing.base_urls)), depositor)
    if before is None:
        # Anything else can be named before it exists only within one transaction: `settle` sees to that.
        has_changed = after["resourceType"] == "DocumentReference"
    else:
        has_changed = _opening(indexing, before, depositor) != _opening(indexing, after, depositor)
        has_changed = has_changed or _is_superseded(before) != _is_superseded(after)
    if not has_changed:
        return count
    return count + await governed.reindex(reference) + await governed.reindex_earlier(after)


async def settle(transaction: Transaction, versions: Iterable[Version], indexing: Indexing = INDEXING) -> None:
    """Index again what one transaction wrote before its governor: call it once, after the last entry."""
    for version in versions:
        if not version.is_deleted and _may_be_governed(version):
            rows = await index_rows(transaction, fhir_json.parse(version.content), version.depositor, indexing)
            await transaction.index(version.resource_type, version.resource_id, rows)


async def last_content(reader: Reader, reference: str) -> Version | None:
    """Return the last version that has a content: a deleted document still masks what was made from it."""
    resource_type, _, resource_id = reference.partition("/")
    version = await reader.read(resource_type, resource_id)
    if version is not None and version.is_deleted:
        version = await reader.vread(resource_type, resource_id, version.version_id - 1)
    return version if version is not None and version.content else None


async def claimed_by(reader: Reader, reference: str) -> list[str]:
    """Return the DocumentReferences known to govern a Binary or Bundle, the first one first."""
    if reference.partition("/")[0] not in ATTACHED_TYPES:
        return []
    record = await reader.record(_CLAIM, reference)
    return msgspec.json.decode(record, type=list[str]) if record is not None else []


async def _remember_deleted(transaction: Transaction, reference: str, rows: Iterable[IndexRow]) -> None:
    """Note a deleted resource under each of its governors: searches, which find the others, do not show it."""
    for row in rows:
        if row[0] == REFERENCE and row[1] in (DOCUMENT, REPLACES):
            await transaction.put_record(f"{_DELETED} {row[3]}/{row[4]}", reference, b"")


def _may_be_governed(version: Version) -> bool:
    if version.resource_type in GOVERNED_TYPES:
        return True
    return b'"source"' in version.content and b"DocumentReference/" in version.content


def _is_superseded(resource: dict[str, Any]) -> bool:
    return resource["resourceType"] == "DocumentReference" and resource.get("status") == "superseded"


def _opening(indexing: Indexing, resource: dict[str, Any], depositor: str) -> set[IndexRow]:
    return set(indexing.access_rows(resource, depositor))


def _records(rows: Iterable[IndexRow]) -> set[IndexRow]:
    return {row for row in rows if row[0] == COMPARTMENT}


class Own(msgspec.Struct, frozen=True):
    """A stored resource, and the rows that it has of itself: those at least that decisions read."""

    resource: dict[str, Any]
    depositor: str
    rows: list[IndexRow]


class Governed(msgspec.Struct, frozen=True):
    """The rows of governed resources, within one transaction."""

    transaction: Transaction
    indexing: Indexing
    read: dict[tuple[str, int], list[IndexRow] | None] = msgspec.field(default_factory=dict)
    """Rows of governors that were read already, by reference and depth: one document may govern thousands."""
    known: dict[str, Own | None] = msgspec.field(default_factory=dict)
    """What was read already, by reference."""

    async def own(self, reference: str) -> Own | None:
        """Return what a stored resource says of itself, by its last content; None when there never was one."""
        if reference not in self.known:
            version = await last_content(self.transaction, reference)
            self.known[reference] = None if version is None else self._own(version)
        return self.known[reference]

    def _own(self, version: Version) -> Own:
        resource = fhir_json.parse(version.content)
        return Own(resource, version.depositor, self.indexing.access_rows(resource, version.depositor))

    async def rows(self, resource: dict[str, Any], depositor: str, depth: int = _DEPTH) -> list[IndexRow]:
        """Return the rows of a resource, following its governors `depth` deep."""
        return await self.with_governors(Own(resource, depositor, self.indexing.rows(resource, depositor)), depth)

    async def with_governors(self, own: Own, depth: int = _DEPTH) -> list[IndexRow]:
        """Return the rows of what is known of a resource, with what its governors give it."""
        resource, depositor, rows = own.resource, own.depositor, own.rows
        resource_type = resource["resourceType"]
        named = governors(at_home(resource, self.indexing.base_urls))
        if resource_type in ATTACHED_TYPES:
            claimants = await self._claimants(f"{resource_type}/{resource['id']}", depositor)
            rows = [*rows, *(reference_row(DOCUMENT, claimant) for claimant in claimants)]
            named += claimants
        rows = [*rows, *await self._later_labels(own)]
        if not named or not depth:
            return list(dict.fromkeys(rows))
        governing = []
        for reference in dict.fromkeys(named):
            found = await self._governing_rows(reference, depth - 1)
            if found is not None:
                governing.append((reference, found))
        return list(dict.fromkeys((*rows, *inherit(resource_type, depositor, rows, governing))))

    async def _governing_rows(self, reference: str, depth: int) -> list[IndexRow] | None:
        if (reference, depth) not in self.read:
            governor = await self.own(reference)
            rows = None
            if governor is not None:
                found = await self.with_governors(governor, depth)
                rows = [row for row in found if is_access_row(row)]
            self.read[reference, depth] = rows
        return self.read[reference, depth]

    async def claim(self, document: str, attached: list[str], depositor: str) -> int:
        """Let a DocumentReference govern the attachments it names; return how many resources were indexed again.

        Choice: only those of the same depositor, and once a document governs one, only documents of the same patients
        may join: nobody reads a foreign Binary by pointing at it, and a later pointer never moves it elsewhere.
        """
        count = 0
        for reference in attached:
            version = await last_content(self.transaction, reference)
            if version is None or version.depositor != depositor:
                continue
            if document in await claimed_by(self.transaction, reference):
                continue
            if document in await self._claimants(reference, depositor):
                await self._index(version, is_deleted=False)
                count += 1 + await self.reindex(reference)
        return count

    async def _claimants(self, reference: str, depositor: str) -> list[str]:
        """Return the DocumentReferences that govern an attachment, and remember them: the first one stays."""
        known = await claimed_by(self.transaction, reference)
        asked = Search("DocumentReference", condition=refers_to(ATTACHMENT, [reference]), limit=_PAGE)
        found = [
            version for version in (await self.transaction.search(asked)).versions if version.depositor == depositor
        ]
        patients = await self._patients(known[0]) if known else None
        claimants = list(known)
        for version in found:
            own = await self._patients(version.reference)
            patients = own if patients is None else patients
            if version.reference not in claimants and own == patients:
                claimants.append(version.reference)
        if claimants != known:
            await self.transaction.put_record(_CLAIM, reference, msgspec.json.encode(claimants))
        return claimants

    async def _patients(self, document: str) -> frozenset[IndexRow]:
        version = await last_content(self.transaction, document)
        if version is None:
            return frozenset()
        return frozenset(self.indexing.extractor.compartments(fhir_json.parse(version.content)))

    async def reindex(self, reference: str) -> int:
        """Index again whatever a resource governs, deleted resources included; return how many that were."""
        count, cursor = 0, ""
        within = refers_to(DOCUMENT, [reference])
        while True:
            page = await self.transaction.search(Search("", condition=within, limit=_PAGE, cursor=cursor))
            for version in page.versions:
                await self._index(version, is_deleted=False)
            count += len(page.versions)
            cursor = page.cursor
            if not cursor:
                return count + await self._reindex_deleted(reference)

    async def _reindex_deleted(self, governor: str) -> int:
        count = 0
        for reference, _ in await self.transaction.records(f"{_DELETED} {governor}"):
            resource_type, _, resource_id = reference.partition("/")
            current = await self.transaction.read(resource_type, resource_id)
            last = await last_content(self.transaction, reference)
            if current is not None and current.is_deleted and last is not None:
                await self._index(last, is_deleted=True)
                count += 1
        return count

    async def _later_labels(self, own: Own) -> set[IndexRow]:
        """Return the labels of the documents that replace one, of those that replace these, and so on.

        Choice: only of a superseded document, and from documents of the same patients: to name it hides it from nobody.
        """
        found, known, waiting = set[IndexRow](), set[str](), [own]
        while waiting:
            earlier = waiting.pop()
            if not _is_superseded(earlier.resource):
                continue
            for reference in {*await self._replacing(f"DocumentReference/{earlier.resource['id']}")} - known:
                known.add(reference)
                later = await self.own(reference)
                if later is not None and _records(later.rows) == _records(own.rows):
                    found |= {row for row in later.rows if row[1] == LABEL}
                    waiting.append(later)
        return found

    async def _replacing(self, reference: str) -> list[str]:
        """Return the DocumentReferences that say they replace one; a deleted one goes on masking it."""
        asked = Search("DocumentReference", condition=refers_to(REPLACES, [reference]), limit=_PAGE)
        found = [version.reference for version in (await self.transaction.search(asked)).versions]
        deleted = [name for name, _ in await self.transaction.records(f"{_DELETED} {reference}")]
        return found + [name for name in deleted if name.startswith("DocumentReference/")]

    async def reindex_earlier(self, resource: dict[str, Any]) -> int:
        """Index again the documents that one replaces, those that these replaced, and what they govern."""
        count, known, waiting = 0, set[str](), replaced(at_home(resource, self.indexing.base_urls))
        while waiting:
            reference = waiting.pop()
            current = await self.transaction.read("DocumentReference", reference.partition("/")[2])
            last = await last_content(self.transaction, reference)
            if reference in known or current is None or last is None:
                continue
            known.add(reference)
            await self._index(last, current.is_deleted)
            count += 1 + await self.reindex(reference)
            waiting += replaced(at_home(fhir_json.parse(last.content), self.indexing.base_urls))
        return count

    async def _index(self, version: Version, is_deleted: bool) -> None:
        rows = await self.rows(fhir_json.parse(version.content), version.depositor, _DEPTH)
        kept = kept_rows(rows) if is_deleted else rows
        await self.transaction.index(version.resource_type, version.resource_id, kept)
        if is_deleted:
            await _remember_deleted(self.transaction, version.reference, kept)
