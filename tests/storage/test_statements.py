"""How many statements each question costs: a number that does not depend on what is stored."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.search.condition import ALWAYS, Condition, Exists, Identity, Not, Related, any_of
from fhir_server.search.index_row import DATE
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.sqlite.store import Options
from fhir_server.storage.store import History, Include, Search, Sort, Transaction
from tests.storage.resources import compartment, date, has_code, in_compartment, put, reference, token, version

pytestmark = pytest.mark.anyio
WITHIN: Condition = any_of(
    Related(("Practitioner/1",), ("care-team",)), in_compartment("1"), Not(has_code("hidden", "_security"))
)


class Counted:
    """A store and the statements it ran since the last question."""

    def __init__(self, path: Path) -> None:
        self.statements: list[str] = []
        self.store = SqliteStore(path, options=Options(recorder=self.statements.append))

    def clear(self) -> None:
        self.statements.clear()

    @property
    def count(self) -> int:
        count = len(self.statements)
        self.clear()
        return count


@pytest.fixture
async def counted(tmp_path: Path) -> AsyncIterator[Counted]:
    counted = Counted(tmp_path)
    await counted.store.open()
    await put(counted.store, version("Patient/1"), [compartment("1")])
    for n in range(5):
        await put(
            counted.store, version(f"Observation/{n}"), [token("a"), date(n), reference("Patient/1"), compartment("1")]
        )
    counted.clear()
    yield counted
    await counted.store.close()


@pytest.mark.parametrize("within", [ALWAYS, WITHIN])
async def test_a_read_is_one_statement(counted: Counted, within: Condition) -> None:
    for resource_id in ("1", "unknown"):
        await counted.store.read("Patient", resource_id, within)
        assert counted.count == 1
        await counted.store.vread("Patient", resource_id, 1, within)
        assert counted.count == 1


@pytest.mark.parametrize("resource_type", ["Observation", ""])
@pytest.mark.parametrize("sort", [(), (Sort("date", DATE, is_descending=True),), (Sort("_lastUpdated"), Sort("_id"))])
@pytest.mark.parametrize(
    "condition",
    [
        ALWAYS,
        has_code("a"),
        has_code("a", "never stored"),
        Identity(("1", "2")),
        Exists("subject", "Patient", in_compartment("1")),
        Exists("subject", "Observation", has_code("a"), is_reverse=True),
    ],
)
async def test_a_search_is_one_statement(
    counted: Counted, resource_type: str, sort: tuple[Sort, ...], condition: Condition
) -> None:
    page = await counted.store.search(Search(resource_type, condition, WITHIN, sort, limit=2))
    assert counted.count == 1
    if page.cursor:
        await counted.store.search(Search(resource_type, condition, WITHIN, sort, limit=2, cursor=page.cursor))
        assert counted.count == 1


async def test_a_total_is_one_more_only_when_the_page_does_not_tell(counted: Counted) -> None:
    await counted.store.search(Search("Observation", has_code("a"), limit=2, needs_total=True))
    assert counted.count == 2
    await counted.store.search(Search("Observation", has_code("a"), limit=20, needs_total=True))
    assert counted.count == 1
    await counted.store.search(Search("Observation", has_code("a"), limit=0, needs_total=True))
    assert counted.count == 1


async def test_all_includes_of_a_round_are_one_statement(counted: Counted) -> None:
    includes = (
        Include("subject", "Observation", (("Patient", WITHIN), ("Group", ALWAYS))),
        Include("part", "Observation", (("Observation", WITHIN),)),
        Include("subject", "", (("Observation", WITHIN), ("Encounter", WITHIN)), is_reverse=True),
    )
    page = await counted.store.search(Search("Observation", has_code("a"), WITHIN, includes=includes))
    assert len(page.included) == 1
    assert counted.count == 2


async def test_a_history_is_one_statement_and_one_for_its_total(counted: Counted) -> None:
    for asked in (History(), History("Observation"), History("Observation", "1")):
        await counted.store.history(asked)
        assert counted.count == 1
        await counted.store.history(History(asked.resource_type, asked.resource_id, limit=0, within=WITHIN))
        assert counted.count == 1
    await counted.store.history(History(limit=2))
    assert counted.count == 2


@pytest.mark.parametrize("entries", [1, 10, 100])
async def test_a_create_is_one_statement_and_a_constant_for_all(counted: Counted, entries: int) -> None:
    rows = [token("a"), date(1), reference("Patient/1"), compartment("1")]

    async def work(transaction: Transaction) -> None:
        for n in range(entries):
            await transaction.put(version(f"Observation/new{n}"), rows)

    await counted.store.transact(work)
    begin_commit, newest, resource_body_rows, families = 2, 1, 3, 4
    assert counted.count == entries + begin_commit + newest + resource_body_rows + families


async def test_a_printed_statement_is_kept(counted: Counted) -> None:
    session = counted.store._open_parts.inline
    for _ in range(3):
        await counted.store.read("Patient", "1", WITHIN)
    kept = len(session.statements)
    await counted.store.read("Patient", "2", WITHIN)
    assert len(session.statements) == kept
