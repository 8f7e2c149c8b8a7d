"""Where a resource is on a sharded cluster: found by its id on one shard, and never there twice."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import VersionConflict
from fhir_server.storage.mongodb.fields import shard_key
from fhir_server.storage.mongodb.store import MongoStore, Options
from fhir_server.storage.store import Transaction
from tests.storage.listening import Listened, Seen, shard_keys
from tests.storage.mongod import Client, database_of, shared
from tests.storage.resources import compartment, put, token, version

pytestmark = pytest.mark.anyio
CLUSTER = Options(is_cluster=True)
DRAWN = "Observation/01a20444-0c1c-71ab-bb00-0d2bccd7ae78"
CHOSEN = "Observation/chosen"


@pytest.fixture
def url(tmp_path: Path) -> str:
    return database_of(tmp_path, "places")


@pytest.fixture
async def listened(url: str) -> AsyncIterator[Listened]:
    seen = Seen()
    store = MongoStore(url, options=CLUSTER, listeners=(seen,))
    await store.open()
    await places_of(url)
    seen.commands.clear()
    yield Listened(store, seen)
    await store.close()


async def places_of(url: str, count: int = 0) -> dict[str, int]:
    """The places that are noted, once there are so many and those of before are all there."""
    client: Client
    with shared().members[0].client() as client:
        database = client["places"]

        def is_noted() -> bool:
            state = database.meta.find_one({"_id": "places"})
            return bool(state and state["is_done"]) and database.loc.count_documents({}) >= count

        await asyncio.to_thread(shared().wait, is_noted)
        return {one["_id"]: one["c"] for one in database.loc.find()}


def put_place(place: dict[str, Any] | None) -> None:
    """Let the places be this one, or none."""
    client: Client
    with shared().members[0].client() as client:
        client["places"].loc.delete_many({})
        if place is not None:
            client["places"].loc.insert_one(place)


def change_state(state: dict[str, Any] | None) -> None:
    """Let the noting of what was stored before begin there, None for anew."""
    client: Client
    with shared().members[0].client() as client:
        client["places"].meta.delete_one({"_id": "places"})
        if state is not None:
            client["places"].meta.insert_one({"_id": "places", **state})


def kind(command: Mapping[str, Any]) -> tuple[str, str]:
    name = next(iter(command))
    return name, str(command[name])


def asked(listened: Listened) -> list[Mapping[str, Any]]:
    """What the store asked since the last question, but for its work in the background."""
    return [command for command in listened.taken() if kind(command)[1] != "meta"]


async def make(store: MongoStore, name: str, patient: str) -> None:
    """Create or update as an interaction does, which looks for the resource first."""

    async def work(transaction: Transaction) -> None:
        current = await transaction.read(*name.split("/"))
        number = 1 if current is None else current.version_id + 1
        await transaction.put(version(name, number), [token("a"), compartment(patient)])

    await store.transact(work)


async def test_a_create_stays_one_command_and_its_place_is_noted(listened: Listened, url: str) -> None:
    await put(listened.store, version(DRAWN), [compartment("1")])
    assert kind(asked(listened)[0]) == ("insert", "resource")
    assert await places_of(url, 1) == {DRAWN: shard_key("Patient/1")}
    listened.taken()
    assert await listened.store.read(*DRAWN.split("/")) is not None
    place, found = asked(listened)
    assert (kind(place), place["filter"]) == (("find", "loc"), {"_id": DRAWN})
    assert shard_keys(found["filter"]) == {shard_key("Patient/1")}
    assert await listened.store.vread(*DRAWN.split("/"), 1) is not None
    place, found = asked(listened)
    assert shard_keys(found["pipeline"][0]["$match"]) == {shard_key("Patient/1")}


async def test_a_chosen_id_is_looked_for_and_its_place_is_written_with_it(listened: Listened, url: str) -> None:
    await make(listened.store, CHOSEN, "1")
    assert await places_of(url) == {CHOSEN: shard_key("Patient/1")}
    told = [kind(command) for command in asked(listened)]
    assert told.index(("find", "resource")) < told.index(("update", "loc")) < len(told) - 1
    await put(listened.store, version("Observation/unread"), [compartment("1")])
    assert "Observation/unread" in await places_of(url)
    assert ("find", "resource") in map(kind, asked(listened))
    with pytest.raises(VersionConflict):
        await put(listened.store, version(CHOSEN), [compartment("2")])


async def test_all_that_updates_a_known_resource_names_its_shard(listened: Listened) -> None:
    await make(listened.store, CHOSEN, "1")
    listened.taken()
    await make(listened.store, CHOSEN, "1")
    questions = [command for command in asked(listened) if kind(command)[1] == "resource"]
    assert questions
    for command in questions:
        query = command["filter"] if "filter" in command else command["updates"][0]["q"]
        assert shard_keys(query) == {shard_key("Patient/1")}


async def test_a_resource_that_changes_its_patient_is_told_to_be_elsewhere(listened: Listened, url: str) -> None:
    for patient in ("1", "2"):
        await make(listened.store, CHOSEN, patient)
    told = [kind(command) for command in asked(listened)]
    assert ("findAndModify", "resource") in told
    assert await places_of(url) == {CHOSEN: shard_key("Patient/2")}
    current = await listened.store.read(*CHOSEN.split("/"))
    assert current is not None
    assert current.version_id == 2
    older = await listened.store.vread(*CHOSEN.split("/"), 1)
    assert older is not None


async def test_what_has_no_place_or_a_wrong_one_is_found_everywhere(listened: Listened, url: str) -> None:
    await make(listened.store, CHOSEN, "1")
    for place in (None, {"_id": CHOSEN, "c": 7}):
        put_place(place)
        assert await listened.store.read(*CHOSEN.split("/")) is not None
        assert await listened.store.vread(*CHOSEN.split("/"), 1) is not None
    await make(listened.store, CHOSEN, "2")
    assert await places_of(url) == {CHOSEN: shard_key("Patient/2")}


async def test_one_chosen_id_is_made_once_however_many_make_it(listened: Listened) -> None:
    works = [put(listened.store, version(CHOSEN), [compartment(str(patient))]) for patient in range(6)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 5, outcomes


async def test_a_replica_set_that_became_a_cluster_is_told_its_places_where_that_stopped(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.storage.mongodb.places._TOGETHER", 3)
    plain = MongoStore(url)
    await plain.open()
    made = [f"Observation/{number}" for number in range(10)]
    for name in (*made, "Patient/1"):
        await put(plain, version(name), [compartment("1")] if name in made else [])
    middle = (await plain.listing(limit=5)).after
    await plain.close()
    for state, noted in (({"o": int(middle), "is_done": False}, made[5:]), (None, made)):
        change_state(state)
        cluster = MongoStore(url, options=CLUSTER)
        await cluster.open()
        assert await places_of(url, len(noted)) == dict.fromkeys(noted, shard_key("Patient/1"))
        await cluster.close()
