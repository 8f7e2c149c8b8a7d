"""Members of a real replica set are killed, frozen and out of disk; nothing that was acknowledged is lost.

`MONGO_KILLS=20` kills the primary twenty times, as was done before a release; a run in CI does it twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import FhirError, TooCostly, Unavailable
from fhir_server.search.condition import Condition, all_of
from fhir_server.storage.mongodb.store import MongoStore, Options
from fhir_server.storage.store import Search, Transaction
from tests.storage.failing import Writers, check_nothing_is_lost
from tests.storage.listening import Listened, Seen
from tests.storage.mongod import Client, Member, ReplicaSet
from tests.storage.resources import has_code, names, put, token, version

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
KILLS = int(os.environ.get("MONGO_KILLS", "2"))
QUICK = Options(read_seconds=2, search_seconds=2, write_seconds=3)


@pytest.fixture(scope="module")
def three() -> Iterator[ReplicaSet]:
    members = ReplicaSet(3)
    yield members
    members.close()


@pytest.fixture
async def stores(three: ReplicaSet, request: pytest.FixtureRequest) -> AsyncIterator[list[MongoStore]]:
    """Two stores, as two server processes have them, on a database of their own."""
    opened = [MongoStore(three.url(f"db{abs(hash(request.node.name))}")) for _ in range(2)]
    for store in opened:
        await store.open()
    yield opened
    for store in opened:
        await store.close()


@contextmanager
def failing(client: Client) -> Iterator[Callable[..., None]]:
    """Let the member's answers to servers fail in a way, until the block ends."""

    def fail(**how: Any) -> None:
        data = {"appName": "fhir-server", **how}
        client.admin.command("configureFailPoint", "failCommand", mode="alwaysOn", data=data)

    try:
        yield fail
    finally:
        client.admin.command("configureFailPoint", "failCommand", mode="off")


async def primary_of(three: ReplicaSet) -> Member:
    return await asyncio.to_thread(three.primary)


async def test_kills_of_the_primary_under_32_writers_lose_nothing(three: ReplicaSet, stores: list[MongoStore]) -> None:
    async with Writers(stores, 32) as writers:
        await writers.more(20)
        for _ in range(KILLS):
            primary = await primary_of(three)
            primary.kill()
            await writers.more(20)
            primary.start_again()
            await writers.more(20)
    await check_nothing_is_lost(stores[0], writers.outcome)
    outcome = writers.outcome
    print(  # noqa: T201 - told when the test is run with -s, for the record
        f"\n{KILLS} kills: {len(outcome.acknowledged)} transactions acknowledged, {len(outcome.refused)} refused, "
        f"{sum(outcome.updates.values())} updates, longest wait {outcome.longest_seconds:.1f} s"
    )


async def test_a_killed_secondary_is_not_noticed(three: ReplicaSet, stores: list[MongoStore]) -> None:
    primary = await primary_of(three)
    secondary = next(member for member in three.members if member is not primary)
    async with Writers(stores, 8) as writers:
        await writers.more(10)
        secondary.kill()
        await writers.more(20)
        secondary.start_again()
        await writers.more(10)
    assert not writers.outcome.refused
    await check_nothing_is_lost(stores[0], writers.outcome)


async def test_a_primary_cut_off_is_replaced_and_nothing_is_lost(three: ReplicaSet, stores: list[MongoStore]) -> None:
    async with Writers(stores, 8) as writers:
        await writers.more(10)
        primary = await primary_of(three)
        primary.freeze()
        try:
            others = ReplicaSet.__new__(ReplicaSet)
            others.members = [member for member in three.members if member is not primary]
            await asyncio.to_thread(others.primary)
            await writers.more(10)
        finally:
            primary.thaw()
        await writers.more(10)
    await check_nothing_is_lost(stores[0], writers.outcome)


