"""`fhir-server audit`: whatever is done to the store's file behind the server's back shows, and is named."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import apsw
import pytest
from typer.testing import CliRunner

from fhir_server.__main__ import application
from fhir_server.access.grant import OPEN
from fhir_server.commands.local import call, opened
from fhir_server.interactions.request import Request
from fhir_server.interactions.trail import drain_all
from fhir_server.settings import Settings

RUNNER = CliRunner()
READS = 5


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a store whose trail has a few events, some by drains of several processes."""
    folder = tmp_path_factory.mktemp("trail")

    async def fill() -> None:
        for _ in range(2):
            async with opened(Settings(data=str(folder))) as runtime:
                patient = {"resourceType": "Patient", "id": "1"}
                await call(runtime, Request("update", OPEN, "Patient", "1", resource=patient))
                for _ in range(READS):
                    await call(runtime, Request("read", OPEN, "Patient", "1"))
                await drain_all(runtime)
                event = {
                    "resourceType": "AuditEvent",
                    "type": {"code": "rest"},
                    "recorded": "2026-01-01T00:00:00Z",
                    "agent": [{"requestor": True}],
                    "source": {"observer": {"display": "elsewhere"}},
                }
                await call(runtime, Request("create", OPEN, "AuditEvent", resource=event))

    asyncio.run(fill())
    connection = apsw.Connection(str(folder / "fhir.sqlite"))
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return (folder / "fhir.sqlite").read_bytes()


@pytest.fixture
def folder(kept: bytes, tmp_path: Path) -> Path:
    (tmp_path / "fhir.sqlite").write_bytes(kept)
    return tmp_path


def verified(folder: Path, *options: str) -> tuple[int, str]:
    result = RUNNER.invoke(application, ["audit", "verify", "--data", str(folder), *options])
    return result.exit_code, result.output


EVENTS = "(SELECT id FROM resource_type WHERE name = 'AuditEvent')"
THIRD = f"(SELECT rid FROM resource WHERE type = {EVENTS} ORDER BY rid LIMIT 1 OFFSET 2)"
FIFTH = f"(SELECT rid FROM resource WHERE type = {EVENTS} ORDER BY rid LIMIT 1 OFFSET 4)"


def id_of(folder: Path, rid: str) -> str:
    connection = apsw.Connection(str(folder / "fhir.sqlite"))
    found = str(connection.execute(f"SELECT id FROM resource WHERE rid = {rid}").fetchall()[0][0])
    connection.close()
    return found


def tampered(folder: Path, *statements: str) -> None:
    connection = apsw.Connection(str(folder / "fhir.sqlite"))
    for statement in statements:
        connection.execute(statement)
    connection.close()


def test_a_trail_that_nobody_touched_holds_also_against_a_link_noted_before(folder: Path) -> None:
    status, output = verified(folder)
    assert status == 0, output
    noted = output.split()[-1]
    count = int(noted.partition("-")[0])
    assert count >= 2 * READS + 4
    assert verified(folder, "--noted", noted)[0] == 0
    asyncio.run(_one_more(folder))
    assert verified(folder, "--noted", noted)[0] == 0
    forged = f"{count}-{'0' * 64}"
    status, output = verified(folder, "--noted", forged)
    assert status == 1
    assert "forged" in output
    assert verified(folder, "--noted", "nonsense")[0] == 2


async def _one_more(folder: Path) -> None:
    async with opened(Settings(data=str(folder))) as runtime:
        await call(runtime, Request("read", OPEN, "Patient", "1"))
        await drain_all(runtime)


CHANGED = f"UPDATE body SET content = CAST(replace(CAST(content AS TEXT), 'rest', 'rist') AS BLOB) WHERE rid = {THIRD}"
REMOVED = f"DELETE FROM resource WHERE rid = {THIRD}"
SWAPPED = (
    f"CREATE TEMP TABLE one AS SELECT content FROM body WHERE rid = {THIRD}",
    f"UPDATE body SET content = (SELECT content FROM body WHERE rid = {FIFTH}) WHERE rid = {THIRD}",
    f"UPDATE body SET content = (SELECT content FROM one) WHERE rid = {FIFTH}",
)
INSERTED = (
    "INSERT INTO resource SELECT 99999, type, 'inserted', 1, last_updated, 0, depositor "
    f"FROM resource WHERE rid = {THIRD}",
    f"INSERT INTO body SELECT 99999, content FROM body WHERE rid = {THIRD}",
    f"INSERT INTO index_rows SELECT 99999, content FROM index_rows WHERE rid = {THIRD}",
)
BLOCK = "(SELECT min(key) FROM record WHERE kind = 'audit chain 0')"


@pytest.mark.parametrize(
    ("statements", "what", "named"),
    [
        ((CHANGED,), "changed", lambda folder: id_of(folder, THIRD)),
        ((REMOVED,), "missing", lambda folder: id_of(folder, THIRD)),
        (SWAPPED, "changed", lambda folder: id_of(folder, FIFTH)),
        (INSERTED, "inserted", lambda folder: "AuditEvent/inserted"),
        ((f"DELETE FROM record WHERE key = {BLOCK}",), "removed", lambda folder: "removed 1:"),
        (("DELETE FROM record WHERE kind LIKE 'audit chain%'",), "inserted", lambda folder: id_of(folder, THIRD)),
    ],
    ids=["changed", "removed", "moved", "inserted", "its links removed", "the whole chain removed"],
)
def test_tampering_is_named(statements: tuple[str, ...], what: str, named: Callable[[Path], str], folder: Path) -> None:
    name = named(folder)
    tampered(folder, *statements)
    status, output = verified(folder)
    assert status == 1
    assert any(what in line and name in line for line in output.splitlines()), output


def test_an_event_that_the_server_itself_overwrote_shows(folder: Path) -> None:
    event_id = id_of(folder, THIRD)

    async def overwrite() -> None:
        async with opened(Settings(data=str(folder))) as runtime:
            await call(runtime, Request("delete", OPEN, "AuditEvent", event_id))

    asyncio.run(overwrite())
    status, output = verified(folder)
    assert status == 1
    assert "missing" in output
    assert event_id in output


def test_emergencies_are_listed(folder: Path) -> None:
    result = RUNNER.invoke(application, ["audit", "emergencies", "--data", str(folder)])
    assert result.exit_code == 0
    assert "reason" in result.output
