"""What exceeds a bound of the MongoDB engine is refused for good, whole and in words, not as if it might pass later."""

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fhir_server.foundation.operation_outcome import TooCostly, TooLarge
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import And, Condition, any_of
from fhir_server.storage.mongodb.store import MongoStore
from fhir_server.storage.store import Search, Transaction
from tests.storage.mongod import database_of, shared
from tests.storage.resources import START, has_code, put, version

pytestmark = pytest.mark.anyio
MEGABYTE = 1 << 20


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[MongoStore]:
    opened = MongoStore(database_of(tmp_path))
    await opened.open()
    yield opened
    await opened.close()


def binary(name: str, megabytes: int) -> Version:
    return Version("Binary", name, 1, START, b"secret" * (megabytes * MEGABYTE // 6))


async def test_a_resource_beyond_16_megabytes_is_refused_with_all_of_its_transaction(store: MongoStore) -> None:
    await put(store, binary("fits", 15))
    with pytest.raises(TooLarge, match="16 MB"):
        await put(store, binary("alone", 17))

    async def work(transaction: Transaction) -> None:
        await transaction.put(version("Patient/beside"), [])
        await transaction.put(binary("together", 17), [])

    with pytest.raises(TooLarge, match="16 MB"):
        await store.transact(work)
    assert await store.read("Patient", "beside") is None


async def test_a_transaction_beyond_the_engines_memory_is_refused(
    store: MongoStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The engine says so when its cache is small and one transaction large: here it is made to say so."""

    async def work(transaction: Transaction) -> None:
        for number in range(2):
            await transaction.put(binary(f"part{number}", 1), [])

    with shared().members[0].client() as client:
        failing = {"errorCode": 388, "failCommands": ["insert"], "appName": "fhir-server"}
        client.admin.command("configureFailPoint", "failCommand", mode={"times": 1}, data=failing)
    with caplog.at_level(logging.DEBUG, "fhir_server"), pytest.raises(TooLarge, match="several smaller"):
        await store.transact(work)
    assert await store.read("Binary", "part0") is None
    assert "secretsecret" not in caplog.text


async def test_a_search_nested_too_deep_is_refused(store: MongoStore) -> None:
    condition: Condition = has_code("a")
    for number in range(60):
        condition = any_of(And((condition, has_code("b"))), has_code(f"x{number}"))
    with pytest.raises(TooCostly, match="nested"):
        await store.search(Search("Patient", condition))
