"""What is SQLite's own: refusals of its file, works that fail, searches that take too long."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly, Unavailable
from fhir_server.search.condition import ALWAYS, And, Compare, Exists, Not
from fhir_server.search.index_row import STRING
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.sqlite.migration import APPLICATION, scripts
from fhir_server.storage.sqlite.printing.comparison import after
from fhir_server.storage.sqlite.store import Options
from fhir_server.storage.store import Include, Search, Transaction
from tests.storage.resources import has_code, has_words, names, put, reference, token, version, words

pytestmark = pytest.mark.anyio
Run = Callable[[str], None]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    opened = SqliteStore(tmp_path / "fhir.sqlite", options=Options(busy_seconds=0.1))
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a script on the database as another program."""

    def run(script: str) -> None:
        connection = apsw.Connection(str(tmp_path / "fhir.sqlite"))
        connection.execute(script)
        connection.close()

    return run


async def reopened(tmp_path: Path) -> SqliteStore:
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    return store


async def test_a_newer_database_is_refused(store: SqliteStore, tmp_path: Path, run: Run) -> None:
    run(f"PRAGMA user_version={len(scripts()) + 1}")
    with pytest.raises(Unavailable, match="newer server"):
        await reopened(tmp_path)


async def test_an_older_database_is_brought_up(tmp_path: Path, run: Run) -> None:
    run(f"{scripts()[0]}; PRAGMA application_id={APPLICATION}; PRAGMA user_version=1")
    run("INSERT INTO resource_type VALUES (1, 'Patient'); INSERT INTO resource VALUES (1, 1, 'old', 1, 0, 0, '')")
    run("""INSERT INTO body VALUES (1, '{"id":"old"}'); INSERT INTO index_rows VALUES (1, '{}')""")
    store = await reopened(tmp_path)

    async def index(transaction: Transaction) -> None:
        await transaction.index("Patient", "old", [words("one")])

    assert await found_by_words(store, "one") == []
    await store.transact(index)
    assert await found_by_words(store, "one") == ["Patient/old"]
    await store.close()


async def found_by_words(store: SqliteStore, word: str) -> list[str]:
    return names((await store.search(Search("Patient", has_words(word)))).versions)


async def test_the_database_of_another_program_is_refused(tmp_path: Path, run: Run) -> None:
    run("CREATE TABLE other (x)")
    with pytest.raises(Unavailable, match="another program"):
        await reopened(tmp_path)


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "fhir.sqlite").write_bytes(b"no database at all" * 1000)
    with pytest.raises(Unavailable, match="no database"):
        await reopened(tmp_path)


async def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(Unavailable, match="folder"):
        await SqliteStore(tmp_path / "file" / "fhir.sqlite").open()


async def test_a_damaged_database_is_unavailable(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    for n in range(200):
        await put(store, version(f"Patient/{n}"), [token("a")])
    await store.close()
    path = tmp_path / "fhir.sqlite"
    content = bytearray(path.read_bytes())
    content[4096 * 3 :] = b"\xa5" * len(content[4096 * 3 :])
    path.write_bytes(content)
    with pytest.raises(Unavailable, match="damaged"):
        await _use(tmp_path)


async def _use(tmp_path: Path) -> None:
    store = await reopened(tmp_path)
    try:
        for n in range(200):
            await store.read("Patient", str(n))
    finally:
        await store.close()


async def test_a_locked_database_is_unavailable_then_serves_again(store: SqliteStore, tmp_path: Path) -> None:
    await put(store, version("Patient/1"))
    other = apsw.Connection(str(tmp_path / "fhir.sqlite"))
    other.execute("BEGIN IMMEDIATE")
    outcomes = await asyncio.gather(*(put(store, version(f"Patient/{n}")) for n in (2, 3)), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) and "locked" in str(outcome) for outcome in outcomes)
    assert await store.read("Patient", "1") is not None
    store.journal(b"entry")
    await asyncio.sleep(0.8)
    other.execute("ROLLBACK")
    other.close()
    await put(store, version("Patient/2"))
    assert await store.journal_length() == 1


async def test_a_full_disk_loses_the_group_and_nothing_else(store: SqliteStore) -> None:
    await put(store, version("Patient/1"), [token("a", "new")])
    engine = store._open_parts.connections[0]._engine
    pages = engine.pragma("page_count")
    engine.pragma("max_page_count", pages)
    content = b"x" * 1_000_000

    async def work(transaction: Transaction) -> None:
        stored = version("Patient/2")
        large = type(stored)("Patient", "2", 1, stored.last_updated, content)
        await transaction.put(large, [token("b", "newer", "http://new")])

    with pytest.raises(Unavailable, match="full"):
        await store.transact(work)
    assert await store.read("Patient", "2") is None
    engine.pragma("max_page_count", 1_000_000)
    await store.transact(work)
    assert names((await store.search(Search("Patient", has_code("b", "newer")))).versions) == ["Patient/2"]


