"""Lease: of several processes on one store, one does a background work at a time.

A lease is a server record with an expiry, taken and renewed in a transaction: a holder that dies loses it by time.
It saves work that would be done twice; what must not happen twice is guarded by the work's own transaction.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from fhir_server.storage.store import Store, Transaction

KIND: Final = "lease"


class Lease:
    """One process's wish to do a work: `name` says which, `seconds` how long it is held without being renewed.

    Renewals are asked of the store only when half of the time is over.
    """

    def __init__(self, store: Store, name: str, now: Callable[[], datetime], seconds: float = 30.0) -> None:
        self._store = store
        self._name = name
        self._now = now
        self._seconds = timedelta(seconds=seconds)
        self._holder = uuid4().hex.encode()
        self._until: datetime | None = None

    async def take(self) -> bool:
        """Take or renew the lease; return whether it is this process's now. Raises Unavailable."""
        now = self._now()
        if self._until is not None and self._until - now > self._seconds / 2:
            return True

        async def work(transaction: Transaction) -> bool:
            held = await transaction.record(KIND, self._name)
            if held not in (None, self._holder):
                return False
            await transaction.put_record(KIND, self._name, self._holder, now + self._seconds)
            return True

        self._until = now + self._seconds if await self._store.transact(work) else None
        return self._until is not None

    async def give_up(self) -> None:
        """End the lease, when it is this process's, so that another need not wait. Raises Unavailable."""
        self._until = None

        async def work(transaction: Transaction) -> None:
            if await transaction.record(KIND, self._name) == self._holder:
                await transaction.delete_record(KIND, self._name)

        await self._store.transact(work)
