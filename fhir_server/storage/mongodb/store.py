"""MongoStore: the backend for more than one machine, on a replica set or a sharded cluster.

Everything is acknowledged by a majority and read from it, so that what was told survives the loss of a member.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from pymongo.monitoring import CommandListener

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.mongodb import record as kept
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
    """How long things may take, in seconds: a read, a search or history, a transaction with all its attempts."""

    read_seconds: float = 10.0
    search_seconds: float = 10.0
    write_seconds: float = 15.0
    open_seconds: float = 30.0
    check_seconds: float = 2.0
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
        except BaseException:
            await connection.close()
            raise
        places = Places(connection, self._options.write_seconds) if is_sharded else None
        attempts = Attempts(connection, self._options.write_seconds, places)
        journal = Journal(connection, attempts.orders, self._options.write_seconds)
        scope = Scope(connection, self._now, secret, is_sharded=is_sharded, flush=journal.write)
        self._parts = _Parts(scope, attempts, journal, asyncio.create_task(self._sweep_always(scope)), places)

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
        with self._asking(self._options.check_seconds) as scope:
            await check(scope.connection)

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """See Reader.read."""
        with self._asking(self._options.read_seconds) as scope:
            found = await read(scope, f"{resource_type}/{resource_id}", within)
        return None if found is None else version_of(found)

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """See Reader.vread."""
        with self._asking(self._options.read_seconds) as scope:
            return await vread(scope, f"{resource_type}/{resource_id}", version_id, within)

    async def search(self, search: Search) -> Page:
        """See Reader.search."""
        with self._asking(self._options.search_seconds, is_search=True) as scope:
            return await search_of(scope, search)

    async def explain(self, search: Search) -> dict[str, Any]:
        """Return how a search is answered: see `explain.explain`. Raises what `search` does."""
        with self._asking(self._options.search_seconds, is_search=True) as scope:
            return await explain(scope, search)

    async def history(self, history: History) -> Page:
        """See Reader.history."""
        with self._asking(self._options.search_seconds, is_search=True) as scope:
            return await history_of(scope, history)

    async def record(self, kind: str, key: str) -> bytes | None:
        """See Reader.record."""
        with self._asking(self._options.read_seconds) as scope:
            return await kept.record(scope, kind, key)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """See Reader.records."""
        with self._asking(self._options.read_seconds) as scope:
            return await kept.records(scope, kind)

    async def listing(self, after: str = "", limit: int = 1_000) -> Listing:
        """See Store.listing."""
        with self._asking(self._options.search_seconds) as scope:
            return await listing(scope, after, limit)

    async def kept(self, after: Kept | None = None, limit: int = 1_000) -> list[Kept]:
        """See Store.kept."""
        with self._asking(self._options.search_seconds) as scope:
            return await kept.kept(scope, after, limit)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See Store.transact."""
        parts = self._open_parts
        return await parts.attempts.run(parts.scope, work)

    def journal(self, entry: bytes) -> None:
        """See Store.journal; raises Unavailable when far too many entries wait."""
        self._open_parts.journal.append(entry)

    async def journal_length(self) -> int:
        """See Store.journal_length."""
        waiting = len(self._open_parts.journal)
        with self._asking(self._options.read_seconds) as scope:
            return waiting + await kept.journal_length(scope)

    @property
    def _open_parts(self) -> "_Parts":
        if self._parts is None:
            raise Unavailable("The store is not open.")
        return self._parts

    @contextmanager
    def _asking(self, seconds: float, is_search: bool = False) -> Iterator[Scope]:
        scope = self._open_parts.scope
        with within(seconds, is_search):
            yield scope

    async def _sweep_always(self, scope: Scope) -> None:
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            with contextlib.suppress(FhirError), within(self._options.write_seconds):
                await kept.sweep(scope)


class _Parts(msgspec.Struct, frozen=True):
    scope: Scope
    attempts: Attempts
    journal: Journal
    sweeping: asyncio.Task[None]
    places: Places | None
