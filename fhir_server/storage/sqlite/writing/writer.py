"""Writer: the one thread that writes; works that wait at the same moment share one commit.

Choice: synchronous=FULL, because a power loss then loses nothing that was acknowledged; sharing the commit makes it
cheap under load. A work that fails is dropped alone: its writes are still pending (see `pending`), or, once it has
read them back, behind a savepoint.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.storage.sqlite.record import sweep
from fhir_server.storage.sqlite.session import Session
from fhir_server.storage.sqlite.writing.group import Group
from fhir_server.storage.sqlite.writing.transaction import SqliteTransaction

_GROUP_MAXIMUM: Final = 256
_JOURNAL_SECONDS: Final = 0.5
_JOURNAL_MAXIMUM: Final = 100_000
_SWEEP_SECONDS: Final = 60.0


class Job(msgspec.Struct, frozen=True):
    """A work to run, and the future of the loop that waits for it."""

    work: Callable[[SqliteTransaction], Awaitable[Any]]
    future: asyncio.Future[Any]
    context: Context


class Outcome(msgspec.Struct, frozen=True):
    """What a work returned, or raised."""

    value: Any = None
    error: BaseException | None = None


class Writer:
    """Runs works in groups: one transaction, one commit, then their futures are resolved."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._queue: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._journal: list[bytes] = []
        self._journal_since = 0.0
        self._lock = threading.Lock()
        self._is_stopping = False
        self._sweep_at = 0.0
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Have a work run with the next group."""
        self._queue.put(job)

    def journal(self, entry: bytes) -> None:
        """Append an audit entry to the buffer; raises Unavailable when it is full: no audit, no service."""
        with self._lock:
            if len(self._journal) >= _JOURNAL_MAXIMUM:
                raise Unavailable("The audit journal cannot be written fast enough: try again later.")
            self._journal.append(entry)
            is_first = len(self._journal) == 1
        if is_first:
            self._journal_since = time.monotonic()
            self._queue.put(None)

    @property
    def buffered(self) -> int:
        """Return how many audit entries are not yet sent to the database."""
        return len(self._journal)

    def stop(self) -> None:
        """Finish what was submitted, then end the thread; blocks."""
        self._is_stopping = True
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while True:
            jobs = self._collect()
            if jobs or self._is_journal_due():
                self._commit(jobs)
            if self._is_stopping and self._queue.empty():
                return

    def _collect(self) -> list[Job]:
        jobs: list[Job] = []
        try:
            item = self._queue.get(timeout=_JOURNAL_SECONDS if self._journal else None)
            while True:
                if item is not None and not item.future.cancelled():
                    jobs.append(item)
                if len(jobs) == _GROUP_MAXIMUM:
                    return jobs
                item = self._queue.get_nowait()
        except queue.Empty:
            return jobs

    def _is_journal_due(self) -> bool:
        if not self._journal:
            return False
        return self._is_stopping or time.monotonic() - self._journal_since >= _JOURNAL_SECONDS

    def _commit(self, jobs: list[Job]) -> None:
        group = Group(self._session)
        with self._lock:
            entries = list(self._journal)
        try:
            group.begin(entries)
            outcomes = [self._attempt(group, job) for job in jobs]
            self._sweep()
            group.commit()
        except BaseException as error:
            group.abandon()
            outcomes = [Outcome(error=_again(error)) for _ in jobs]
            self._journal_since = time.monotonic()
        else:
            with self._lock:
                del self._journal[: len(entries)]
        _resolve(jobs, outcomes)

    def _sweep(self) -> None:
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + _SWEEP_SECONDS
            sweep(self._session)

    def _attempt(self, group: Group, job: Job) -> Outcome:
        transaction = SqliteTransaction(group)
        try:
            value = job.context.run(_drive, job.work, transaction)
            transaction.finish()
        except BaseException as error:
            transaction.undo()
            group.check()
            return Outcome(error=error)
        group.check()
        return Outcome(value)


def _again(error: BaseException) -> BaseException:
    """Return a refusal of its own for each work: they are raised in several tasks."""
    refused = Unavailable(str(error)) if isinstance(error, FhirError) else Unavailable("The database failed.")
    refused.__cause__ = error
    return refused


def _drive(work: Callable[[SqliteTransaction], Awaitable[Any]], transaction: SqliteTransaction) -> Any:
    steps = work(transaction).__await__()
    try:
        next(steps)
    except StopIteration as stop:
        return stop.value
    steps.close()
    raise RuntimeError("a work may await nothing but its transaction")


def _resolve(jobs: list[Job], outcomes: list[Outcome]) -> None:
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Outcome]]] = {}
    for job, outcome in zip(jobs, outcomes, strict=True):
        loops.setdefault(job.future.get_loop(), []).append((job.future, outcome))
    for loop, settled in loops.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, settled)


def _settle(settled: list[tuple[asyncio.Future[Any], Outcome]]) -> None:
    for future, outcome in settled:
        if future.done():
            continue
        if outcome.error is not None:
            future.set_exception(outcome.error)
        else:
            future.set_result(outcome.value)