async def test_without_a_majority_requests_are_refused_in_time_and_come_back(
    three: ReplicaSet, stores: list[MongoStore]
) -> None:
    store = MongoStore(three.url("majority"), options=QUICK)
    await store.open()
    await put(store, version("Patient/1"), [token("a")])
    page = await store.search(Search("Patient", limit=1))
    members = list(three.members)
    for member in members:
        member.freeze()
    asked = [
        store.read("Patient", "1"),
        store.search(Search("Patient", has_code("a"))),
        put(store, version("Patient/2"), [token("a")]),
        store.check(),
    ]
    try:
        async with asyncio.timeout(60):
            refusals = await asyncio.gather(*asked, return_exceptions=True)
    finally:
        for member in members:
            member.thaw()
    assert all(isinstance(refusal, Unavailable) for refusal in refusals), refusals
    assert await asyncio.to_thread(three.primary)
    async with asyncio.timeout(30):
        while True:
            try:
                await store.check()
                assert names((await store.search(Search("Patient", limit=1))).versions) == names(page.versions)
                break
            except FhirError:
                await asyncio.sleep(0.1)
    await store.close()


async def test_after_an_election_one_read_waits_until_all_that_was_acknowledged_is_known(three: ReplicaSet) -> None:
    seen = Seen()
    store = MongoStore(three.url("elections"), listeners=(seen,))
    await store.open()
    listened = Listened(store, seen)

    async def look(transaction: Transaction) -> None:
        await transaction.read("Patient", "1")

    for question in (lambda: store.read("Patient", "1"), lambda: store.transact(look)):
        await question()
        before = await primary_of(three)
        other = next(member for member in three.members if member is not before)
        await asyncio.to_thread(other.step_up)
        listened.taken()
        await question()
        levels = [command.get("readConcern", {}).get("level") for command in listened.taken() if "find" in command]
        assert levels.index("linearizable") < len(levels) - 1, levels
    await store.close()


async def test_pages_go_on_after_an_election(three: ReplicaSet, stores: list[MongoStore]) -> None:
    for number in range(6):
        await put(stores[0], version(f"Patient/{number}"), [token("a")])
    search = Search("Patient", has_code("a"), limit=2)
    seen: list[str] = []
    page = await stores[0].search(search)
    seen += names(page.versions)
    primary = await primary_of(three)
    primary.kill()
    while page.cursor:
        page = await stores[1].search(Search("Patient", has_code("a"), limit=2, cursor=page.cursor))
        seen += names(page.versions)
    primary.start_again()
    assert seen == [f"Patient/{number}" for number in range(6)]


async def test_conditional_creates_of_two_servers_make_one_each(stores: list[MongoStore]) -> None:
    async def create(store: MongoStore, identifier: str, number: int, more: Condition | None = None) -> bool:
        asked = has_code(identifier, "identifier")

        async def work(transaction: Transaction) -> bool:
            found = await transaction.search(Search("Patient", asked if more is None else all_of(asked, more), limit=2))
            if found.versions:
                return False
            rows = [token(identifier, "identifier"), token("male", "gender")]
            await transaction.put(version(f"Patient/{identifier}-{number}"), rows)
            return True

        return await store.transact(work)

    made = await asyncio.gather(
        *(
            create(stores[number % 2], f"id{identifier}", number, has_code("male", "gender") if number % 3 else None)
            for number in range(8)
            for identifier in range(6)
        )
    )
    assert sum(made) == 6
    for identifier in range(6):
        page = await stores[0].search(Search("Patient", has_code(f"id{identifier}", "identifier"), needs_total=True))
        assert page.total == 1


async def test_a_disk_that_is_slow_or_full_is_told_and_leaves_nothing_half(
    three: ReplicaSet, stores: list[MongoStore]
) -> None:
    store = MongoStore(three.url("disk"), options=QUICK)
    await store.open()
    primary = await primary_of(three)
    with primary.client() as client, failing(client) as fail:
        fail(errorCode=14031, failCommands=["insert", "update"])
        with pytest.raises(Unavailable, match="full"):
            await put(store, version("Patient/1"))
        # Longer than the store may take: what is not ended in time would succeed.
        fail(blockConnection=True, blockTimeMS=5000, failCommands=["insert", "find", "aggregate"])
        for asked in (
            put(store, version("Patient/2")),
            store.read("Patient", "1"),
            store.search(Search("Patient")),
        ):
            with pytest.raises((Unavailable, TooCostly)):
                await asked
    assert await store.read("Patient", "1") is None
    await put(store, version("Patient/3"))
    await store.close()
