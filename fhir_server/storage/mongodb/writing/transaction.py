"""Transaction: what one work may do. It sees its own writes, and everything else as of one moment.

A work that only writes what is new asks the database nothing: its writes wait in `Pending` until it is over. The first
question begins a transaction of the engine; from then on all questions and writes are that transaction's.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
from bson import ObjectId
from pymongo.errors import DuplicateKeyError

from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.operation_outcome import VersionConflict
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.search.index_row import IndexRow
from fhir_server.storage.mongodb import record as kept
from fhir_server.storage.mongodb.connection import MAJORITY, SNAPSHOT_READS, ClientSession
from fhir_server.storage.mongodb.fields import Document, version_of
from fhir_server.storage.mongodb.history import history as history_of
from fhir_server.storage.mongodb.places import is_drawn, name_of
from fhir_server.storage.mongodb.printing.condition import is_local
from fhir_server.storage.mongodb.reading import INSIDE, read, vread
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.mongodb.search import search as search_of
from fhir_server.storage.mongodb.writing.claims import claim, searched, touch, written
from fhir_server.storage.mongodb.writing.inserts import Inserts
from fhir_server.storage.mongodb.writing.judging import is_judged_alone, judge
from fhir_server.storage.mongodb.writing.orders import Drawn
from fhir_server.storage.mongodb.writing.pending import Conflict, Pending
from fhir_server.storage.store import History, Page, Search


class Read(msgspec.Struct):
    """What a transaction relies on: resources and records that it found, and names of what it did not find."""

    resources: dict[str, Document] = {}
    records: set[str] = set()
    claims: set[str] = set()

    def __bool__(self) -> bool:
        return bool(self.resources or self.records or self.claims)


class MongoTransaction:
    """One run of a work; `is_careful` asks for what it would otherwise expect to be new: see `attempt`."""

    def __init__(self, scope: Scope, drawn: Drawn, inserts: Inserts, is_careful: bool = False) -> None:
        self._outside = scope
        self._drawn = drawn
        self._inserts = inserts
        self._is_careful = is_careful
        self._pending = Pending()
        self._read = Read({}, set(), set())
        self._written: set[str] = set()
        self._claims: set[str] = set()
        self._places: list[tuple[str, int]] = []
        self._session: ClientSession | None = None
        self._election: ObjectId | None = None
        self._is_over = False
        self.is_asking = False

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """See Reader.read."""
        with self._asking():
            reference = f"{resource_type}/{resource_id}"
            waiting = self._pending.created.get(reference)
            if waiting is not None and is_judged_alone(within) and not self._pending.has_relations:
                is_seen = await judge(self._scope, waiting, self._pending.rows[reference], within)
                return version_of(waiting) if is_seen else None
            if self._pending.has(reference) or not is_local(within):
                await self._send()
            scope = await self._begun()
            found = await read(scope, reference, within, INSIDE)
            self._note(reference, found, within)
            return None if found is None else version_of(found)

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """See Reader.vread."""
        with self._asking():
            await self._send()
            return await vread(await self._begun(), f"{resource_type}/{resource_id}", version_id, within)

    async def search(self, search: Search) -> Page:
        """See Reader.search."""
        with self._asking():
            await self._send()
            self._read.claims.update(searched(search))
            return await search_of(await self._begun(), search)

    async def history(self, history: History) -> Page:
        """See Reader.history."""
        with self._asking():
            await self._send()
            return await history_of(await self._begun(), history)

    async def record(self, kind: str, key: str) -> bytes | None:
        """See Reader.record."""
        with self._asking():
            name = kept.record_id(kind, key)
            waiting = self._pending.records.get(name)
            if waiting is not None:
                is_live = waiting["e"] is None or waiting["e"] > self._outside.now
                return waiting["b"] if is_live else None
            content = await kept.record(await self._begun(), kind, key)
            self._note_record(name, content is not None)
            return content

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """See Reader.records."""
        with self._asking():
            await self._send()
            return await kept.records(await self._begun(), kind)

    async def put(self, version: Version, rows: Sequence[IndexRow]) -> None:
        """See Transaction.put."""
        with self._asking():
            reference = version.reference
            current = await self._current(reference, is_first=version.version_id == 1)
            expected = 1 if current is None else current["v"] + 1
            if version.version_id != expected:
                raise VersionConflict(f"{reference} is at version {expected - 1}: read it again, then repeat.")
            if current is None:
                self._pending.create(version, rows, self._drawn.next())
                if self._outside.is_sharded and not self._is_own(reference):
                    self._pending.places.add(reference)
            else:
                self._pending.update(current, version, rows)
            self._forget(reference)

    async def index(self, resource_type: str, resource_id: str, rows: Sequence[IndexRow]) -> None:
        """See Transaction.index; an unknown resource is left alone."""
        with self._asking():
            reference = f"{resource_type}/{resource_id}"
            is_waiting = reference in self._pending.created
            current = None if is_waiting else await self._current(reference, is_first=False)
            self._pending.index(reference, current, rows)
            self._forget(reference)

    async def put_record(self, kind: str, key: str, content: bytes, expires_at: datetime | None = None) -> None:
        """See Transaction.put_record."""
        with self._asking():
            name = kept.record_id(kind, key)
            self._pending.records[name] = kept.record_fields(content, expires_at)
            self._written.add(name)

    async def delete_record(self, kind: str, key: str) -> bool:
        """See Transaction.delete_record."""
        with self._asking():
            await self._send()
            self._written.add(kept.record_id(kind, key))
            return await kept.delete_record(await self._begun(), kind, key)

    async def journal(self, entry: bytes) -> None:
        """See Transaction.journal."""
        with self._asking():
            self._pending.entries.append({"_id": self._drawn.next(), "b": entry})

    async def journalled(self, limit: int) -> list[tuple[int, bytes]]:
        """See Transaction.journalled."""
        with self._asking():
            if self._session is None and self._outside.flush is not None:
                await self._outside.flush()
            await self._send()
            return await kept.journalled(await self._begun(), limit)

    async def forget_journalled(self, sequences: Sequence[int]) -> int:
        """See Transaction.forget_journalled."""
        with self._asking():
            await self._send()
            self._written.add("journal")
            return await kept.forget_journalled(await self._begun(), sequences)

    async def finish(self) -> None:
        """Send what waits and commit; the work succeeded. Raises Conflict, and what the driver raises."""
        self._is_over = True
        if self._session is None:
            alone = self._pending.alone
            if alone is not None:
                self._note_places(self._pending)
                await self._insert(alone)
                return
            if not self._pending:
                return
            await self._begin()
        await self._send()
        if self._written:
            await self._rely()
        elif self.is_outdated:
            raise Conflict

    @property
    def is_outdated(self) -> bool:
        """Say whether there was an election since it began, so that it may have been told what was so before."""
        return self._session is not None and self._election != self._outside.connection.elections.current

    @property
    def places(self) -> list[tuple[str, int]]:
        """Return where the resources are that were created, and whose places were not written with them."""
        return self._places

    @property
    def session(self) -> ClientSession | None:
        """Return the engine's transaction, None when none was begun."""
        return self._session

    @contextmanager
    def _asking(self) -> Iterator[None]:
        if self._is_over:
            raise RuntimeError("the transaction is over")
        self.is_asking = True
        try:
            yield
        finally:
            self.is_asking = False

    @property
    def _scope(self) -> Scope:
        return msgspec.structs.replace(self._outside, session=self._session) if self._session else self._outside

    async def _begun(self) -> Scope:
        if self._session is None:
            await self._begin()
        return self._scope

    async def _begin(self) -> None:
        connection = self._outside.connection
        self._election = await connection.elections.settled()
        self._session = connection.client.start_session()
        await self._session.start_transaction(read_concern=SNAPSHOT_READS, write_concern=MAJORITY)

    async def _send(self) -> None:
        if self._pending:
            await self._begun()
            assert self._session is not None
            pending, self._pending = self._pending, Pending()
            for document in pending.written:
                self._claims.update(written(document))
            self._note_places(pending)
            await pending.send(self._outside.connection, self._session, self._outside.is_sharded)

    async def _insert(self, document: Document) -> None:
        """Write the one document there is, without a transaction: it is all or nothing of itself."""
        connection = self._outside.connection
        try:
            await self._inserts.insert(document)
        except DuplicateKeyError:
            # An answer may be lost on its way: then it is this very document that is there already.
            own = {**{name: document[name] for name in ("_id", "c", "o")}, "v": 1}
            if await connection.elections.ask(lambda: connection.resource.find_one(own, {"_id": 1})) is None:
                raise

    async def _rely(self) -> None:
        """Write down what was read, so that nobody changes it meanwhile: see `claims`."""
        if not self._read:
            return
        connection, session = self._outside.connection, self._session
        resources = {name: found for name, found in self._read.resources.items() if name not in self._written}
        records = self._read.records - self._written
        if resources:
            shards = [found["c"] for found in resources.values()]
            await connection.resource.bulk_write([touch(resources, shards)], session=session)
        if records:
            await connection.record.bulk_write([touch(records)], session=session)
        names = self._read.claims | self._claims
        if names:
            await connection.claim.bulk_write(claim(names, microseconds(self._outside.clock())), session=session)

    async def _current(self, reference: str, is_first: bool) -> Document | None:
        if self._pending.has(reference):
            await self._send()
        known = self._read.resources.get(reference)
        if known is not None and reference not in self._written:
            return known
        if is_first and self._is_expected_new(reference) and reference not in self._written:
            return None
        return await read(await self._begun(), reference, ALWAYS, INSIDE)

    def _is_expected_new(self, reference: str) -> bool:
        """Say whether a first version may be written without a look for another."""
        if not self._outside.is_sharded:
            return not self._is_careful
        return reference in self._read.claims or self._is_own(reference)

    def _is_own(self, reference: str) -> bool:
        """Say whether nobody else can give this id: the server drew it, and nobody looked for it."""
        return not self._is_careful and is_drawn(reference) and reference not in self._read.claims

    def _note_places(self, pending: Pending) -> None:
        if self._outside.is_sharded:
            made = ((reference, document["c"]) for reference, document in pending.created.items())
            self._places += [place for place in made if "c" not in name_of(place[0]) and place[0] not in pending.places]

    def _note(self, reference: str, found: Document | None, within: Condition) -> None:
        if found is not None:
            self._read.resources[reference] = found
        elif within == ALWAYS:
            self._read.claims.add(reference)

    def _note_record(self, name: str, is_known: bool) -> None:
        if is_known:
            self._read.records.add(name)
        else:
            self._read.claims.add(name)

    def _forget(self, reference: str) -> None:
        self._written.add(reference)
        self._read.resources.pop(reference, None)
