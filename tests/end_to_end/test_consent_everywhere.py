"""A consent holds at the next request of every process, on the next page of a search, and no longer than it says."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.commands.proving.records import block, care_team, observation, patient
from fhir_server.foundation import fhir_json
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.storage.sqlite.store import SqliteStore

pytestmark = [pytest.mark.anyio, pytest.mark.spec("consent.html")]
DOCTOR = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.cruds"), profession="10")
PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")


class Clock:
    def __init__(self) -> None:
        self.moment = datetime(2026, 6, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def runtime(tmp_path: Path, clock: Clock) -> AsyncIterator[Runtime]:
    store = SqliteStore(tmp_path / "fhir.sqlite", now=clock)
    await store.open()
    ids = iter(range(10**6))
    runtime = Runtime(store, clock, lambda: f"new-{next(ids)}")
    await write(runtime, patient("1", "Martin"))
    for number in range(1, 6):
        await write(runtime, observation(f"o{number}", "1", "718-7", number))
    yield runtime
    await store.close()


async def write(runtime: Runtime, resource: dict[str, Any], grant: Grant = OPEN) -> None:
    content = fhir_json.format(resource)
    await dispatch(Request("update", grant, resource["resourceType"], resource["id"], content=content), runtime)


async def found(runtime: Runtime, *parameters: tuple[str, str]) -> dict[str, Any]:
    asked = Request("search", DOCTOR, "Observation", parameters=parameters, base_url="http://x/fhir")
    bundle: dict[str, Any] = msgspec.json.decode((await dispatch(asked, runtime)).content)
    return bundle


def permit(start: str, end: str) -> dict[str, Any]:
    """An explicit consent for one consultation."""
    consent = block("visit", "1", "Practitioner/doctor")
    return {**consent, "provision": {**consent["provision"], "type": "permit", "period": {"start": start, "end": end}}}


async def test_a_consent_for_one_consultation_begins_and_ends_by_itself(runtime: Runtime, clock: Clock) -> None:
    await write(runtime, permit("2026-06-01T09:00:00Z", "2026-06-01T09:29:59Z"))
    seen = []
    for minutes in (0, 539, 540, 569, 570):
        clock.moment = datetime(2026, 6, 1, tzinfo=UTC) + timedelta(minutes=minutes)
        seen.append((await found(runtime))["total"])
    assert seen == [0, 0, 5, 5, 0]


async def test_a_consent_that_is_withdrawn_between_two_pages_ends_the_second(runtime: Runtime) -> None:
    await write(runtime, care_team("team", "1", "Practitioner/doctor"))
    first = await found(runtime, ("_count", "2"))
    (cursor,) = [link["url"].partition("_cursor=")[2] for link in first["link"] if link["relation"] == "next"]
    following = (("_count", "2"), ("_cursor", cursor))
    assert len((await found(runtime, *following))["entry"]) == 2
    await dispatch(Request("create", PATIENT, "Consent", content=_new(block("x", "1", "Practitioner/doctor"))), runtime)
    assert (await found(runtime, *following)).get("entry") is None


def _new(resource: dict[str, Any]) -> bytes:
    return fhir_json.format({name: value for name, value in resource.items() if name != "id"})


ANOTHER_PROCESS = """
import asyncio, json, sys
from pathlib import Path
from tests.end_to_end.test_consent_everywhere import DOCTOR
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.app import now, new_id
from fhir_server.storage.sqlite.store import SqliteStore

async def serve():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    runtime = Runtime(store, now, new_id)
    print("ready", flush=True)
    for line in sys.stdin:
        try:
            status = (await dispatch(Request("read", DOCTOR, *line.split()), runtime)).status
        except FhirError as refusal:
            status = refusal.status
        print(json.dumps(status), flush=True)
    await store.close()

asyncio.run(serve())
"""


async def test_every_process_holds_to_it_at_its_next_request(runtime: Runtime, tmp_path: Path) -> None:
    arguments = (sys.executable, "-c", ANOTHER_PROCESS, str(tmp_path / "fhir.sqlite"))
    process = await asyncio.create_subprocess_exec(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None
    assert process.stdout is not None
    assert await process.stdout.readline() == b"ready\n"

    async def status() -> int:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"Observation o1\n")
        await process.stdin.drain()
        return int(json.loads(await process.stdout.readline()))

    try:
        statuses = [await status()]
        await write(runtime, care_team("team", "1", "Practitioner/doctor"))
        statuses.append(await status())
        await write(runtime, block("x", "1", "Practitioner/doctor"))
        statuses.append(await status())
        await write(runtime, {**block("x", "1", "Practitioner/doctor"), "status": "inactive"}, PATIENT)
        statuses.append(await status())
    finally:
        process.stdin.close()
        await process.wait()
    assert statuses == [404, 200, 404, 200]
