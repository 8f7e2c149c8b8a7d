"""The promises of `storage/store.py`, one by one, on every backend."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec
import pytest

from fhir_server.foundation.operation_outcome import BadRequest, Unavailable, VersionConflict
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, NEVER, Compare, Condition, Exists, Identity, Near, Not, Related
from fhir_server.search.index_row import (
    CONTAINED,
    DATE,
    MAX_INSTANT,
    MIN_INSTANT,
    POSITION,
    REFERENCE,
    RELATION,
    TOKEN,
)
from fhir_server.storage.store import History, Include, Search, Sort, Store, Transaction
from tests.storage.conftest import Clock
from tests.storage.resources import (
    START,
    compartment,
    date,
    has_code,
    has_words,
    in_compartment,
    names,
    put,
    reference,
    token,
    version,
    words,
)

pytestmark = pytest.mark.anyio
Make = Callable[[], Store]


# read, vread


async def test_an_unknown_resource_is_none(store: Store) -> None:
    assert await store.read("Patient", "1") is None
    assert await store.vread("Patient", "1", 1) is None


async def test_what_was_put_is_read_back_as_it_was(store: Store) -> None:
    stored = version("Patient/1", depositor="Device/lab")
    await put(store, stored)
    assert await store.read("Patient", "1") == stored
    assert await store.vread("Patient", "1", 1) == stored
    assert await store.read("Practitioner", "1") is None


async def test_instants_keep_their_milliseconds(store: Store) -> None:
    stored = version("Patient/1")
    exact = type(stored)(
        stored.resource_type, stored.resource_id, 1, START + timedelta(milliseconds=987), stored.content
    )
    await put(store, exact)
    assert await store.read("Patient", "1") == exact


async def test_the_current_version_is_the_last_one_and_older_ones_remain(store: Store) -> None:
    first, second = version("Patient/1"), version("Patient/1", 2, 1)
    await put(store, first)
    await put(store, second)
    assert await store.read("Patient", "1") == second
    assert await store.vread("Patient", "1", 1) == first
    assert await store.vread("Patient", "1", 2) == second
    for unknown in (0, 3, -1, 2**70):
        assert await store.vread("Patient", "1", unknown) is None


async def test_a_deleted_version_is_read_and_older_ones_remain(store: Store) -> None:
    first, deleted = version("Patient/1"), version("Patient/1", 2, 1, is_deleted=True)
    await put(store, first, [token("a")])
    await put(store, deleted)
    assert await store.read("Patient", "1") == deleted
    assert await store.vread("Patient", "1", 1) == first
    again = version("Patient/1", 3, 2)
    await put(store, again)
    assert await store.read("Patient", "1") == again


async def test_the_depositor_is_the_first_one_forever(store: Store) -> None:
    await put(store, version("Patient/1", depositor="Device/lab"))
    await put(store, version("Patient/1", 2, 1, depositor="Practitioner/1"))
    for stored in (await store.read("Patient", "1"), await store.vread("Patient", "1", 1)):
        assert stored is not None
        assert stored.depositor == "Device/lab"


async def test_the_current_rows_decide_for_all_versions(store: Store) -> None:
    await put(store, version("Patient/1"), [token("open")])
    await put(store, version("Patient/1", 2, 1), [token("closed")])
    assert await store.read("Patient", "1", has_code("open")) is None
    assert await store.vread("Patient", "1", 1, has_code("open")) is None
    assert await store.vread("Patient", "1", 1, has_code("closed")) is not None


async def test_a_deleted_version_is_judged_by_the_rows_it_was_put_with(store: Store) -> None:
    await put(store, version("Patient/1"), [token("a"), compartment("1")])
    await put(store, version("Patient/1", 2, is_deleted=True), [compartment("1")])
    assert await store.read("Patient", "1", in_compartment("1")) is not None
    assert await store.read("Patient", "1", has_code("a")) is None


# put, index


@pytest.mark.parametrize("number", [0, 2])
async def test_a_first_version_is_number_one(store: Store, number: int) -> None:
    with pytest.raises(VersionConflict):
        await put(store, version("Patient/1", number))
    assert await store.read("Patient", "1") is None


@pytest.mark.parametrize("number", [1, 2, 4])
async def test_a_later_version_follows_the_current_one(store: Store, number: int) -> None:
    await put(store, version("Patient/1"))
    await put(store, version("Patient/1", 2))
    with pytest.raises(VersionConflict):
        await put(store, version("Patient/1", number))
    current = await store.read("Patient", "1")
    assert current is not None
    assert current.version_id == 2


async def test_rows_follow_the_version(store: Store) -> None:
    await put(store, version("Patient/1"), [token("a"), token("b"), token("b")])
    await put(store, version("Patient/1", 2), [token("b"), token("c")])
    for code, found in (("a", []), ("b", ["Patient/1"]), ("c", ["Patient/1"])):
        assert names((await store.search(Search("Patient", has_code(code)))).versions) == found


async def test_index_changes_rows_and_no_version(store: Store) -> None:
    stored = version("Patient/1")
    await put(store, stored, [token("a")])

    async def work(transaction: Transaction) -> None:
        await transaction.index("Patient", "1", [token("b")])
        await transaction.index("Patient", "unknown", [token("b")])

    await store.transact(work)
    assert await store.read("Patient", "1") == stored
    assert (await store.history(History("Patient", "1"))).total == 1
    assert names((await store.search(Search("Patient", has_code("b")))).versions) == ["Patient/1"]
    assert (await store.search(Search("Patient", has_code("a")))).versions == []


async def test_words_are_those_of_the_current_version(store: Store) -> None:
    async def found(*asked: str, parameter: str = "_content") -> list[str]:
        return names((await store.search(Search("Patient", has_words(*asked, parameter=parameter)))).versions)

    async def index(transaction: Transaction) -> None:
        await transaction.index("Patient", "1", [token("a"), words("four")])

    await put(store, version("Patient/1"), [words("one two", "_text"), words("one three two")])
    await put(store, version("Patient/2"), [token("a")])
    assert (await found("one"), await found("t*"), await found("three", "two")) == (["Patient/1"],) * 3
    assert (await found("thre"), await found("three", parameter="_text")) == ([], [])
    await put(store, version("Patient/1", 2), [token("b"), words("one three two")])
    assert (await found("one"), await found("one", parameter="_text")) == (["Patient/1"], [])
    await store.transact(index)
    assert (await found("one"), await found("four")) == ([], ["Patient/1"])
    await put(store, version("Patient/2", 2), [words("four")])
    assert await found("four") == ["Patient/1", "Patient/2"]
    await put(store, version("Patient/1", 3, is_deleted=True), [words("four")])
    assert await found("four") == ["Patient/2"]
    await put(store, version("Patient/2", 3), [])
    assert await found("four") == []


# transact


async def test_transact_returns_what_the_work_returns(store: Store) -> None:
    async def work(transaction: Transaction) -> int:
        return 7

    assert await store.transact(work) == 7


async def test_an_exception_undoes_all_and_reaches_the_caller(store: Store) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/1"), [token("a")])
        await transaction.put_record("user", "1", b"x")
        await transaction.journal(b"entry")
        assert await transaction.read("Patient", "1") is not None
        await transaction.put(version("Patient/2"), [token("a")])
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await store.transact(work)
    assert await store.read("Patient", "1") is None
    assert (await store.search(Search("Patient"))).versions == []
    assert await store.record("user", "1") is None
    assert await store.journal_length() == 0


async def test_a_failure_undoes_only_its_own_work(store: Store) -> None:
    async def good(name: str, transaction: Transaction) -> None:
        await transaction.put(version(name), [token("a")])
        assert await transaction.read(*name.split("/")) is not None

    async def bad(name: str, transaction: Transaction) -> None:
        await good(name, transaction)
        raise ValueError

    works = [store.transact(lambda t, n=n: (bad if n % 3 == 0 else good)(f"Patient/{n}", t)) for n in range(30)]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    assert [isinstance(outcome, ValueError) for outcome in outcomes] == [n % 3 == 0 for n in range(30)]
    page = await store.search(Search("Patient", has_code("a"), limit=50))
    assert sorted(names(page.versions)) == sorted(f"Patient/{n}" for n in range(30) if n % 3)


async def test_a_transaction_sees_its_own_writes(store: Store) -> None:
    await put(store, version("Patient/1"), [token("a")])

    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/1", 2, 1), [token("b")])
        await transaction.put(version("Patient/2"), [token("b")])
        assert (await transaction.read("Patient", "1")) == version("Patient/1", 2, 1)
        assert (await transaction.vread("Patient", "1", 1)) == version("Patient/1")
        found = await transaction.search(Search("Patient", has_code("b")))
        assert names(found.versions) == ["Patient/1", "Patient/2"]
        assert (await transaction.history(History("Patient"))).total == 3
        await transaction.put(version("Patient/2", 2), [token("c")])
        await transaction.put(version("Patient/2", 3, is_deleted=True), [])
        assert (await transaction.search(Search("Patient", has_code("c")))).versions == []
        with pytest.raises(VersionConflict):
            await transaction.put(version("Patient/2", 3), [])

    await store.transact(work)
    assert (await store.history(History("Patient", "2"))).total == 3


async def test_a_refusal_inside_may_be_survived(store: Store) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/1"), [])
        with pytest.raises(VersionConflict):
            await transaction.put(version("Patient/1"), [])
        await transaction.put(version("Patient/2"), [])

    await store.transact(work)
    assert names((await store.search(Search("Patient"))).versions) == ["Patient/1", "Patient/2"]


async def test_conditional_creates_at_once_make_one(store: Store) -> None:
    async def work(number: int, transaction: Transaction) -> bool:
        found = await transaction.search(Search("Patient", has_code("same", "identifier"), limit=2))
        if found.versions:
            return False
        await transaction.put(version(f"Patient/{number}"), [token("same", "identifier")])
        return True

    made = await asyncio.gather(*(store.transact(lambda t, n=n: work(n, t)) for n in range(40)))
    assert sum(made) == 1
    assert (await store.search(Search("Patient", needs_total=True))).total == 1


async def test_of_writers_of_one_version_one_wins(store: Store) -> None:
    await put(store, version("Patient/1"))
    outcomes = await asyncio.gather(*(put(store, version("Patient/1", 2)) for _ in range(20)), return_exceptions=True)
    assert sum(outcome is None for outcome in outcomes) == 1
    assert sum(isinstance(outcome, VersionConflict) for outcome in outcomes) == 19


async def test_a_work_waits_for_nothing_but_its_transaction(store: Store) -> None:
    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/1"), [])
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError):
        await store.transact(work)
    assert await store.read("Patient", "1") is None


async def test_a_read_after_an_acknowledged_write_sees_it(store: Store) -> None:
    async def writer(number: int) -> None:
        for step in range(1, 6):
            await put(store, version(f"Patient/{number}", step), [token(f"{number}-{step}")])
            current = await store.read("Patient", str(number))
            assert current is not None
            assert current.version_id == step
            found = await store.search(Search("Patient", has_code(f"{number}-{step}")))
            assert names(found.versions) == [f"Patient/{number}"]

    await asyncio.gather(*(writer(number) for number in range(20)))


async def test_readers_never_see_half_a_transaction(store: Store) -> None:
    async def write(step: int) -> None:
        async def work(transaction: Transaction) -> None:
            for name in ("Patient/1", "Patient/2"):
                await transaction.put(version(name, step), [token(str(step))])

        await store.transact(work)

    async def read(until: asyncio.Event) -> None:
        while not until.is_set():
            page = await store.search(Search("Patient"))
            assert len({stored.version_id for stored in page.versions}) <= 1
            await asyncio.sleep(0)

    done = asyncio.Event()
    readers = [asyncio.create_task(read(done)) for _ in range(5)]
    for step in range(1, 31):
        await write(step)
    done.set()
    await asyncio.gather(*readers)


async def test_what_was_stored_is_there_when_opened_again(make: Make) -> None:
    first = make()
    await first.open()
    await put(first, version("Patient/1"), [token("a", system="http://s")])
    first.journal(b"entry")
    await first.close()
    second = make()
    await second.open()
    assert names((await second.search(Search("Patient", has_code("a")))).versions) == ["Patient/1"]
    assert await second.journal_length() == 1
    await second.close()


async def test_a_closed_store_is_unavailable(make: Make) -> None:
    store = make()
    with pytest.raises(Unavailable):
        await store.read("Patient", "1")
    await store.open()
    waiting = [asyncio.create_task(put(store, version(f"Patient/{n}"))) for n in range(5)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*waiting)
    with pytest.raises(Unavailable):
        await put(store, version("Patient/9"))
    with pytest.raises(Unavailable):
        store.journal(b"entry")


# search


async def fill(store: Store, count: int) -> None:
    async def work(transaction: Transaction) -> None:
        for n in range(count):
            rows = [token("even" if n % 2 == 0 else "odd"), date((n * 7) % 10), compartment(str(n % 3))]
            await transaction.put(version(f"Observation/{n}", minute=count - n), rows)

    await store.transact(work)


async def test_the_default_order_is_that_of_creation(store: Store) -> None:
    await fill(store, 5)
    await put(store, version("Observation/0", 2, 100), [])
    page = await store.search(Search("Observation"))
    assert names(page.versions) == [f"Observation/{n}" for n in range(5)]


async def test_within_counts_in_pages_and_total(store: Store) -> None:
    await fill(store, 10)
    asked = Search("Observation", has_code("even"), in_compartment("0"), limit=1, needs_total=True)
    first = await store.search(asked)
    assert (names(first.versions), first.total) == (["Observation/0"], 2)
    second = await store.search(
        Search("Observation", has_code("even"), in_compartment("0"), limit=1, cursor=first.cursor, needs_total=True)
    )
    assert (names(second.versions), second.total, second.cursor) == (["Observation/6"], 2, "")
    nothing = await store.search(Search("Observation", within=NEVER, needs_total=True))
    assert (nothing.versions, nothing.total) == ([], 0)


async def test_a_limit_of_zero_only_counts(store: Store) -> None:
    await fill(store, 4)
    page = await store.search(Search("Observation", has_code("odd"), limit=0, needs_total=True))
    assert (page.versions, page.total, page.cursor) == ([], 2, "")
    assert (await store.search(Search("Observation"))).total is None


async def test_deleted_resources_are_never_found(store: Store) -> None:
    await put(store, version("Patient/1"), [token("a")])
    await put(store, version("Observation/1"), [reference("Patient/1")])
    await put(store, version("Patient/1", 2, is_deleted=True), [token("a")])
    assert (await store.search(Search("Patient", has_code("a")))).versions == []
    assert (await store.search(Search("", Identity(("1",))))).versions == [version("Observation/1")]
    chain = Exists("subject", "Patient", has_code("a"))
    assert (await store.search(Search("Observation", chain))).versions == []
    include = Include("subject", "Observation", (("Patient", has_code("a")),))
    assert (await store.search(Search("Observation", includes=(include,)))).included == []


@pytest.mark.parametrize("condition", [ALWAYS, has_code("even"), Not(has_code("odd"))])
async def test_pages_in_order_of_creation_neither_repeat_nor_skip_while_others_write(
    store: Store, condition: Condition
) -> None:
    await fill(store, 12)
    search, seen, step = Search("Observation", condition, limit=2), list[str](), 0
    whole = names((await store.search(Search("Observation", condition, limit=100))).versions)
    while True:
        page = await store.search(search)
        seen += names(page.versions)
        if not page.cursor:
            break
        search, step = msgspec.structs.replace(search, cursor=page.cursor), step + 1
        # What the cursor names is changed, then deleted; and there is always more.
        last = page.versions[-1].reference
        await put(store, version(last, 2, 100 + step), [token("even"), token("new")])
        await put(store, version(last, 3, 100 + step, is_deleted=True), [token("even")])
        if step < 3:
            await put(store, version(f"Observation/new{step}", 1, 100 + step), [token("even")])
    assert seen == [*whole, "Observation/new1", "Observation/new2"]


@pytest.mark.parametrize("is_descending", [False, True])
async def test_sorted_pages_neither_repeat_nor_skip_while_others_write(store: Store, is_descending: bool) -> None:
    await fill(store, 12)
    await put(store, version("Observation/undated"), [])
    sort = (Sort("date", DATE, is_descending), Sort("_id", is_descending=not is_descending))
    whole = names((await store.search(Search("Observation", sort=sort, limit=100))).versions)
    assert whole[-1] == "Observation/undated"
    seen: list[str] = []
    cursor, step = "", 0
    while True:
        page = await store.search(Search("Observation", sort=sort, limit=2, cursor=cursor))
        seen += names(page.versions)
        if not page.cursor:
            break
        cursor, step = page.cursor, step + 1
        await put(store, version(f"Observation/new{step}"), [date(4)])
    assert [name for name in seen if "new" not in name] == whole
    assert len(seen) == len(set(seen))


@pytest.mark.parametrize("cursor", ["x", "!", "AAAA", "é", "bm90aGluZyBzZWFsZWQ", " ", "a" * 5000])
async def test_a_made_up_cursor_is_refused(store: Store, cursor: str) -> None:
    with pytest.raises(BadRequest):
        await store.search(Search("Observation", cursor=cursor))
    with pytest.raises(BadRequest):
        await store.history(History(cursor=cursor))


async def test_a_cursor_serves_its_own_order_only(store: Store) -> None:
    await fill(store, 5)
    page = await store.search(Search("Observation", limit=2))
    for other in (
        Search("Patient", limit=2, cursor=page.cursor),
        Search("Observation", limit=2, cursor=page.cursor, purpose="another query"),
        Search("Observation", sort=(Sort("_id"),), limit=2, cursor=page.cursor),
        Search(
            "Observation", limit=2, cursor=page.cursor[:-2] + ("A" if page.cursor[-2] != "A" else "B") + page.cursor[-1]
        ),
    ):
        with pytest.raises(BadRequest):
            await store.search(other)
    with pytest.raises(BadRequest):
        await store.history(History(cursor=page.cursor))


async def test_includes_are_bounded_and_say_so(store: Store) -> None:
    await put(store, version("Patient/1"))
    for n in range(5):
        await put(store, version(f"Observation/{n}"), [reference("Patient/1")])
    include = Include("subject", "", (("Observation", in_compartment("none")),), is_reverse=True)
    page = await store.search(Search("Patient", includes=(include,)))
    assert (page.included, page.is_truncated) == ([], False)
    include = Include("subject", "", (("Observation", Compare(TOKEN, "code")),), is_reverse=True)
    assert (await store.search(Search("Patient", includes=(include,)))).included == []
    everything = Include("subject", "", (("Observation", Identity(tuple("01234"))),), is_reverse=True)
    for limit, found, is_truncated in ((5, 5, False), (4, 4, True)):
        page = await store.search(Search("Patient", includes=(everything,), include_limit=limit))
        assert (len(page.included), page.is_truncated) == (found, is_truncated)


async def test_iterated_includes_go_on_and_end(store: Store) -> None:
    for n in range(4):
        await put(store, version(f"Observation/{n}"), [reference(f"Observation/{(n + 1) % 4}", "part")])
    asked = Search("Observation", Identity(("0",)))
    for is_iterated, found in ((False, ["Observation/1"]), (True, [f"Observation/{n}" for n in (1, 2, 3)])):
        include = Include("part", "Observation", (("Observation", Identity(tuple("0123"))),), is_iterated=is_iterated)
        page = await store.search(Search("Observation", asked.condition, includes=(include,)))
        assert sorted(names(page.included)) == found


async def test_a_relation_holds_while_it_is_in_force(store: Store, clock: Clock) -> None:
    now = int(clock().timestamp() * 1_000_000)
    relation = (RELATION, "care-team", 0, "Practitioner/1", "1", now, now + 60_000_000)
    await put(store, version("CareTeam/1"), [relation])
    await put(store, version("Observation/1"), [compartment("1")])
    related = Related(("Practitioner/1",), ("care-team",))
    assert await store.read("Observation", "1", related) is not None
    assert await store.read("Observation", "1", Related(("Practitioner/2",), ("care-team",))) is None
    assert await store.read("Observation", "1", Related(("Practitioner/1",), ("consent",))) is None
    clock.advance(60)
    assert await store.read("Observation", "1", related) is None
    clock.advance(-1)
    await put(store, version("CareTeam/1", 2, is_deleted=True), [relation])
    assert await store.read("Observation", "1", related) is None
    await put(store, version("CareTeam/1", 3), [relation])
    assert names((await store.search(Search("Observation", within=related))).versions) == ["Observation/1"]


@pytest.mark.parametrize("related_to", ["1", "2", "3"])
async def test_whose_resource_it_is_decides_not_whom_the_search_names(store: Store, related_to: str) -> None:
    patients = {"a": "1", "b": "12", "c": "2", "d": ""}
    for name, own in patients.items():
        named = [reference(f"Patient/{patient}") for patient in "12"]
        await put(store, version(f"Observation/{name}"), [*named, *(compartment(patient) for patient in own)])
    relation = (RELATION, "care-team", 0, "Practitioner/1", related_to, MIN_INSTANT, MAX_INSTANT)
    await put(store, version("CareTeam/1"), [relation])
    related = Related(("Practitioner/1",), ("care-team",))
    seen = {name for name, own in patients.items() if related_to in own}
    for within, found in ((related, seen), (Not(related), patients.keys() - seen)):
        # The same decision on searches that name one patient, then the other, and none.
        for patient in ("1", "2", "3"):
            asked = Compare(REFERENCE, "subject", (("target_type", "eq", "Patient"), ("target_id", "eq", patient)))
            page = await store.search(Search("Observation", asked, within, needs_total=True))
            expected = found if patient != "3" else set()
            assert ({hit.resource_id for hit in page.versions}, page.total) == (expected, len(expected))
            page = await store.search(Search("Observation", in_compartment(patient), within, sort=(Sort("_id"),)))
            expected = {name for name in found if patient in patients[name]}
            assert [hit.resource_id for hit in page.versions] == sorted(expected)
        page = await store.search(Search("Observation", within=within))
        assert {hit.resource_id for hit in page.versions} == found


async def test_open_intervals_reach_both_ends_of_time(store: Store) -> None:
    await put(store, version("Observation/1"), [(DATE, "date", 0, MIN_INSTANT, MAX_INSTANT)])
    asked = Compare(DATE, "date", (("low", "le", MIN_INSTANT), ("high", "ge", MAX_INSTANT)))
    assert names((await store.search(Search("Observation", asked))).versions) == ["Observation/1"]


# history


async def three_versions(store: Store) -> None:
    await put(store, version("Patient/1", 1, 0), [token("a")])
    await put(store, version("Observation/1", 1, 5), [token("a")])
    await put(store, version("Patient/1", 2, 10), [token("a")])
    await put(store, version("Patient/1", 3, 20, is_deleted=True), [token("a")])


def numbered(versions: Sequence[Version]) -> list[tuple[str, int]]:
    return [(stored.reference, stored.version_id) for stored in versions]


async def test_history_is_newest_first_on_each_level(store: Store) -> None:
    await three_versions(store)
    patient = [("Patient/1", 3), ("Patient/1", 2), ("Patient/1", 1)]
    for asked, found in (
        (History("Patient", "1"), patient),
        (History("Patient"), patient),
        (History(), [*patient[:2], ("Observation/1", 1), patient[2]]),
        (History("Patient", "unknown"), []),
    ):
        page = await store.history(asked)
        assert numbered(page.versions) == found
        assert page.total == len(found)


async def test_history_tells_deletions_and_contents(store: Store) -> None:
    await three_versions(store)
    newest, second, first = (await store.history(History("Patient", "1"))).versions
    assert (newest.is_deleted, newest.content) == (True, b"")
    assert (second.content, first.content) == (version("Patient/1", 2).content, version("Patient/1", 1).content)


async def test_history_since_and_at(store: Store) -> None:
    await three_versions(store)
    since = await store.history(History(since=START + timedelta(minutes=5)))
    assert numbered(since.versions) == [("Patient/1", 3), ("Patient/1", 2), ("Observation/1", 1)]
    observation = ("Observation/1", 1)
    for low, high, found in (
        (-2, -1, []),
        (-2, 0, []),
        (0, 1, [("Patient/1", 1)]),
        (5, 6, [observation, ("Patient/1", 1)]),
        (10, 11, [("Patient/1", 2), observation]),
        (9, 11, [("Patient/1", 2), observation, ("Patient/1", 1)]),
        (99, 100, [("Patient/1", 3), observation]),
        (0, 100, [("Patient/1", 3), ("Patient/1", 2), observation, ("Patient/1", 1)]),
    ):
        page = await store.history(History(at=(START + timedelta(minutes=low), START + timedelta(minutes=high))))
        assert numbered(page.versions) == found
        assert page.total == len(found)


@pytest.mark.parametrize("level", [History(), History("Patient"), History("Patient", "1")])
async def test_history_pages_go_on_while_others_write(store: Store, level: History) -> None:
    for n in range(1, 8):
        await put(store, version("Patient/1", n, n))
        await put(store, version("Patient/2", n, n))
    whole = numbered((await store.history(History(level.resource_type, level.resource_id, limit=99))).versions)
    seen: list[tuple[str, int]] = []
    cursor, step = "", 8
    while True:
        asked = History(level.resource_type, level.resource_id, limit=2, cursor=cursor, needs_total=False)
        page = await store.history(asked)
        assert page.total is None
        seen += numbered(page.versions)
        if not page.cursor:
            break
        cursor = page.cursor
        await put(store, version("Patient/1", step, step))
        step += 1
    assert seen == whole


async def test_history_total_is_of_all_pages(store: Store) -> None:
    await three_versions(store)
    first = await store.history(History(limit=1))
    assert first.total == 4
    assert (await store.history(History(limit=1, cursor=first.cursor))).total == 4
    counted = await store.history(History(limit=0))
    assert (counted.versions, counted.total) == ([], 4)


async def test_history_is_governed_by_current_rows(store: Store) -> None:
    await put(store, version("Patient/1"), [token("open")])
    await put(store, version("Patient/1", 2, 1), [token("closed")])
    await put(store, version("Patient/2", 1, 2), [token("open")])
    page = await store.history(History("Patient", within=has_code("open")))
    assert (numbered(page.versions), page.total) == ([("Patient/2", 1)], 1)
    page = await store.history(History("Patient", "1", within=has_code("closed")))
    assert page.total == 2


# records and journal


async def test_records_are_kept_replaced_and_deleted_once(store: Store) -> None:
    async def write(transaction: Transaction) -> None:
        await transaction.put_record("user", "b", b"1")
        await transaction.put_record("user", "a", b"2")
        await transaction.put_record("user", "b", b"3")
        await transaction.put_record("client", "a", b"4")
        assert await transaction.record("user", "b") == b"3"
        assert await transaction.records("user") == [("a", b"2"), ("b", b"3")]

    await store.transact(write)
    assert await store.records("user") == [("a", b"2"), ("b", b"3")]
    assert await store.record("client", "a") == b"4"

    async def use(transaction: Transaction) -> bool:
        return await transaction.delete_record("user", "a")

    assert sum(await asyncio.gather(*(store.transact(use) for _ in range(10)))) == 1
    assert await store.record("user", "a") is None


async def test_expired_records_are_not_there(store: Store, clock: Clock) -> None:
    async def write(transaction: Transaction) -> None:
        await transaction.put_record("code", "1", b"x", clock() + timedelta(seconds=30))
        await transaction.put_record("code", "2", b"y")

    await store.transact(write)
    assert await store.record("code", "1") == b"x"
    clock.advance(30)
    assert await store.record("code", "1") is None
    assert await store.records("code") == [("2", b"y")]

    async def use(transaction: Transaction) -> bool:
        return await transaction.delete_record("code", "1")

    assert await store.transact(use) is False


async def test_the_journal_keeps_order_and_forgets(store: Store) -> None:
    store.journal(b"1")
    assert await store.journal_length() == 1

    async def write(transaction: Transaction) -> None:
        await transaction.journal(b"2")

    await store.transact(write)
    store.journal(b"3")
    assert await store.journal_length() == 3
    await store.transact(write)

    async def take(transaction: Transaction) -> list[bytes]:
        entries = await transaction.journalled(3)
        sequences = [sequence for sequence, _ in entries]
        assert await transaction.forget_journalled(sequences) == len(entries)
        assert await transaction.forget_journalled(sequences) == 0
        return [entry for _, entry in entries]

    assert sorted(await store.transact(take)) == [b"1", b"2", b"3"]
    assert await store.journal_length() == 1

    async def sequences(transaction: Transaction) -> list[int]:
        return [sequence for sequence, _ in await transaction.journalled(10)]

    first = await store.transact(sequences)
    await store.transact(take)
    await store.transact(write)
    assert await store.transact(sequences) > first


async def test_the_journal_is_durable_within_a_second(store: Store, make: Make) -> None:
    store.journal(b"entry")
    other = make()
    await other.open()
    for _ in range(100):
        if await other.journal_length():
            break
        await asyncio.sleep(0.05)
    assert await other.journal_length() == 1
    await other.close()


async def test_two_stores_on_one_database_see_each_other(store: Store, make: Make) -> None:
    other = make()
    await other.open()
    await put(store, version("Patient/1"), [token("a", "new-parameter", "http://new")])
    assert names((await other.search(Search("Patient", has_code("a", "new-parameter")))).versions) == ["Patient/1"]
    outcomes = await asyncio.gather(
        *(put(writer, version(f"Observation/{n}"), [token("x")]) for n in range(10) for writer in (store, other)),
        return_exceptions=True,
    )
    assert sum(outcome is None for outcome in outcomes) == 10
    for reader in (store, other):
        assert (await reader.search(Search("Observation", has_code("x"), needs_total=True))).total == 10
    await other.close()


async def test_what_a_contained_resource_says_is_not_said_by_its_container(store: Store) -> None:
    inside = (CONTAINED, "Location", 0, "here", (token("inside"), (POSITION, "near", 0, 48.8, 2.3)))
    await put(store, version("Observation/1"), [token("outside"), inside])
    for resource_type in ("Observation", ""):
        for condition in (has_code("inside"), Near("near", 48.8, 2.3, 1000.0)):
            assert (await store.search(Search(resource_type, condition))).versions == []
        found = await store.search(Search(resource_type, has_code("outside")))
        assert [one.reference for one in found.versions] == ["Observation/1"]
