"""A process that is asked more than it can answer serves some, has some wait, and refuses the others at once."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import Unavailable
from fhir_server.storage.mongodb.admission import Admission
from fhir_server.storage.mongodb.store import MongoStore, Options
from fhir_server.storage.store import Search
from tests.storage.mongod import database_of
from tests.storage.resources import has_code, put, token, version

pytestmark = pytest.mark.anyio


async def test_whoever_waits_too_long_is_refused_and_takes_no_turn() -> None:
    admission = Admission(running=1, waiting=10, seconds=0.01)
    is_over = asyncio.Event()

    async def hold() -> None:
        async with admission.turn():
            await is_over.wait()

    holder = asyncio.create_task(hold())
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="more than it can answer"):
        async with admission.turn():
            raise AssertionError("two ran at once")
    is_over.set()
    await holder
    async with admission.turn():
        pass


async def test_so_many_run_so_many_wait_and_the_others_are_refused_at_once(tmp_path: Path) -> None:
    store = MongoStore(database_of(tmp_path), options=Options(running=2, waiting=5, wait_seconds=60))
    await store.open()
    await put(store, version("Patient/1"))
    asked: list[Coroutine[Any, Any, object]] = [store.read("Patient", "1") for _ in range(20)]
    asked += [put(store, version(f"Patient/more{number}")) for number in range(20)]
    outcomes = await asyncio.gather(*asked, return_exceptions=True)
    assert sum(isinstance(outcome, Unavailable) for outcome in outcomes) == len(outcomes) - 7
    assert await store.read("Patient", "1") is not None
    await store.check()
    await store.close()


async def test_a_thousand_at_once_are_all_served(tmp_path: Path) -> None:
    store = MongoStore(database_of(tmp_path))
    await store.open()
    await asyncio.gather(*(put(store, version(f"Patient/{number}"), [token("a")]) for number in range(1_000)))
    assert (await store.search(Search("Patient", has_code("a"), limit=0, needs_total=True))).total == 1_000
    await store.close()
