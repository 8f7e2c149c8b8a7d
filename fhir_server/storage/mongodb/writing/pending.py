"""Pending: what a transaction is to write, gathered until it must be seen or the work is over.

Gathered writes go out together: one command a kind and collection, however many resources there are.
"""

from collections.abc import Sequence
from typing import Any, Final

from pymongo import InsertOne, UpdateOne

from fhir_server.foundation.resource import Version
from fhir_server.search.index_row import IndexRow
from fhir_server.storage.mongodb.connection import ClientSession, Connection
from fhir_server.storage.mongodb.fields import Document, document_of, fields_of, relations_of

_INDEXED: Final = ("c", "p", "r", "g", "q", "x", "n", "w", "e")
_REPLACED: Final = ("v", "u", "z", "b")


class Conflict(Exception):
    """A document is not as it was when it was read: the work must run again."""


class Pending:
    """The writes of one transaction that were not sent yet."""

    def __init__(self) -> None:
        self.created: dict[str, Document] = {}
        self.rows: dict[str, Sequence[IndexRow]] = {}
        self.records: dict[str, Document] = {}
        self.entries: list[Document] = []
        self._changed: dict[str, tuple[Document, Document]] = {}
        self._older: list[Document] = []
        self._relations: dict[str, list[Document]] = {}
        self._related: set[str] = set()
        self._clocked_back: list[tuple[str, int]] = []

    def __bool__(self) -> bool:
        return bool(self.created or self._changed or self.records or self.entries)

    def has(self, reference: str) -> bool:
        """Say whether something of the resource waits."""
        return reference in self.created or reference in self._changed

    @property
    def has_relations(self) -> bool:
        """Say whether relations wait."""
        return bool(self._relations)

    @property
    def alone(self) -> Document | None:
        """Return the one document that is all there is to write, its audit entries in it; else None."""
        if len(self.created) != 1 or self._changed or self.records or self._relations:
            return None
        (document,) = self.created.values()
        return {**document, "j": self.entries} if self.entries else document

    def create(self, version: Version, rows: Sequence[IndexRow], order: int) -> None:
        """Add a first version."""
        reference = version.reference
        self.created[reference] = {**document_of(version, rows), "o": order}
        self.rows[reference] = rows
        self._relate(reference, () if version.is_deleted else rows, has_had=False)

    def update(self, before: Document, version: Version, rows: Sequence[IndexRow]) -> None:
        """Add a later version, and keep the one before, whose document is given."""
        reference = version.reference
        document = document_of(version, rows)
        self._changed[reference] = (_named(reference, before), _change(document, (*_REPLACED, *_INDEXED)))
        older = {name: before[name] for name in ("c", "t", "i", "v", "u", "z", "d", "o", "b")}
        self._older.append({"_id": f"{reference}/{before['v']}", "k": reference, **older, "y": document["u"]})
        if document["u"] < before["u"]:
            self._clocked_back.append((reference, document["u"]))
        self._relate(reference, () if version.is_deleted else rows, has_had=before.get("e", False))

    def index(self, reference: str, before: Document | None, rows: Sequence[IndexRow]) -> None:
        """Replace the rows of a version that waits, or of one that is stored, whose document is given."""
        resource_type, _, resource_id = reference.partition("/")
        fields = fields_of(resource_type, resource_id, rows)
        if reference in self.created:
            kept = {name: value for name, value in self.created[reference].items() if name not in _INDEXED}
            self.created[reference] = {**kept, **fields}
            self.rows[reference] = rows
            self._relate(reference, () if kept["z"] else rows, has_had=False)
        elif before is not None:
            self._changed[reference] = (_named(reference, before), _change(fields, _INDEXED))
            self._relate(reference, () if before["z"] else rows, has_had=before.get("e", False))

    def _relate(self, reference: str, rows: Sequence[IndexRow], has_had: bool) -> None:
        relations = relations_of(reference, rows)
        if relations or has_had or reference in self._relations:
            self._relations[reference] = relations
        if has_had:
            self._related.add(reference)

    @property
    def written(self) -> list[Document]:
        """Return the documents, or their changed fields, with their `_id`."""
        changed = ({"_id": reference, **change["$set"]} for reference, (_, change) in self._changed.items())
        return [*self.created.values(), *changed]

    async def send(self, connection: Connection, session: ClientSession) -> None:
        """Send everything. Raises Conflict, and what the driver raises."""
        await self._send_resources(connection, session)
        for reference, updated in self._clocked_back:
            later = {"k": reference, "y": {"$gt": updated}}
            await connection.history.update_many(later, {"$set": {"y": updated}}, session=session)
        if self._older:
            await connection.history.insert_many(self._older, session=session)
        if self._relations:
            if self._related:
                await connection.relation.delete_many({"o": {"$in": sorted(self._related)}}, session=session)
            relations = [relation for own in self._relations.values() for relation in own]
            if relations:
                await connection.relation.insert_many(relations, session=session)
        if self.records:
            upserts = [UpdateOne({"_id": key}, {"$set": fields}, upsert=True) for key, fields in self.records.items()]
            await connection.record.bulk_write(upserts, session=session)
        if self.entries:
            await connection.journal.insert_many(self.entries, session=session)

    async def _send_resources(self, connection: Connection, session: ClientSession) -> None:
        if self.created and self.entries:
            last = next(reversed(self.created.values()))
            last["j"], self.entries = self.entries, []
        elif self._changed and self.entries:
            _, change = next(reversed(self._changed.values()))
            change["$push"], self.entries = {"j": {"$each": self.entries}}, []
        writes: list[Any] = [InsertOne(document) for document in self.created.values()]
        writes += [UpdateOne(named, change) for named, change in self._changed.values()]
        if writes:
            result = await connection.resource.bulk_write(writes, session=session)
            if result.matched_count != len(self._changed):
                raise Conflict


def _named(reference: str, before: Document) -> Document:
    """Return the query for a document as it was read; the shard key sends it to one shard."""
    return {"_id": reference, "c": before["c"], "v": before["v"]}


def _change(document: Document, names: Sequence[str]) -> Document:
    missing = {name: "" for name in names if name not in document}
    change: Document = {"$set": {name: document[name] for name in names if name in document}}
    return {**change, "$unset": missing} if missing else change
