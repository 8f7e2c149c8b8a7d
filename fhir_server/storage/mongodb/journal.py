"""Journal: audit entries of reads, gathered in memory and written twice a second.

Choice: as in the embedded store, an entry is durable within a second. When the database cannot be reached, entries wait
here; when far too many wait, the server refuses to answer: no audit, no service.
"""

import asyncio
import contextlib
import logging
from typing import Final

from pymongo.errors import BulkWriteError

from fhir_server.foundation.operation_outcome import FhirError, Unavailable
from fhir_server.storage.mongodb.connection import Connection, is_duplicate, within
from fhir_server.storage.mongodb.fields import Document
from fhir_server.storage.mongodb.writing.orders import Orders

_PAUSE_SECONDS: Final = 0.4
_MAXIMUM: Final = 100_000
_SENT_TOGETHER: Final = 10_000
_log: Final = logging.getLogger(__name__)


class Journal:
    """The entries that were not written yet."""

    def __init__(self, connection: Connection, orders: Orders, seconds: float) -> None:
        self._connection = connection
        self._orders = orders
        self._seconds = seconds
        self._waiting: list[Document] = []
        self._lock = asyncio.Lock()
        self._has_some = asyncio.Event()
        self._task = asyncio.create_task(self._write_always())

    def __len__(self) -> int:
        return len(self._waiting)

    def append(self, entry: bytes) -> None:
        """Add an entry; raises Unavailable when far too many wait."""
        if len(self._waiting) >= _MAXIMUM:
            raise Unavailable("The audit journal cannot be written fast enough: try again later.")
        self._waiting.append({"_id": self._orders.draw(), "b": entry})
        self._has_some.set()

    async def write(self) -> None:
        """Write what waits. Raises Unavailable; the entries then go on waiting."""
        async with self._lock:
            while self._waiting:
                sent = self._waiting[:_SENT_TOGETHER]
                with within(self._seconds):
                    await self._insert(sent)
                del self._waiting[: len(sent)]

    async def close(self) -> None:
        """Write what waits, and stop. Raises Unavailable when that cannot be done."""
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
        await self.write()

    async def _insert(self, entries: list[Document]) -> None:
        try:
            await self._connection.journal.insert_many(entries, ordered=False)
        except BulkWriteError as error:
            # An entry that was sent before, and whose answer was lost, is there already.
            if not is_duplicate(error) or any(one["code"] != 11000 for one in error.details["writeErrors"]):
                raise

    async def _write_always(self) -> None:
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await self.write()
            except FhirError:
                _log.exception("audit entries could not be written; they wait")
                self._has_some.set()
