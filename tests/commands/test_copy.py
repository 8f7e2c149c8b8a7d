"""`copy` moves a whole server: from SQLite to MongoDB and back it stays the same, also when it is interrupted."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fhir_server.access.grant import OPEN
from fhir_server.app import store_at
from fhir_server.commands import copy
from fhir_server.commands.local import call, opened
from fhir_server.commands.population import Population
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Request
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.storage.store import History, Search, Transaction
from tests.storage.mongod import database_of

NEVER_SHOWN = Console(quiet=True)


async def fill(settings: Settings) -> None:
    """People with observations, versions, a deletion, a masked document's Binary, records and a waiting audit entry."""
    async with opened(settings) as runtime:
        for bundle in Population().bundles(3, observations=8):
            await call(runtime, Request("transaction", OPEN, resource=bundle))
        for number in range(3):
            active = {"resourceType": "Patient", "id": "changed", "active": number % 2 == 0}
            await call(runtime, Request("update", OPEN, "Patient", "changed", resource=active))
        await call(runtime, Request("delete", OPEN, "Patient", "changed"))
        document: dict[str, Any] = {
            "resourceType": "DocumentReference",
            "id": "document",
            "status": "current",
            "content": [{"attachment": {"url": "Binary/image"}}],
            "meta": {"security": [{"system": "http://example.fr", "code": "masked"}]},
        }
        binary = {"resourceType": "Binary", "id": "image", "contentType": "image/png", "data": "AAAA"}
        await call(runtime, Request("update", OPEN, "Binary", "image", resource=binary))
        await call(runtime, Request("update", OPEN, "DocumentReference", "document", resource=document))

        async def work(transaction: Transaction) -> None:
            await transaction.put_record("client", "app", b"secret hash")
            await transaction.put_record("session", "one", b"x", datetime.now(UTC) + timedelta(days=1))
            await transaction.put_record("lease", "work", b"holder", datetime.now(UTC) + timedelta(days=1))

        await runtime.store.transact(work)


async def told(place: str) -> tuple[Any, ...]:
    """What can be asked of a store, in an order that does not depend on it."""
    store = store_at(place)
    await store.open()
    try:
        searches = []
        for resource_type in ("Patient", "Observation", "Binary", "DocumentReference"):
            page = await store.search(Search(resource_type, limit=100, needs_total=True))
            searches.append((page.total, [version.reference for version in page.versions]))
        history = await store.history(History("Patient", "changed"))
        entries = await store.transact(lambda transaction: transaction.journalled(1000))
        return searches, history.versions, [entry for _, entry in entries], await store.records("client")
    finally:
        await store.close()


@pytest.fixture
def source(tmp_path: Path) -> str:
    folder = tmp_path / "source"
    asyncio.run(fill(Settings(data=str(folder))))
    return str(folder)


def test_there_and_back_it_is_the_same_server(source: str, tmp_path: Path) -> None:
    there, back = database_of(tmp_path, "copied"), str(tmp_path / "back")
    assert copy.run(Settings(), source, there, NEVER_SHOWN) == 0
    assert copy.run(Settings(), there, back, NEVER_SHOWN) == 0
    first = asyncio.run(told(source))
    assert asyncio.run(told(there)) == first
    assert asyncio.run(told(back)) == first
    assert first[0][1][0] == 24


def test_an_interrupted_copy_goes_on(source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copy, "GROUP", 5)
    target = str(tmp_path / "target")
    own_rows, calls = copy._Copy._own_rows, 0

    def fails_in_the_middle(self: Any, versions: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 12:
            raise KeyboardInterrupt
        return own_rows(self, versions)

    monkeypatch.setattr(copy._Copy, "_own_rows", fails_in_the_middle)
    with pytest.raises(KeyboardInterrupt):
        copy.run(Settings(), source, target, NEVER_SHOWN)
    other = tmp_path / "other"
    with pytest.raises(SettingsRefused, match="another store"):
        copy.run(Settings(), str(other), target, NEVER_SHOWN)
    assert copy.run(Settings(), source, target, NEVER_SHOWN) == 0
    assert calls < 12 + 30
    assert asyncio.run(told(target)) == asyncio.run(told(source))


def test_a_store_that_is_not_empty_is_left_alone(source: str, tmp_path: Path) -> None:
    target = tmp_path / "target"
    asyncio.run(fill(Settings(data=str(target))))
    with pytest.raises(SettingsRefused, match="empty"):
        copy.run(Settings(), source, str(target), NEVER_SHOWN)
    with pytest.raises(SettingsRefused, match="same"):
        copy.run(Settings(), source, source, NEVER_SHOWN)


def test_a_difference_is_found(source: str, tmp_path: Path) -> None:
    target = str(tmp_path / "target")
    assert copy.run(Settings(), source, target, NEVER_SHOWN) == 0

    async def change() -> tuple[copy.Sum, copy.Sum]:
        async with opened(Settings(data=target)) as runtime:
            content = fhir_json.format({"resourceType": "Patient", "id": "changed"})
            current = await runtime.store.read("Patient", "changed")
            assert current is not None

            async def work(transaction: Transaction) -> None:
                changed = type(current)(current.resource_type, "changed", 5, current.last_updated, content)
                await transaction.put(changed, [])

            await runtime.store.transact(work)
            after = await copy.sum_of(runtime.store)
        async with opened(Settings(data=source)) as runtime:
            return await copy.sum_of(runtime.store), after

    before, after = asyncio.run(change())
    assert before.resources == after.resources
    assert before.versions + 1 == after.versions
    assert before.shown != after.shown
