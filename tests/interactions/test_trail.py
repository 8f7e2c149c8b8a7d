"""Every access leaves AuditEvents that the patient can read, but for what is hidden from him."""

from base64 import b64decode
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import msgspec
import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.trail import drain, drain_all

pytestmark = pytest.mark.anyio

OPERATOR = Grant("system", "Device/operator", "operator", parse_scopes("system/*.cruds"), is_operator=True)
PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1", display="Fictive")
DOCTOR = Grant(
    "professional",
    "Practitioner/doctor",
    "software",
    parse_scopes("user/*.cruds"),
    profession="10",
    display="Dr Fictif",
)

Ask = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
async def ask_as(runtime: Runtime) -> Ask:
    async def ask_as(grant: Grant, interaction: str, reference: str, body: Any = None, query: str = "") -> Any:
        resource_type, _, resource_id = reference.partition("/")
        pairs = tuple((name, value) for name, _, value in (pair.partition("=") for pair in query.split("&") if pair))
        content = b"" if body is None else fhir_json.format(body)
        request = Request(
            interaction,
            grant,
            resource_type,
            resource_id,
            content=content,
            parameters=pairs,
            base_url="http://fhir.example.fr/fhir",
            request_id="r",
        )
        response = await dispatch(request, runtime)
        return msgspec.json.decode(response.content) if response.content else {}

    for resource in (
        {"resourceType": "Patient", "id": "1"},
        {"resourceType": "Patient", "id": "2"},
        document("d"),
        observation("o"),
        observation("g", meta={"source": "DocumentReference/d"}),
        {
            "resourceType": "CareTeam",
            "id": "t",
            "status": "active",
            "subject": {"reference": "Patient/1"},
            "participant": [{"member": {"reference": "Practitioner/doctor"}}],
        },
    ):
        await ask_as(OPERATOR, "update", f"{resource['resourceType']}/{resource['id']}", resource)
    return ask_as


def document(resource_id: str, label: str = "") -> dict[str, Any]:
    labels = [{"coding": [{"system": VISIBILITY_SYSTEM, "code": label}]}] if label else []
    resource = {
        "resourceType": "DocumentReference",
        "id": resource_id,
        "status": "current",
        "subject": {"reference": "Patient/1"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA"}}],
    }
    return resource | ({"securityLabel": labels} if labels else {})


def observation(resource_id: str, **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": resource_id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/1"},
        **elements,
    }


async def trail(ask_as: Ask, grant: Grant = PATIENT, actor: str = "Practitioner/doctor") -> list[dict[str, Any]]:
    """The events about an actor that a caller sees, the oldest first."""
    bundle = await ask_as(grant, "search", "AuditEvent", query="_count=500")
    events = [entry["resource"] for entry in bundle.get("entry", ())]
    return [event for event in events if any(agent["who"].get("reference") == actor for agent in event["agent"])]


def named(event: dict[str, Any]) -> list[str]:
    whats = [entity.get("what", {}) for entity in event.get("entity", ())]
    return [what["reference"] for what in whats if "reference" in what]


async def test_a_read_is_in_the_patients_trail_at_once(ask_as: Ask) -> None:
    await ask_as(DOCTOR, "read", "Observation/o")
    (event,) = await trail(ask_as)
    assert named(event) == ["Observation/o/_history/1", "Patient/1"]
    assert event["agent"][2]["name"] == "Dr Fictif"
    assert [await ask_as(PATIENT, "read", f"AuditEvent/{event['id']}")] == [event]
    stranger = msgspec.structs.replace(PATIENT, actor="Patient/2", patient_id="2")
    assert await trail(ask_as, stranger) == []


