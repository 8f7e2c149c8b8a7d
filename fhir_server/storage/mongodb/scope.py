"""Scope: what a question needs to be asked: the database, the clock, and the transaction it belongs to."""

from collections.abc import Awaitable, Callable
from datetime import datetime

import msgspec

from fhir_server.foundation.dates import microseconds
from fhir_server.storage.mongodb.connection import SNAPSHOT_READS, ClientSession, Collection, Connection
from fhir_server.storage.mongodb.fields import Document

Part = tuple[Collection, list[Document]]


class Asked(msgspec.Struct, frozen=True):
    """One question: the collection, the pipeline, and the index that it is answered from, None for any."""

    collection: str
    pipeline: list[Document]
    index: str | None = None


Recorder = Callable[[Asked], None]


class Scope(msgspec.Struct, frozen=True):
    """A store's way to ask; `session` is that of the transaction, None outside one.

    `recorder`, when there is one, is told each question. `is_sharded`: a cluster is asked, not a replica set.
    """

    connection: Connection
    clock: Callable[[], datetime]
    secret: bytes
    session: ClientSession | None = None
    recorder: Recorder | None = None
    is_sharded: bool = False
    flush: Callable[[], Awaitable[None]] | None = None
    """Writes the audit entries that wait in memory."""

    @property
    def now(self) -> int:
        """Return the present instant in microseconds."""
        return microseconds(self.clock())

    async def one(self, collection: Collection, query: Document, shown: Document) -> Document | None:
        """Return the document that a query names, or None."""
        if self.is_sharded and self.session is None:
            # One that moves from shard to shard is on one of them at each moment, and must not be missed.
            collection = collection.with_options(read_concern=SNAPSHOT_READS)
        return await collection.find_one(query, shown, session=self.session)

    async def many(self, collection: Collection, pipeline: list[Document], index: str | None = None) -> list[Document]:
        """Return the documents of a pipeline, all of one moment; from the index of this name, if there is one."""
        if self.recorder is not None:
            self.recorder(Asked(collection.name, pipeline, index))
        if self.session is None:
            collection = collection.with_options(read_concern=SNAPSHOT_READS)
        hint: Document = {} if index is None else {"hint": index}
        cursor = await collection.aggregate(pipeline, session=self.session, allowDiskUse=True, **hint)
        return await cursor.to_list()

    async def union(self, first: Part, second: Part, ending: list[Document]) -> list[Document]:
        """Return the documents of two pipelines on two collections, each of which ends as told; in no order.

        Outside a transaction that is one command of one moment; inside, where the engine has no union, two.
        """
        (collection, stages), (other, others) = first, second
        if self.session is None:
            union = {"$unionWith": {"coll": other.name, "pipeline": [*others, *ending]}}
            return await self.many(collection, [*stages, *ending, union, *ending])
        found = await self.many(collection, [*stages, *ending])
        return found + await self.many(other, [*others, *ending])
