"""A backup of the data files under fsyncLock is restored: consistent, with all that was acknowledged before it."""

import asyncio
import shutil
from pathlib import Path

import pytest

from fhir_server.storage.mongodb.store import MongoStore
from tests.storage.failing import Writers, check_nothing_is_lost, stored_numbers
from tests.storage.mongod import ReplicaSet

pytestmark = [pytest.mark.anyio, pytest.mark.slow]


async def test_files_copied_under_the_lock_are_a_consistent_backup(tmp_path: Path) -> None:
    members = ReplicaSet(1)
    (member,) = members.members
    backup = tmp_path / "backup"
    store = MongoStore(members.url("fhir"))
    await store.open()
    async with Writers([store], 8) as writers:
        await writers.more(30)
        with member.client() as client:
            await asyncio.to_thread(client.admin.command, "fsync", lock=True)
            before = set(writers.outcome.acknowledged)
            shutil.copytree(member.folder, backup, ignore=shutil.ignore_patterns("mongod.lock"))
            await asyncio.to_thread(client.admin.command, "fsyncUnlock")
        await writers.more(30)
    await check_nothing_is_lost(store, writers.outcome)
    await store.close()

    member.kill()
    shutil.rmtree(member.folder)
    shutil.move(backup, member.folder)
    member.start_again()
    await asyncio.to_thread(members.primary)
    restored = MongoStore(members.url("fhir"))
    await restored.open()
    left, right = await stored_numbers(restored, "left"), await stored_numbers(restored, "right")
    assert before <= left
    assert left == right == {int(key) for key, _ in await restored.records("pair")}
    assert left < writers.outcome.acknowledged
    await restored.close()
    members.close()
