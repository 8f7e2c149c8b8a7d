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
from fhir_server.storage.mongodb.places import placed

_INDEXED: Final = ("c", "p", "r", "g", "q", "x", "n", "w", "e")
_REPLACED: Final = ("v", "u", "z", "b")


class Conflict(Exception):
    """A document is not as it was when it was read: the work must run again."""


class Pending:
    """The writes of one transaction that were not sent yet."""

    def __init__(self) -> None:
        self.places: set[str] = set()
        """The created resources whose place is written with them."""
        self.created: dict[str, Document] = {}
        self.rows: dict[str, Sequence[IndexRow]] = {}
        self.records: dict[str, Document] = {}
        self.entries: list[Document] = []
        self._changed: dict[str, tuple[Document, Document]] = {}
        self._older: list[Document] = []
        self._relations: dict[str, list[Document]] = {}
        self._related: set[str] = set()
        self._moved: set[str] = set()
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
        if len(self.created) != 1 or self._changed or self.records or self._relations or self.places:
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
        self._change(before, document, (*_REPLACED, *_INDEXED))
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
            self._change(before, {"_id": reference, **fields}, _INDEXED)
            self._relate(reference, () if before["z"] else rows, has_had=before.get("e", False))

    def _change(self, before: Document, document: Document, names: Sequence[str]) -> None:
        reference = document["_id"]
        self._changed[reference] = (_named(reference, before), _set(document, names))
        if document["c"] != before["c"]:
            self._moved.add(reference)

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

    async def send(self, connection: Connection, session: ClientSession, is_sharded: bool) -> None:
        """Send everything. Raises Conflict, and what the driver raises."""
        await self._send_resources(connection, session)
        told = self.places | self._moved
        if is_sharded and told:
            places = [(document["_id"], document["c"]) for document in self.written if document["_id"] in told]
            await connection.loc.bulk_write(placed(places), session=session)
        for reference, updated in self._clocked_back:
            later = {"k": reference, "y": {"$gt": updated}}
            await connection.history.update_many(later, {"$set": {"y": updated}}, session=session)
        if self._older:
            await connection.history.insert_many(self._older, session=session)
        await self._send_relations(connection, session)
        if self.records:
            upserts = [UpdateOne({"_id": key}, {"$set": fields}, upsert=True) for key, fields in self.records.items()]
            await connection.record.bulk_write(upserts, session=session)
        if self.entries:
            await connection.journal.insert_many(self.entries, session=session)

    async def _send_relations(self, connection: Connection, session: ClientSession) -> None:
        if self._related:
            await connection.relation.delete_many({"o": {"$in": sorted(self._related)}}, session=session)
        relations = [relation for own in self._relations.values() for relation in own]
        if relations:
            await connection.relation.insert_many(relations, session=session)

    async def _send_resources(self, connection: Connection, session: ClientSession) -> None:
        if self.created and self.entries:
            last = next(reversed(self.created.values()))
            last["j"], self.entries = self.entries, []
        elif self._changed and self.entries:
            _, change = next(reversed(self._changed.values()))
            change["$push"], self.entries = {"j": {"$each": self.entries}}, []
        writes: list[Any] = [InsertOne(document) for document in self.created.values()]
        staying = [change for reference, change in self._changed.items() if reference not in self._moved]
        writes += [UpdateOne(named, change) for named, change in staying]
        if writes:
            result = await connection.resource.bulk_write(writes, session=session)
            if result.matched_count != len(staying):
                raise Conflict
        for reference in self._moved:
            named, change = self._changed[reference]
            found = await connection.resource.find_one_and_delete(named, session=session)
            if found is None:
                raise Conflict
            await connection.resource.insert_one(_changed(found, change), session=session)


def _named(reference: str, before: Document) -> Document:
    """Return the query for a document as it was read; the shard key sends it to one shard."""
    return {"_id": reference, "c": before["c"], "v": before["v"]}


def _set(document: Document, names: Sequence[str]) -> Document:
    missing = {name: "" for name in names if name not in document}
    change: Document = {"$set": {name: document[name] for name in names if name in document}}
    return {**change, "$unset": missing} if missing else change


def _changed(document: Document, change: Document) -> Document:
    """Return a document as a change makes it: one that changes its shard is put there anew."""
    kept = {name: value for name, value in document.items() if name not in change.get("$unset", ())}
    pushed = change.get("$push", {}).get("j", {}).get("$each", [])
    entries = [*document.get("j", []), *pushed]
    return {**kept, **change["$set"], **({"j": entries} if entries else {})}
