"""MongoStore: the backend for more than one machine, on a replica set or a sharded cluster.

Everything is acknowledged by a majority and read from it, so that what was told survives the loss of a member.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from pymongo.monitoring import CommandListener

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.mongodb import record as kept
from fhir_server.storage.mongodb.admission import Admission
from fhir_server.storage.mongodb.connection import Connection, within
from fhir_server.storage.mongodb.explain import explain
from fhir_server.storage.mongodb.fields import version_of
from fhir_server.storage.mongodb.history import history as history_of
from fhir_server.storage.mongodb.journal import Journal
from fhir_server.storage.mongodb.places import Places
from fhir_server.storage.mongodb.reading import listing, read, vread
from fhir_server.storage.mongodb.schema import check, check_deployment, migrate
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.mongodb.search import search as search_of
from fhir_server.storage.mongodb.writing.attempt import Attempts
from fhir_server.storage.store import History, Kept, Listing, Page, Search, Transaction

T = TypeVar("T")

_SWEEP_SECONDS: Final = 60.0


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Options(msgspec.Struct, frozen=True):
    """How long things may take, in seconds: a read, a search or history, a transaction with all its attempts.

    How many questions and works may run at once, fewer than the driver has connections (100), how many more may wait,
    and how long: see `admission`.
    """

    read_seconds: float = 10.0
    search_seconds: float = 10.0
    write_seconds: float = 15.0
    open_seconds: float = 30.0
    check_seconds: float = 2.0
    running: int = 64
    waiting: int = 1_000
    wait_seconds: float = 5.0
    is_cluster: bool = False
    """Ask a replica set what a sharded cluster is asked: for tests."""


class MongoStore:
    """A Store in one database; any number of processes on any number of machines may open it.

    `url` is a connection string (mongodb://...) with the name of the database in its path, `fhir` when there is none.
    `now` is the clock that relations and expiries are judged by; `listeners` see every command, as the driver tells it.
    """

    def __init__(
        self,
        url: str,
        *,
        now: Callable[[], datetime] = utc_now,
        options: Options | None = None,
        listeners: Sequence[CommandListener] = (),
    ) -> None:
        self._url = url
        self._now = now
        self._listeners = listeners
        self._options = options or Options()
        self._parts: _Parts | None = None

    async def open(self) -> None:
        """See Store.open."""
        connection = Connection(self._url, self._listeners)
        try:
            with within(self._options.open_seconds):
                is_sharded = await check_deployment(connection) or self._options.is_cluster
                secret = await migrate(connection)
                await connection.elections.settled()
        except BaseException:
            await connection.close()
            raise
        places = Places(connection, self._options.write_seconds) if is_sharded else None
        attempts = Attempts(connection, self._options.write_seconds, places)
        journal = Journal(connection, attempts.orders, self._options.write_seconds)
        scope = Scope(connection, self._now, secret, is_sharded=is_sharded, flush=journal.write)
        self._parts = _Parts(
            scope=scope,
            admission=Admission(self._options.running, self._options.waiting, self._options.wait_seconds),
            attempts=attempts,
            journal=journal,
            places=places,
            sweeping=asyncio.create_task(self._sweep_always(scope)),
        )

    async def close(self) -> None:
        """See Store.close."""
        parts, self._parts = self._parts, None
        if parts is None:
            return
        await parts.attempts.finish()
        parts.sweeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await parts.sweeping
        try:
            await parts.journal.close()
            if parts.places is not None:
                await parts.places.close()
        finally:
            await parts.scope.connection.close()

    async def check(self) -> None:
        """See Store.check."""
        connection = self._open_parts.scope.connection
        with within(self._options.check_seconds):
            await check(connection)

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """See Reader.read."""
        found = await self._ask(lambda scope: read(scope, f"{resource_type}/{resource_id}", within))
        return None if found is None else version_of(found)

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """See Reader.vread."""
        return await self._ask(lambda scope: vread(scope, f"{resource_type}/{resource_id}", version_id, within))

    async def search(self, search: Search) -> Page:
        """See Reader.search."""
        return await self._ask(lambda scope: search_of(scope, search), is_search=True)

    async def explain(self, search: Search) -> dict[str, Any]:
        """Return how a search is answered: see `explain.explain`. Raises what `search` does."""
        return await self._ask(lambda scope: explain(scope, search), is_search=True)

    async def history(self, history: History) -> Page:
        """See Reader.history."""
        return await self._ask(lambda scope: history_of(scope, history), is_search=True)

    async def record(self, kind: str, key: str) -> bytes | None:
        """See Reader.record."""
        return await self._ask(lambda scope: kept.record(scope, kind, key))

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """See Reader.records."""
        return await self._ask(lambda scope: kept.records(scope, kind))

    async def listing(self, after: str = "", limit: int = 1_000) -> Listing:
        """See Store.listing."""
        return await self._ask(lambda scope: listing(scope, after, limit))

    async def kept(self, after: Kept | None = None, limit: int = 1_000) -> list[Kept]:
        """See Store.kept."""
        return await self._ask(lambda scope: kept.kept(scope, after, limit))

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See Store.transact."""
        parts = self._open_parts
        async with parts.admission.turn():
            return await parts.attempts.run(parts.scope, work)

    def journal(self, entry: bytes) -> None:
        """See Store.journal; raises Unavailable when far too many entries wait."""
        self._open_parts.journal.append(entry)

    async def journal_length(self) -> int:
        """See Store.journal_length."""
        return len(self._open_parts.journal) + await self._ask(kept.journal_length)

    @property
    def _open_parts(self) -> "_Parts":
        if self._parts is None:
            raise Unavailable("The store is not open.")
        return self._parts

    async def _ask(self, question: Callable[[Scope], Awaitable[T]], is_search: bool = False) -> T:
        parts = self._open_parts
        seconds = self._options.search_seconds if is_search else self._options.read_seconds
        async with parts.admission.turn():
            with within(seconds, is_search):
                return await parts.scope.connection.elections.ask(lambda: question(parts.scope))

    async def _sweep_always(self, scope: Scope) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            with contextlib.suppress(FhirError), within(self._options.write_seconds):
                await kept.sweep(scope)


class _Parts(msgspec.Struct, frozen=True):
    scope: Scope
    admission: Admission
    attempts: Attempts
    journal: Journal
    places: Places | None
    sweeping: asyncio.Task[None]
