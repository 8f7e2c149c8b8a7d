"""What is asked of the MongoDB engine: how many commands, and whether they name the shard.

A listener of the driver sees every command, as a router of a sharded cluster would.
"""

import asyncio
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from fhir_server.foundation.operation_outcome import VersionConflict
from fhir_server.search.condition import ALWAYS, Condition, Contains, Exists, Identity, Not, Related, all_of, any_of
from fhir_server.search.index_row import DATE
from fhir_server.storage.mongodb.explain import is_single_shard
from fhir_server.storage.mongodb.fields import SHARED, shard_key
from fhir_server.storage.mongodb.record import sweep
from fhir_server.storage.mongodb.store import MongoStore
from fhir_server.storage.store import History, Include, Search, Sort, Transaction
from tests.storage.listening import Listened, Seen, shard_keys
from tests.storage.mongod import database_of
from tests.storage.resources import compartment, date, has_code, in_compartment, names, put, reference, token, version

pytestmark = pytest.mark.anyio
LOCAL: Condition = any_of(in_compartment("1"), Not(has_code("hidden", "_security")))
RELATED: Condition = any_of(Related(("Practitioner/1",), ("care-team",)), LOCAL)


@pytest.fixture
async def listened(tmp_path: Path) -> AsyncIterator[Listened]:
    seen = Seen()
    store = MongoStore(database_of(tmp_path), listeners=(seen,))
    await store.open()
    await put(store, version("Patient/1"), [compartment("1")])
    for n in range(5):
        rows = [token("a"), date(n), reference("Patient/1"), compartment("1")]
        await put(store, version(f"Observation/{n}"), rows)
    seen.commands.clear()
    yield Listened(store, seen)
    await store.close()


ONE = {shard_key("Patient/1"), SHARED}
SINGLE = [
    ("Observation", in_compartment("1")),
    ("Observation", all_of(has_code("a"), in_compartment("1"))),
    ("", in_compartment("1")),
    ("Patient", Identity(("1",))),
    ("Observation", any_of(in_compartment("1"), all_of(in_compartment("1"), has_code("b")))),
]
SEVERAL = [
    ("Observation", ALWAYS),
    ("Observation", has_code("a")),
    ("Observation", any_of(in_compartment("1"), has_code("a"))),
    ("Observation", Not(in_compartment("1"))),
    ("Observation", Identity(("1",))),
]


@pytest.mark.parametrize(("resource_type", "condition"), SINGLE)
async def test_what_concerns_one_patient_names_the_shard_and_is_explained_so(
    listened: Listened, resource_type: str, condition: Condition
) -> None:
    search = Search(resource_type, condition, LOCAL, (Sort("date", DATE),), limit=2, needs_total=True)
    await listened.store.search(search)
    commands = listened.taken()
    assert commands
    for command in commands:
        assert shard_keys(command["pipeline"][0]["$match"]) == ONE
    told = await listened.store.explain(search)
    assert all(statement["is_single_shard"] for statement in told["statements"])


@pytest.mark.parametrize(("resource_type", "condition"), SEVERAL)
async def test_what_concerns_all_patients_is_not_said_to_be_in_one_shard(
    listened: Listened, resource_type: str, condition: Condition
) -> None:
    search = Search(resource_type, condition, limit=2)
    await listened.store.search(search)
    (command,) = listened.taken()
    assert not shard_keys(command["pipeline"][0]["$match"])
    assert not is_single_shard(command["pipeline"])
    told = await listened.store.explain(search)
    assert not told["statements"][0]["is_single_shard"]


async def test_a_patient_is_read_and_written_where_it_is(listened: Listened) -> None:
    await listened.store.read("Patient", "1", LOCAL)
    await listened.store.vread("Patient", "1", 1)
    await listened.store.history(History("Patient", "1"))
    read, *others = listened.taken()
    assert shard_keys(read["filter"]) == ONE
    for command in others:
        assert shard_keys(command["pipeline"][0]["$match"]) == ONE
    await put(listened.store, version("Observation/new"), [reference("Patient/1"), compartment("1")])
    (insert,) = listened.taken()
    assert insert["documents"][0]["c"] == shard_key("Patient/1")
    await put(listened.store, version("Observation/both"), [compartment("1"), compartment("2")])
    (insert,) = listened.taken()
    assert insert["documents"][0]["c"] == SHARED


