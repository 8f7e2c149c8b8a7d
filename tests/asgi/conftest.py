"""The FHIR API over ASGI: the real embedded store, an open server, a clock that ticks."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.foundation.operation_outcome import Unauthenticated
from fhir_server.interactions.request import Limits, Runtime
from fhir_server.storage.sqlite.store import SqliteStore

ORIGIN = "http://fhir.example.fr"


async def grant_of(header: str) -> Grant:
    if header == "Bearer stolen":
        raise Unauthenticated("The token does not hold.")
    return OPEN


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    ticks, ids = count(), count(1)
    started = datetime(2026, 1, 1, tzinfo=UTC)
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    yield Runtime(
        store=store,
        now=lambda: started + timedelta(seconds=next(ticks)),
        new_id=lambda: f"new-{next(ids)}",
        limits=Limits(body_bytes=100_000, body_seconds=0.2),
    )
    await store.close()


@pytest.fixture
def api(runtime: Runtime) -> Api:
    return Api(runtime, grant_of, f"{ORIGIN}/fhir", origins=("https://app.example.fr",))


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(fhir_api(api))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        yield client