async def test_a_refusal_of_the_engine_cannot_be_survived_inside(store: SqliteStore) -> None:
    engine = store._open_parts.connections[0]._engine
    engine.pragma("max_page_count", engine.pragma("page_count"))
    content = b"x" * 1_000_000

    async def work(transaction: Transaction) -> str:
        stored = version("Patient/2")
        await transaction.put(type(stored)("Patient", "2", 1, stored.last_updated, content), [])
        try:
            await transaction.read("Patient", "2")
        except Unavailable:
            return "went on"
        return "no error"

    with pytest.raises(Unavailable):
        await store.transact(work)
    assert await store.read("Patient", "2") is None


async def test_a_commit_that_fails_refuses_every_work_of_its_group(store: SqliteStore) -> None:
    engine = store._open_parts.connections[0]._engine
    engine.set_commit_hook(lambda: True)
    outcomes = await asyncio.gather(*(put(store, version(f"Patient/{n}")) for n in range(5)), return_exceptions=True)
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)
    engine.set_commit_hook(None)
    assert (await store.search(Search("Patient"))).versions == []
    await put(store, version("Patient/1"), [token("a")])
    assert names((await store.search(Search("Patient", has_code("a")))).versions) == ["Patient/1"]


async def test_a_search_that_takes_too_long_is_refused_and_others_go_on(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path, options=Options(search_seconds=0.05))
    await store.open()

    async def fill(transaction: Transaction) -> None:
        for n in range(400):
            rows = [token("a"), *(reference(f"Patient/{m}") for m in range(40))]
            await transaction.put(version(f"Patient/{n}"), rows)

    await store.transact(fill)
    absent = Compare(STRING, "name", (("exact", "contains", "x"),))
    costly = absent
    for _ in range(4):
        costly = Exists("subject", "Patient", And((Not(has_code("b")), costly)))
    with pytest.raises(TooCostly):
        await store.search(Search("Patient", costly))

    async def work(transaction: Transaction) -> None:
        with pytest.raises(TooCostly):
            await transaction.search(Search("Patient", costly))
        await transaction.put(version("Observation/1"), [])

    await store.transact(work)
    assert await store.read("Observation", "1") is not None
    await store.close()


async def test_a_search_that_is_not_short_leaves_the_loop_free(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path)
    await store.open()

    async def fill(transaction: Transaction) -> None:
        for n in range(3000):
            await transaction.put(version(f"Patient/{n}"), [(STRING, "name", 0, f"name {n}", f"Name {n}")])

    await store.transact(fill)
    threads = {thread.name for thread in threading.enumerate()}
    absent = And(tuple(Compare(STRING, "name", (("exact", "contains", f"x{n}"),)) for n in range(1)))
    asked = Search("Patient", Not(Not(absent)), needs_total=True)
    assert (await store.search(asked)).total == 0
    assert {thread.name for thread in threading.enumerate()} - threads == {"sqlite-reader_0"}
    await store.close()


async def test_more_values_than_arguments_are_searched(store: SqliteStore) -> None:
    await put(store, version("Patient/1"), [token("40000")])
    codes = tuple(str(n) for n in range(50_000))
    asked = Compare(1, "code", (("code", "in", codes),))
    assert names((await store.search(Search("Patient", asked))).versions) == ["Patient/1"]


async def test_expired_records_are_swept(store: SqliteStore, run: Run, tmp_path: Path) -> None:
    async def write(transaction: Transaction) -> None:
        await transaction.put_record("code", "1", b"x", version("Patient/1").last_updated.replace(year=2000))

    await store.transact(write)
    again = await reopened(tmp_path)
    await put(again, version("Patient/1"))
    connection = apsw.Connection(str(tmp_path / "fhir.sqlite"))
    assert connection.execute("SELECT count(*) FROM record").fetchall() == [(0,)]
    connection.close()
    await again.close()


@pytest.mark.parametrize(
    ("prefix", "following"),
    [("a", "b"), ("az", "a{"), ("a\U0010ffff", "b"), ("\U0010ffff", ""), ("\ud7ff", "\ue000"), ("é", "ê")],
)
def test_the_text_after_a_prefix(prefix: str, following: str) -> None:
    assert after(prefix) == following


async def test_a_search_is_explained(store: SqliteStore) -> None:
    for number in range(3):
        rows = [token("a"), token("b", "_tag"), reference("Patient/1")]
        await put(store, version(f"Observation/{number}"), rows)
    await put(store, version("Patient/1"))
    include = Include("subject", "Observation", (("Patient", ALWAYS),))
    asked = Search("Observation", has_code("a"), limit=2, needs_total=True, includes=(include,))
    explained = await store.explain(asked)
    assert (explained["matches"], explained["included"], explained["total"]) == (2, 1, 3)
    first, second, third = explained["statements"]
    assert "FROM token" in first["sql"]
    assert "a" in first["arguments"]
    assert any("SEARCH t1 USING PRIMARY KEY" in line for line in first["plan"])
    assert (first["rows"], second["rows"], third["rows"]) == (3, 1, 1)
    assert all(statement["steps"] > 0 and statement["scanned"] >= 0 for statement in explained["statements"])
    with pytest.raises(BadRequest):
        await store.explain(Search("Observation", cursor="x"))
