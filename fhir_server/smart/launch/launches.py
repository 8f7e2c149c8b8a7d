"""Launches: contexts that wait, for minutes, under an opaque handle that is good once.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#launch-app-ehr-launch
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.smart.launch.context import LaunchContext
from fhir_server.storage.store import Store, Transaction

_KIND = "launch"


class Launches:
    """The launches of this server; the store knows handles by their hash only."""

    def __init__(self, store: Store, now: Callable[[], datetime], seconds: int) -> None:
        self._store = store
        self._now = now
        self.seconds = seconds

    async def open(self, context: LaunchContext) -> str:
        """Keep a context and return its handle."""
        handle, until = secrets.token_urlsafe(32), self._now() + timedelta(seconds=self.seconds)

        async def work(transaction: Transaction) -> None:
            await transaction.put_record(_KIND, _key(handle), msgspec.json.encode(context), until)

        await self._store.transact(work)
        return handle

    async def get(self, handle: str) -> LaunchContext | None:
        """Return the context of a live handle, or None."""
        content = await self._store.record(_KIND, _key(handle))
        return None if content is None else msgspec.json.decode(content, type=LaunchContext)

    async def spend(self, transaction: Transaction, handle: str) -> bool:
        """End a handle with what it was used for; say whether it was live."""
        return await transaction.delete_record(_KIND, _key(handle))


def _key(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()
