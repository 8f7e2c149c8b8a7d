"""SqliteStore: the embedded backend, one file.

Reads of one resource run where they are called: they take less than handing them to a thread. So does a search, for a
few milliseconds; one that takes longer starts again in a pool of reading threads, so that the others never wait for it.
"""

import asyncio
import queue
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from fhir_server.foundation.operation_outcome import TooCostly, Unavailable
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.sqlite import record as kept
from fhir_server.storage.sqlite.connection import Connection, Recorder
from fhir_server.storage.sqlite.explain import explain
from fhir_server.storage.sqlite.history import history as history_of
from fhir_server.storage.sqlite.migration import check, migrate
from fhir_server.storage.sqlite.names import Names
from fhir_server.storage.sqlite.reading import read, vread
from fhir_server.storage.sqlite.search import Run
from fhir_server.storage.sqlite.search import search as search_of
from fhir_server.storage.sqlite.session import Session
from fhir_server.storage.sqlite.writing.writer import Job, Writer
from fhir_server.storage.store import History, Kept, Listing, Page, Search, Transaction

T = TypeVar("T")

_FILE: Final = "fhir.sqlite"
_INLINE_SECONDS: Final = 0.003
_WRITER_CACHE_BYTES: Final = 64 * 1024 * 1024
_READER_CACHE_BYTES: Final = 16 * 1024 * 1024


def utc_now() -> datetime:
    """Return the present instant."""
    return datetime.now(UTC)


class Options(msgspec.Struct, frozen=True):
    """How a store works: `search_seconds` bounds one search, `busy_seconds` the wait for another process's write.

    `walk_factors`: n hits among N resources are collected and sorted when n² <= the first x N, else the index of the
    date that sorts is walked, with the hits gathered before when n² <= the second x N. The defaults were measured.
    `recorder` is called with every statement.
    """

    search_seconds: float = 10.0
    busy_seconds: float = 5.0
    readers: int = 2
    walk_factors: tuple[int, int] = (4, 64)
    recorder: Recorder | None = None


class SqliteStore:
    """A Store in one SQLite file; any number of processes may open it, one of them writes at a time.

    `path` names the file, or a folder that is to hold it; `now` is the clock that relations and expiries are judged by.
    """

    def __init__(
        self, path: str | Path, *, now: Callable[[], datetime] = utc_now, options: Options | None = None
    ) -> None:
        self._path = Path(path)
        self._now = now
        self._options = options or Options()
        self._parts: _Parts | None = None

    async def open(self) -> None:
        """See Store.open."""
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """See Store.close."""
        await asyncio.to_thread(self._close)

    async def check(self) -> None:
        """See Store.check."""
        check(self._inline.connection)

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """See Reader.read."""
        return read(self._inline, resource_type, resource_id, within)

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """See Reader.vread."""
        return vread(self._inline, (resource_type, resource_id), version_id, within)

    async def search(self, search: Search) -> Page:
        """See Reader.search."""
        return await self._page(search_of, search)

    async def explain(self, search: Search) -> dict[str, Any]:
        """Return how a search is answered: see `explain.explain`. Raises what `search` does."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._open_parts.pool, self._explain, search)

    async def history(self, history: History) -> Page:
        """See Reader.history."""
        return await self._page(history_of, history)

    async def record(self, kind: str, key: str) -> bytes | None:
        """See Reader.record."""
        return kept.record(self._inline, kind, key)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """See Reader.records."""
        return kept.records(self._inline, kind)

    async def listing(self, after: str = "", limit: int = 1_000) -> Listing:
        """See Store.listing."""
        return kept.listing(self._inline, after, limit)

    async def kept(self, after: Kept | None = None, limit: int = 1_000) -> list[Kept]:
        """See Store.kept."""
        return kept.kept(self._inline, after, limit)

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """See Store.transact."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._open_parts.writer.submit(Job(work, future, copy_context()))
        return await future

    def journal(self, entry: bytes) -> None:
        """See Store.journal; raises Unavailable when far too many entries wait."""
        self._open_parts.writer.journal(entry)

    async def journal_length(self) -> int:
        """See Store.journal_length."""
        return self._open_parts.writer.buffered + kept.journal_length(self._inline)

    @property
    def _inline(self) -> Session:
        return self._open_parts.inline

    @property
    def _open_parts(self) -> "_Parts":
        if self._parts is None:
            raise Unavailable("The store is not open.")
        return self._parts

    async def _page(self, ask: Callable[[Session, Any, Run], Page], asked: Any) -> Page:
        try:
            return ask(self._inline, asked, _run_within(self._inline, _INLINE_SECONDS))
        except TooCostly:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._open_parts.pool, self._page_elsewhere, ask, asked)

    def _page_elsewhere(self, ask: Callable[[Session, Any, Run], Page], asked: Any) -> Page:
        sessions = self._open_parts.sessions
        session = sessions.get()
        try:
            return ask(session, asked, _run_within(session, self._options.search_seconds))
        finally:
            sessions.put(session)

    def _explain(self, search: Search) -> dict[str, Any]:
        sessions = self._open_parts.sessions
        session = sessions.get()
        try:
            return explain(session, search, self._options.search_seconds)
        finally:
            sessions.put(session)

    def _open(self) -> None:
        options = self._options
        if self._path.is_dir():
            self._path /= _FILE
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"The folder of the database cannot be made: {error.strerror}.") from error
        connection = Connection(self._path, _WRITER_CACHE_BYTES, options.busy_seconds, options.recorder)
        try:
            migrate(connection)
            self._parts = self._parts_of(connection)
        except BaseException:
            connection.close()
            raise

    def _parts_of(self, connection: Connection) -> "_Parts":
        options = self._options
        names = Names()
        names.load(connection)
        secret = connection.rows("SELECT key FROM secret")[0][0]
        writing = Session(connection, names, self._now, secret, {}, options.search_seconds, options.walk_factors)
        reading = [
            msgspec.structs.replace(
                writing,
                connection=Connection(self._path, _READER_CACHE_BYTES, options.busy_seconds, options.recorder),
            )
            for _ in range(options.readers + 1)
        ]
        sessions: queue.SimpleQueue[Session] = queue.SimpleQueue()
        for session in reading[1:]:
            sessions.put(session)
        pool = ThreadPoolExecutor(options.readers, thread_name_prefix="sqlite-reader")
        connections = [connection, *(session.connection for session in reading)]
        return _Parts(reading[0], Writer(writing), sessions, pool, connections)

    def _close(self) -> None:
        parts, self._parts = self._parts, None
        if parts is None:
            return
        parts.writer.stop()
        parts.pool.shutdown()
        for connection in parts.connections:
            connection.close()
        if parts.writer.buffered:
            raise Unavailable(f"{parts.writer.buffered} audit entries could not be written.")


class _Parts(msgspec.Struct, frozen=True):
    inline: Session
    writer: Writer
    sessions: queue.SimpleQueue[Session]
    pool: ThreadPoolExecutor
    connections: list[Connection]


def _run_within(session: Session, seconds: float) -> Run:
    return lambda printed, values: session.run_within(seconds, printed, values)
