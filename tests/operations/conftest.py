"""A server without HTTP that offers the operations of the table."""

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
from fhir_server.operations import OPERATIONS
from fhir_server.storage.sqlite.store import SqliteStore

BASE_URL = "http://fhir.example.fr/fhir"
Ask = Callable[..., Awaitable[Response]]


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
        operations=OPERATIONS,
    )
    await store.close()


@pytest.fixture
def ask(runtime: Runtime) -> Ask:
    """Answer one interaction: `ask("$everything", "Patient/1", _count="2")`; names are parameters of the address."""

    async def ask(interaction: str, place: str = "", body: Any = None, /, **parameters: str) -> Response:
        return await asked(runtime, interaction, place, body, parameters=tuple(parameters.items()))

    return ask


async def asked(runtime: Runtime, interaction: str, place: str, body: Any = None, **fields: Any) -> Response:
    resource_type, _, resource_id = place.partition("/")
    content = b"" if body is None else fhir_json.format(body)
    made: dict[str, Any] = {"grant": OPEN, "base_url": BASE_URL, "content": content, "is_get": body is None, **fields}
    return await dispatch(Request(interaction, resource_type=resource_type, resource_id=resource_id, **made), runtime)


@pytest.fixture
def store(runtime: Runtime) -> Callable[..., Awaitable[None]]:
    """Store resources under their ids."""

    async def store(*resources: dict[str, Any]) -> None:
        for resource in resources:
            await asked(runtime, "update", f"{resource['resourceType']}/{resource['id']}", resource)

    return store


def parsed(response: Response) -> dict[str, Any]:
    body: dict[str, Any] = msgspec.json.decode(response.content)
    return body


def ids(bundle: dict[str, Any], mode: str = "match") -> list[str]:
    """The ids of the entries of a mode, the trail aside."""
    shown = [one["resource"] for one in bundle.get("entry", []) if one["search"]["mode"] == mode]
    return [one["id"] for one in shown if one["resourceType"] != "AuditEvent"]


def parameters(**named: Any) -> dict[str, Any]:
    """Parameters of `name={"valueX": ...}`."""
    made = [{"name": name, **part} for name, part in named.items()]
    return {"resourceType": "Parameters", "parameter": made}


def observation(name: str, patient: str = "1", code: str = "a", **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": name,
        "status": "final",
        "code": {"coding": [{"system": "urn:codes", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        **elements,
    }


def patient(name: str, **elements: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": name, **elements}
