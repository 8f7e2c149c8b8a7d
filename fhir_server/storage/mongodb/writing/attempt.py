"""Attempt: runs a work until its transaction is kept, or the time is over.

Choice: a work is expected to put what is new, without asking; when it was not, the work runs again and asks. One that
met another's write waits a little, then its turn among those of this process that met one, so that all come through.
Source: https://www.mongodb.com/docs/v6.0/core/transactions-in-applications/
"""

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable, Generator
from contextlib import AsyncExitStack
from functools import partial
from typing import Any, Final, Generic, TypeVar, cast

from pymongo.errors import PyMongoError

from fhir_server.foundation.operation_outcome import Unavailable
from fhir_server.storage.mongodb.connection import (
    DRIVER_ERRORS,
    ClientSession,
    Connection,
    is_again,
    is_duplicate,
    taken_keys,
    within,
)
from fhir_server.storage.mongodb.places import Places
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.mongodb.writing.inserts import Inserts
from fhir_server.storage.mongodb.writing.orders import Drawn, Orders
from fhir_server.storage.mongodb.writing.pending import Conflict
from fhir_server.storage.mongodb.writing.transaction import MongoTransaction

T = TypeVar("T")
Work = Callable[[MongoTransaction], Awaitable[T]]

_PAUSE_SECONDS: Final = 0.01
_PAUSE_MAXIMUM_SECONDS: Final = 0.5


class Attempts:
    """The works of one store: `seconds` bounds each of them, all its attempts included; `places` is of a cluster."""

    def __init__(self, connection: Connection, seconds: float, places: Places | None = None) -> None:
        self.orders = Orders()
        self._places = places
        self._inserts = Inserts(connection, seconds)
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._running = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    async def finish(self) -> None:
        """Wait until no work runs, as long as a work may take."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._is_idle.wait(), self._seconds)

    async def run(self, scope: Scope, work: Work[T]) -> T:
        """Run a work and return what it returns. Raises what it raises, and Unavailable."""
        self._running += 1
        self._is_idle.clear()
        try:
            return await self._run(scope, work)
        finally:
            self._running -= 1
            if not self._running:
                self._is_idle.set()

    async def _run(self, scope: Scope, work: Work[T]) -> T:
        drawn, is_careful, tried = Drawn(self.orders), False, 0
        until = time.monotonic() + self._seconds
        while True:
            left = until - time.monotonic()
            if left <= 0:
                raise Unavailable("Others kept writing the same, or the database had no time: try again later.")
            try:
                async with AsyncExitStack() as stack:
                    stack.enter_context(within(left))
                    if tried:
                        await stack.enter_async_context(self._turn)
                    return await attempt(MongoTransaction(scope, drawn, self._inserts, is_careful), work, self._places)
            except Again as again:
                is_careful = is_careful or again.is_duplicate
                if again.is_number_taken:
                    drawn.forget()
            drawn.rewind()
            tried += 1
            await asyncio.sleep(random.uniform(0, min(_PAUSE_MAXIMUM_SECONDS, _PAUSE_SECONDS * 2**tried)))  # noqa: S311


class Again(Exception):
    """The attempt left nothing behind, and another may succeed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(type(error).__name__)
        self.is_duplicate = is_duplicate(error)
        self.is_number_taken = self.is_duplicate and "o" in taken_keys(error)


async def attempt(transaction: MongoTransaction, work: Work[T], places: Places | None = None) -> T:
    """Run a work once and commit; what was created has its place noted.

    Raises Again, what the work raises, and what the driver raises.
    """
    try:
        value = await Driven(work, transaction)
        await transaction.finish()
        await _commit(transaction.session)
        if places is not None:
            places.note(transaction.places)
        return value
    except (Conflict, *DRIVER_ERRORS) as error:
        if isinstance(error, Conflict) or is_again(error) or is_duplicate(error):
            raise Again(error) from error
        raise
    except Exception as error:
        if transaction.is_outdated:
            raise Again(error) from error
        raise
    finally:
        await _release(transaction.session)


async def _commit(session: ClientSession | None) -> None:
    """Commit, and ask again while nobody tells whether it is committed: that changes nothing, and finds out."""
    while session is not None:
        try:
            await session.commit_transaction()
            return
        except PyMongoError as error:
            if error.timeout or not error.has_error_label("UnknownTransactionCommitResult"):
                raise
            await asyncio.sleep(_PAUSE_SECONDS)


async def _release(session: ClientSession | None) -> None:
    if session is not None:
        with contextlib.suppress(PyMongoError):
            if session.in_transaction:
                await session.abort_transaction()
        await session.end_session()


class Driven(Generic[T]):
    """Awaits a work, which may await nothing but its transaction."""

    def __init__(self, work: Work[T], transaction: MongoTransaction) -> None:
        self._work = work
        self._transaction = transaction

    def __await__(self) -> Generator[Any, Any, T]:
        steps = self._work(self._transaction).__await__()
        answer: Callable[[], Any] = partial(next, steps)
        while True:
            try:
                awaited = answer()
            except StopIteration as stop:
                return cast(T, stop.value)
            if not self._transaction.is_asking:
                steps.close()
                raise RuntimeError("a work may await nothing but its transaction")
            try:
                yield awaited
            except BaseException as error:
                answer = partial(steps.throw, error)
            else:
                answer = partial(next, steps)
