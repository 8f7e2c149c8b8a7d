"""A server without HTTP: the real embedded store, a clock that ticks, ids that count."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN
from fhir_server.foundation import fhir_json
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.sqlite.store import Options, SqliteStore

BASE_URL = "http://fhir.example.fr/fhir"
Ask = Callable[..., Awaitable[Response]]


@pytest.fixture
def statements() -> list[str]:
    """What the store was asked, in its own language; clear it before what is to be counted."""
    return []


@pytest.fixture
async def runtime(tmp_path: Path, statements: list[str]) -> AsyncIterator[Runtime]:
    ticks, ids = count(), count(1)
    started = datetime(2026, 1, 1, tzinfo=UTC)
    store = SqliteStore(tmp_path / "fhir.sqlite", options=Options(recorder=statements.append))
    await store.open()
    yield Runtime(
        store=store,
        now=lambda: started + timedelta(seconds=next(ticks)),
        new_id=lambda: f"new-{next(ids)}",
    )
    await store.close()


@pytest.fixture
def ask(runtime: Runtime) -> Ask:
    """Answer one interaction of an open server: `ask("read", "Patient", "1")`; `body` is a resource."""

    async def ask(
        interaction: str, resource_type: str = "", resource_id: str = "", body: Any = None, **fields: Any
    ) -> Response:
        content = b"" if body is None else fhir_json.format(body)
        asked: dict[str, Any] = {"grant": OPEN, "base_url": BASE_URL, "content": content, **fields}
        request = Request(interaction, resource_type=resource_type, resource_id=resource_id, **asked)
        return await dispatch(request, runtime)

    return ask


def parsed(response: Response) -> dict[str, Any]:
    """The body of a response as JSON."""
    body: dict[str, Any] = msgspec.json.decode(response.content)
    return body


def patient(**elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **elements}


def observation(subject: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": subject},
        **elements,
    }
