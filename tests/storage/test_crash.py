"""kill -9 under load: nothing acknowledged is lost, nothing is half there, the database is sound."""

import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import apsw
import pytest

from fhir_server.search.index_row import RELATION
from fhir_server.storage.sqlite.rows import BEYOND_TABLES, FAMILIES, unpack
from fhir_server.storage.store import Store
from tests.storage.backends import BACKENDS
from tests.storage.mongod import DATABASE_VARIABLE, database_of

ROOT = Path(__file__).parents[2]
ROUNDS = 20

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


def killed(backend: str, folder: Path, start: str, seconds: float) -> dict[str, int]:
    """Run a writer, kill it, and return the greatest version that was acknowledged of each resource."""
    command = [sys.executable, "-m", "tests.storage.crash_writer", backend, str(folder), start]
    place = {DATABASE_VARIABLE: database_of(folder)} if backend == "mongodb" else {}
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT, env={**os.environ, **place})
    assert writer.stdout is not None
    assert writer.stdout.readline() == b"ready\n"
    time.sleep(seconds)
    writer.kill()
    lines = writer.stdout.read().decode().split("\n")[:-1]
    writer.stdout.close()
    writer.wait()
    acknowledged: dict[str, int] = {}
    for line in lines:
        name, number = line.split(" ")
        acknowledged[name] = max(int(number), acknowledged.get(name, 0))
    return acknowledged


async def stored_version(store: Store, name: str) -> int:
    stored = await store.read(*name.split("/"))
    return 0 if stored is None else stored.version_id


@pytest.mark.parametrize("backend", BACKENDS)
async def test_what_was_acknowledged_survives_kills(backend: str, tmp_path: Path) -> None:
    chance = random.Random(20261122)
    acknowledged: dict[str, int] = {}
    for number in range(ROUNDS):
        latest = killed(backend, tmp_path, str(number), chance.uniform(0.05, 0.7))
        acknowledged |= latest
        store: Store = BACKENDS[backend](tmp_path)
        await store.open()
        for name, version_id in latest.items():
            assert await stored_version(store, name) >= version_id
            assert await store.vread(*name.split("/"), version_id) is not None
        await store.close()
    assert len(acknowledged) > 20 * ROUNDS
    store = BACKENDS[backend](tmp_path)
    await store.open()
    for name, version_id in acknowledged.items():
        assert await stored_version(store, name) >= version_id
    await store.close()
    if backend == "sqlite":
        sound(tmp_path / "fhir.sqlite")


def sound(path: Path) -> None:
    """Assert that no transaction is half there and that every table tells the same."""
    connection = apsw.Connection(str(path))
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    together = connection.execute("SELECT id FROM resource WHERE id LIKE '%-t%'").fetchall()
    assert set(Counter(resource_id.rpartition("-")[0] for (resource_id,) in together).values()) == {3}
    numbers = [
        {rid for (rid,) in connection.execute(f"SELECT rid FROM {table}")}
        for table in ("resource", "body", "index_rows")
    ]
    assert numbers[0] == numbers[1] == numbers[2]
    assert connection.execute(
        "SELECT count(*) FROM resource r WHERE version_id - 1 <> (SELECT count(*) FROM history h WHERE h.rid = r.rid)"
    ).fetchall() == [(0,)]
    packed = {
        (family, *key, rid)
        for rid, content in connection.execute("SELECT rid, content FROM index_rows")
        for family, keys in unpack(content).items()
        for key in keys
    }
    indexed = set()
    connection.execute("INSERT INTO words (words) VALUES ('integrity-check')")
    for number, family in FAMILIES.items():
        if number in BEYOND_TABLES:
            continue
        columns = ", ".join(("p", *family.columns, "element", "rid"))
        indexed |= {(number, *row) for row in connection.execute(f"SELECT {columns} FROM {family.table}")}
    assert {key for key in packed if key[0] not in (RELATION, *BEYOND_TABLES)} == {
        key for key in indexed if key[0] != RELATION
    }
    connection.close()