async def test_who_read_a_hidden_document_is_hidden_with_it_and_comes_back_with_it(ask_as: Ask) -> None:
    await ask_as(DOCTOR, "read", "DocumentReference/d")
    await ask_as(DOCTOR, "read", "Observation/g")
    await ask_as(DOCTOR, "read", "Observation/o")
    assert len(await trail(ask_as)) == 3
    await ask_as(OPERATOR, "update", "DocumentReference/d", document("d", "INVISIBLE_PATIENT"))
    assert [named(event)[0] for event in await trail(ask_as)] == ["Observation/o/_history/1"]
    assert len(await trail(ask_as, OPERATOR)) == 3
    await ask_as(OPERATOR, "update", "DocumentReference/d", document("d"))
    assert len(await trail(ask_as)) == 3


async def test_a_search_tells_the_patient_of_the_hidden_part_apart(ask_as: Ask) -> None:
    await ask_as(OPERATOR, "update", "DocumentReference/d", document("d", "INVISIBLE_PATIENT"))
    await ask_as(DOCTOR, "search", "Observation", query="code:text=x")
    assert [named(event) for event in await trail(ask_as)] == [["Patient/1"]]
    everything = await trail(ask_as, OPERATOR)
    assert sorted(named(event) for event in everything) == [[], ["DocumentReference/d", "Patient/1"], ["Patient/1"]]
    queries = [entity["query"] for event in everything for entity in event["entity"] if "query" in entity]
    assert {b64decode(query).decode() for query in queries} == {"Observation", "Observation?code:text=x"}


async def test_an_attempt_is_in_the_trail(ask_as: Ask) -> None:
    unrelated = msgspec.structs.replace(DOCTOR, actor="Practitioner/unrelated")
    with pytest.raises(FhirError):
        await ask_as(unrelated, "read", "Observation/o")
    (event,) = await trail(ask_as, actor="Practitioner/unrelated")
    assert (event["outcome"], named(event)) == ("4", ["Observation/o", "Patient/1"])


async def test_asking_for_a_hidden_document_leaves_the_trace_of_an_unknown_one(ask_as: Ask) -> None:
    await ask_as(OPERATOR, "update", "DocumentReference/d", document("d", "INVISIBLE_PATIENT"))
    for resource_id in ("d", "none"):
        with pytest.raises(FhirError):
            await ask_as(PATIENT, "read", f"DocumentReference/{resource_id}")
    hidden, unknown = (
        event for event in await trail(ask_as, PATIENT, "Patient/1") if event["subtype"][0]["code"] == "read"
    )
    assert hidden["entity"][0]["what"] == {"display": "DocumentReference/d"}
    assert [len(event["entity"]) for event in (hidden, unknown)] == [2, 2]


async def test_writes_are_traced_with_them(ask_as: Ask) -> None:
    await ask_as(PATIENT, "create", "Observation", observation("x"))
    creations = [
        event for event in await trail(ask_as, PATIENT, "Patient/1") if event["subtype"][0]["code"] == "create"
    ]
    (event,) = creations
    assert event["action"] == "C"
    assert named(event)[1] == "Patient/1"


async def test_the_professional_does_not_read_traces(ask_as: Ask) -> None:
    with pytest.raises(FhirError):
        await trail(ask_as, DOCTOR)


async def test_draining_by_parts_loses_and_repeats_nothing(ask_as: Ask, runtime: Runtime) -> None:
    await drain_all(runtime)
    for _ in range(5):
        await ask_as(DOCTOR, "read", "Observation/o")
    await ask_as(PATIENT, "read", "Observation/o")
    assert await runtime.store.journal_length() == 6
    assert await drain(runtime, 2) == 2
    assert await runtime.store.journal_length() == 4
    await drain_all(runtime)
    assert await runtime.store.journal_length() == 0
    assert len(await trail(ask_as)) == 5


async def test_two_that_drain_at_once_do_not_write_twice(ask_as: Ask, runtime: Runtime) -> None:
    await ask_as(DOCTOR, "read", "Observation/o")
    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(drain, runtime)
    assert len(await trail(ask_as)) == 1