@pytest.mark.parametrize("within", [ALWAYS, LOCAL, RELATED])
async def test_a_read_is_one_command(listened: Listened, within: Condition) -> None:
    for resource_id in ("1", "unknown"):
        await listened.store.read("Patient", resource_id, within)
        assert listened.count == 1
        await listened.store.vread("Patient", resource_id, 1, within)
        assert listened.count == 1


@pytest.mark.parametrize("sort", [(), (Sort("date", DATE, is_descending=True),), (Sort("_lastUpdated"), Sort("_id"))])
@pytest.mark.parametrize("condition", [ALWAYS, has_code("a"), Identity(("1", "2")), in_compartment("1")])
async def test_a_search_is_one_command(listened: Listened, sort: tuple[Sort, ...], condition: Condition) -> None:
    page = await listened.store.search(Search("Observation", condition, RELATED, sort, limit=2))
    assert listened.count == 1
    if page.cursor:
        await listened.store.search(Search("Observation", condition, RELATED, sort, limit=2, cursor=page.cursor))
        assert listened.count == 1


async def test_a_chain_alone_first_asks_what_it_names(listened: Listened) -> None:
    chain = Exists("subject", "Patient", in_compartment("1"))
    assert len((await listened.store.search(Search("Observation", chain))).versions) == 5
    assert listened.count == 2
    await listened.store.search(Search("Observation", all_of(chain, has_code("a", "identifier"))))
    assert listened.count == 1


PERSON = has_code("7", "identifier")
DOCTOR = has_code("9", "identifier")
OF_DOCTOR = any_of(Exists("doctor", "Practitioner", DOCTOR), Contains("Practitioner", DOCTOR, "doctor"))


@pytest.mark.parametrize(("asked", "commands"), [(PERSON, 2), (OF_DOCTOR, 3)], ids=["chain", "chain of chains"])
async def test_a_chain_that_may_lead_to_what_is_contained_looks_at_what_it_finds(
    listened: Listened, asked: Condition, commands: int
) -> None:
    """What `patient.identifier=7` means: a stored patient, or one that the observation itself contains."""
    store = listened.store
    await put(store, version("Practitioner/9"), [token("9", "identifier")])
    await put(store, version("Patient/7"), [token("7", "identifier"), reference("Practitioner/9", "doctor")])
    await put(store, version("Observation/of7"), [token("a"), reference("Patient/7")])
    listened.taken()
    chain = any_of(Exists("subject", "Patient", asked), Contains("Patient", asked, "subject"))
    page = await store.search(Search("Observation", chain))
    assert names(page.versions) == ["Observation/of7"]
    assert listened.count == commands
    told = await store.explain(Search("Observation", chain))
    assert max(statement["documents"] for statement in told["statements"]) <= 2


async def test_all_includes_of_a_round_are_one_command(listened: Listened) -> None:
    includes = (
        Include("subject", "Observation", (("Patient", RELATED), ("Group", ALWAYS))),
        Include("part", "Observation", (("Observation", RELATED),)),
        Include("subject", "", (("Observation", RELATED), ("Encounter", RELATED)), is_reverse=True),
    )
    page = await listened.store.search(Search("Observation", has_code("a"), RELATED, includes=includes))
    assert len(page.included) == 1
    assert listened.count == 2


async def test_a_total_is_one_more_only_when_the_page_does_not_tell(listened: Listened) -> None:
    for limit, commands in ((2, 2), (20, 1), (0, 1)):
        await listened.store.search(Search("Observation", has_code("a"), limit=limit, needs_total=True))
        assert listened.count == commands


