"""Writers that go on while members of a replica set fail, and what must be so afterwards."""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from fhir_server.foundation.operation_outcome import Unavailable, VersionConflict
from fhir_server.storage.mongodb.store import MongoStore
from fhir_server.storage.store import History, Search, Transaction
from tests.storage.resources import has_code, token, version


class Outcome(msgspec.Struct):
    """What writers were told; `waits` are the longest times between two acknowledged works, in seconds."""

    acknowledged: set[int] = set()
    refused: set[int] = set()
    updates: dict[int, int] = {}
    longest_seconds: float = 0.0


class Writers:
    """Each work makes two resources and a record in one transaction, or updates the writer's own resource."""

    def __init__(self, stores: Sequence[MongoStore], count: int) -> None:
        self.outcome = Outcome(set(), set(), {})
        self._stores, self._count = stores, count
        self._number = 0
        self._is_over = False
        self._last = time.monotonic()
        self._has_more = asyncio.Event()

    async def __aenter__(self) -> "Writers":
        self._tasks = [asyncio.create_task(self._write(writer)) for writer in range(self._count)]
        return self

    async def __aexit__(self, *error: object) -> None:
        self._is_over = True
        await asyncio.gather(*self._tasks)

    async def more(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many more works are acknowledged."""
        wanted = len(self.outcome.acknowledged) + count
        async with asyncio.timeout(seconds):
            while len(self.outcome.acknowledged) < wanted:
                self._has_more.clear()
                await self._has_more.wait()

    async def _write(self, writer: int) -> None:
        store, step, is_known = self._stores[writer % len(self._stores)], 0, True
        while not self._is_over:
            self._number += 1
            number = self._number
            try:
                await store.transact(lambda transaction, n=number: self._pair(transaction, n))
                self.outcome.acknowledged.add(number)
                self._acknowledged()
                await store.transact(lambda transaction, s=step: self._step(transaction, writer, s + 1))
                step, is_known = step + 1, True
                self.outcome.updates[writer] = step
                assert await self._current(store, writer) == step, "an acknowledged update is not read"
            except Unavailable:
                self.outcome.refused.add(number)
                step, is_known = await self._current(store, writer) or step, False
            except VersionConflict:
                # What a refused work wrote may come to light after a first look, while a new primary takes over.
                assert not is_known, "a version appeared that nobody wrote"
                step = await self._current(store, writer) or step

    def _acknowledged(self) -> None:
        now = time.monotonic()
        self.outcome.longest_seconds = max(self.outcome.longest_seconds, now - self._last)
        self._last = now
        self._has_more.set()

    async def _current(self, store: MongoStore, writer: int) -> int | None:
        while True:
            try:
                current = await store.read("Device", str(writer))
            except Unavailable:
                await asyncio.sleep(0.1)
            else:
                return None if current is None else current.version_id

    @staticmethod
    async def _pair(transaction: Transaction, number: int) -> None:
        for side in ("left", "right"):
            await transaction.put(version(f"Observation/{side}-{number}"), [token(side), token("pair", "status")])
        await transaction.put_record("pair", str(number), b"x")
        await transaction.journal(f"pair {number}".encode())

    @staticmethod
    async def _step(transaction: Transaction, writer: int, step: int) -> None:
        await transaction.read("Device", str(writer))
        await transaction.put(version(f"Device/{writer}", step), [token(f"{writer}-{step}")])


async def stored_numbers(store: MongoStore, side: str) -> set[int]:
    """The numbers of all stored resources of a side, read page by page."""
    found: set[int] = set()
    cursor = ""
    while True:
        page = await store.search(Search("Observation", has_code(side), limit=1000, cursor=cursor))
        found |= {int(one.resource_id.rpartition("-")[2]) for one in page.versions}
        cursor = page.cursor
        if not cursor:
            return found


async def check_nothing_is_lost(store: MongoStore, outcome: Outcome) -> None:
    """Assert that what was acknowledged is stored, and that no transaction is there by half."""
    left, right = await stored_numbers(store, "left"), await stored_numbers(store, "right")
    records = {int(key) for key, _ in await store.records("pair")}
    assert outcome.acknowledged - left == set(), "an acknowledged write is lost"
    assert left == right == records, "half a transaction is stored"
    assert left - outcome.acknowledged <= outcome.refused, "something is stored that nobody wrote"
    for writer, step in outcome.updates.items():
        history = await store.history(History("Device", str(writer), limit=10_000))
        versions = [one.version_id for one in history.versions]
        assert versions == list(range(len(versions), 0, -1)), "a version is missing or there twice"
        assert len(versions) >= step, "an acknowledged update is lost"
    entries = await store.transact(lambda transaction: transaction.journalled(1_000_000))
    told = [entry for _, entry in entries if entry.startswith(b"pair")]
    assert len(told) == len(set(told)) == len(left), "an audit entry is lost or there twice"