async def test_a_create_with_its_trace_is_one_command_and_an_update_four(listened: Listened) -> None:
    async def create(transaction: Transaction) -> None:
        await transaction.put(version("Observation/new"), [token("a"), compartment("1")])
        await transaction.journal(b"created")

    async def update(transaction: Transaction) -> None:
        current = await transaction.read("Observation", "new")
        assert current is not None
        await transaction.put(version("Observation/new", 2), [token("b"), compartment("1")])
        await transaction.journal(b"updated")

    await listened.store.transact(create)
    assert [next(iter(command)) for command in listened.taken()] == ["insert"]
    assert await listened.store.journal_length() == 1
    listened.taken()
    await listened.store.transact(update)
    commands = [next(iter(command)) for command in listened.taken()]
    assert commands == ["find", "update", "insert", "commitTransaction"]
    assert await listened.store.journal_length() == 2


async def test_the_entries_that_wait_are_found_without_a_look_at_all_resources(listened: Listened) -> None:
    async def create(transaction: Transaction) -> None:
        await transaction.put(version("Observation/traced"), [token("a")])
        await transaction.journal(b"created")

    await listened.store.transact(create)
    listened.taken()
    assert await listened.store.journal_length() == 1
    await listened.store.transact(lambda transaction: transaction.journalled(10))
    plans = [plan for plan in await listened.plans() if "resource'" in plan]
    assert len(plans) == 2
    for plan in plans:
        assert "COLLSCAN" not in plan
        assert "'totalDocsExamined': 1," in plan


async def test_what_goes_through_a_whole_type_or_the_whole_store_walks_an_index(listened: Listened) -> None:
    store = listened.store
    for n in range(60):
        await put(store, version(f"Group/{n}", minute=n), [token("a")])
        await put(store, version(f"Group/{n}", 2, minute=n), [token("a")])
    listened.taken()
    for asked in (History("Group", limit=2, needs_total=False), History(limit=2, needs_total=False)):
        page = await store.history(asked)
        await store.history(msgspec.structs.replace(asked, cursor=page.cursor))
    await store.listing(limit=3)
    await sweep(listened.scope)
    plans = await listened.plans()
    assert len(plans) == 7
    for plan in plans:
        assert "COLLSCAN" not in plan
        assert all(int(count) <= 8 for count in re.findall(r"'totalDocsExamined': (\d+)", plan)), plan


async def test_claims_are_swept_once_no_transaction_can_hold_them(listened: Listened) -> None:
    async def create(transaction: Transaction) -> None:
        await transaction.read("Group", "claimed")
        await transaction.put(version("Group/claimed"), [])

    await listened.store.transact(create)
    scope, claims = listened.scope, listened.scope.connection.claim
    await sweep(scope)
    assert await claims.count_documents({})
    await sweep(msgspec.structs.replace(scope, clock=lambda: scope.clock() + timedelta(hours=2)))
    assert not await claims.count_documents({})


async def test_creates_at_once_share_commands_and_each_is_refused_by_itself(listened: Listened) -> None:
    numbers = [*range(40), 7, 8]
    works = [put(listened.store, version(f"Observation/once{n}"), [token("once")]) for n in numbers]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 2
    assert sum(outcome is None for outcome in outcomes) == 40
    inserts = [command for command in listened.taken() if "insert" in command]
    assert len(inserts) < 10
    assert (await listened.store.search(Search("Observation", has_code("once"), needs_total=True))).total == 40


@pytest.mark.parametrize("entries", [2, 10, 100])
async def test_a_transaction_of_creates_is_two_commands(listened: Listened, entries: int) -> None:
    async def work(transaction: Transaction) -> None:
        for n in range(entries):
            await transaction.put(version(f"Observation/many{n}"), [token("a"), compartment("1")])
            await transaction.journal(b"created")

    await listened.store.transact(work)
    assert [next(iter(command)) for command in listened.taken()] == ["insert", "commitTransaction"]
