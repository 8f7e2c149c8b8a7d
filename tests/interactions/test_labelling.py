"""Who takes a visibility label away, and which labels exclude each other; a secret connection labels what it writes."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime

pytestmark = [pytest.mark.anyio, pytest.mark.spec("security-labels.html")]

OPERATOR = Grant("system", "Device/operator", "operator", parse_scopes("system/*.cruds"), is_operator=True)
LABORATORY = Grant("system", "Device/laboratory", "laboratory", parse_scopes("system/*.cruds"))
PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")
DOCTOR = Grant("professional", "Practitioner/doctor", "software", parse_scopes("user/*.cruds"), profession="10")
COLLEAGUE = replace(DOCTOR, actor="Practitioner/colleague")
MASKED, NOT_YET, SECRET = "MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"
Write = Callable[..., Awaitable[int]]


def document(*labels: str, **elements: Any) -> dict[str, Any]:
    resource = {
        "resourceType": "DocumentReference",
        "id": "d",
        "status": "current",
        "subject": {"reference": "Patient/1"},
        "content": [{"attachment": {"contentType": "text/plain", "data": "AAAA"}}],
        **elements,
    }
    return resource | ({"securityLabel": [coded(label) for label in labels]} if labels else {})


def coded(label: str) -> dict[str, Any]:
    return {"coding": [{"system": VISIBILITY_SYSTEM, "code": label}]}


@pytest.fixture
async def write(runtime: Runtime) -> Write:
    """Write as somebody; return the status."""

    async def write(grant: Grant, interaction: str, resource: dict[str, Any], **fields: Any) -> int:
        resource_id = "" if interaction == "create" else resource["id"]
        content = fields.pop("content", None) or fhir_json.format(resource)
        request = Request(interaction, grant, resource["resourceType"], resource_id, content=content, **fields)
        try:
            return (await dispatch(request, runtime)).status
        except FhirError as refusal:
            return refusal.status

    await write(OPEN, "update", {"resourceType": "Patient", "id": "1"})
    team = {"resourceType": "CareTeam", "id": "t", "status": "active", "subject": {"reference": "Patient/1"}}
    member = [{"member": {"reference": one}} for one in ("Practitioner/colleague", "Practitioner/doctor")]
    await write(OPEN, "update", {**team, "participant": member})
    return write


async def labels(runtime: Runtime, resource_id: str = "d") -> list[str]:
    version = await runtime.store.read("DocumentReference", resource_id)
    assert version is not None
    concepts = msgspec.json.decode(version.content).get("securityLabel", [])
    return [concept["coding"][0]["code"] for concept in concepts]


async def deposit(write: Write, runtime: Runtime, grant: Grant, *labels: str) -> dict[str, Any]:
    body = {name: value for name, value in document(*labels).items() if name != "id"}
    response = await dispatch(Request("create", grant, "DocumentReference", content=fhir_json.format(body)), runtime)
    assert response.version is not None
    return {**body, "id": response.version.resource_id}


REMOVAL = fhir_json.format([{"op": "remove", "path": "/securityLabel"}])


@pytest.mark.parametrize("depositor", [DOCTOR, LABORATORY], ids=["the doctor", "the laboratory"])
async def test_what_the_patient_masked_the_depositor_does_not_unmask(
    depositor: Grant, write: Write, runtime: Runtime
) -> None:
    own = await deposit(write, runtime, depositor)
    masked = own | {"securityLabel": [coded(MASKED)]}
    assert await write(PATIENT, "update", masked) == 200
    assert await write(depositor, "update", own) == 403
    patch = {"content": REMOVAL, "media_type": "application/json-patch+json"}
    assert await write(depositor, "patch", own, **patch) == 403
    assert await write(depositor, "update", masked | {"description": "corrected"}) == 200
    assert await labels(runtime, own["id"]) == [MASKED]
    assert await write(PATIENT, "update", own) == 200
    assert await labels(runtime, own["id"]) == []


async def test_who_masked_at_the_deposit_unmasks_until_the_patient_masks_himself(
    write: Write, runtime: Runtime
) -> None:
    own = await deposit(write, runtime, DOCTOR, MASKED)
    bare = {name: value for name, value in own.items() if name != "securityLabel"}
    assert await write(DOCTOR, "update", bare) == 200
    assert await write(DOCTOR, "update", own) == 200
    assert await write(PATIENT, "update", bare) == 200
    assert await write(PATIENT, "update", own) == 200
    assert await write(DOCTOR, "update", bare) == 403


async def test_a_colleague_announces_and_does_not_tell_the_parents(write: Write, runtime: Runtime) -> None:
    own = await deposit(write, runtime, DOCTOR, NOT_YET, SECRET)
    announced = own | {"securityLabel": [coded(SECRET)]}
    assert await write(COLLEAGUE, "update", announced) == 200
    bare = {name: value for name, value in own.items() if name != "securityLabel"}
    assert await write(COLLEAGUE, "update", bare) == 403
    assert await write(DOCTOR, "update", bare) == 200


async def test_an_item_is_not_hidden_from_everybody_unless_the_operator_allows_it(
    write: Write, runtime: Runtime
) -> None:
    assert await write(OPERATOR, "update", document(MASKED, NOT_YET)) == 422
    own = await deposit(write, runtime, DOCTOR, NOT_YET)
    assert await write(DOCTOR, "update", own | {"securityLabel": [coded(NOT_YET), coded(MASKED)]}) == 422
    lenient = replace(runtime, may_combine_labels=True)
    both = Request("update", OPERATOR, "DocumentReference", "d", content=fhir_json.format(document(MASKED, NOT_YET)))
    assert (await dispatch(both, lenient)).status == 201
    assert await write(OPERATOR, "update", document(MASKED, NOT_YET, description="kept")) == 200


async def test_what_a_secret_connection_writes_is_labelled_in_the_bytes_too(write: Write, runtime: Runtime) -> None:
    secret = replace(DOCTOR, is_secret=True)
    own = await deposit(write, runtime, secret)
    assert await labels(runtime, own["id"]) == [SECRET]
    parent = Grant("representative", "RelatedPerson/p", "app", parse_scopes("patient/*.cruds"), patient_id="1")
    await write(OPEN, "update", {"resourceType": "Patient", "id": "1", "birthDate": "2020-01-01"})
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}
    mother = {"resourceType": "RelatedPerson", "id": "p", "patient": {"reference": "Patient/1"}, "relationship": [role]}
    await write(OPEN, "update", mother)
    with pytest.raises(FhirError):
        await dispatch(Request("read", parent, "DocumentReference", own["id"]), runtime)
    assert (await dispatch(Request("read", parent, "Patient", "1"), runtime)).status == 200


def replacing(earlier: dict[str, Any], *labels: str, **elements: Any) -> dict[str, Any]:
    target = {"reference": f"DocumentReference/{earlier['id']}"}
    return document(*labels, relatesTo=[{"code": "replaces", "target": target}], **elements)


async def post(runtime: Runtime, grant: Grant, resource: dict[str, Any]) -> dict[str, Any]:
    body = {name: value for name, value in resource.items() if name != "id"}
    response = await dispatch(Request("create", grant, "DocumentReference", content=fhir_json.format(body)), runtime)
    return dict(msgspec.json.decode(response.content))


@pytest.mark.parametrize("label", [MASKED, NOT_YET, SECRET])
async def test_what_replaces_a_hidden_document_is_hidden_as_it_was(label: str, write: Write, runtime: Runtime) -> None:
    own = await deposit(write, runtime, DOCTOR, label)
    new = await post(runtime, DOCTOR, replacing(own))
    assert await labels(runtime, new["id"]) == [label]
    again = await post(runtime, DOCTOR, replacing(new, label))
    assert await labels(runtime, again["id"]) == [label]
    # A document that says later what it replaces is no way around it.
    plain = await deposit(write, runtime, DOCTOR)
    assert await write(DOCTOR, "update", {**replacing(again), "id": plain["id"]}) == 200
    assert await labels(runtime, plain["id"]) == [label]


async def test_what_the_patient_masked_stays_his_to_show_in_the_next_edition(write: Write, runtime: Runtime) -> None:
    own = await deposit(write, runtime, DOCTOR)
    assert await write(PATIENT, "update", own | {"securityLabel": [coded(MASKED)]}) == 200
    new = await post(runtime, DOCTOR, replacing(own))
    assert await labels(runtime, new["id"]) == [MASKED]
    shown = {name: value for name, value in new.items() if name != "securityLabel"}
    assert await write(COLLEAGUE, "read", new) == 404
    assert await write(DOCTOR, "update", shown) == 403
    assert await write(PATIENT, "update", shown) == 200
    assert await write(COLLEAGUE, "read", new) == 200


async def test_the_patient_says_himself_who_sees_what_he_replaces(write: Write, runtime: Runtime) -> None:
    own = await deposit(write, runtime, PATIENT, MASKED)
    assert await labels(runtime, (await post(runtime, PATIENT, replacing(own)))["id"]) == []


async def test_a_document_that_the_caller_does_not_see_gives_no_label(write: Write, runtime: Runtime) -> None:
    hidden = await deposit(write, runtime, LABORATORY, MASKED)
    assert await labels(runtime, (await post(runtime, COLLEAGUE, replacing(hidden)))["id"]) == []


async def test_masking_a_document_masks_the_editions_before_it(write: Write, runtime: Runtime) -> None:
    first = await deposit(write, runtime, LABORATORY)
    second = await post(runtime, LABORATORY, replacing(first))
    third = await post(runtime, LABORATORY, replacing(second))
    for old in (first, second):
        stored = await runtime.store.read("DocumentReference", old["id"])
        assert stored is not None
        ended = {**msgspec.json.decode(stored.content), "status": "superseded"}
        assert await write(LABORATORY, "update", ended) == 200
        assert await write(COLLEAGUE, "read", old) == 200
    part = {"resourceType": "Basic", "id": "p", "code": {"text": "part"}, "subject": {"reference": "Patient/1"}}
    part["meta"] = {"source": f"DocumentReference/{first['id']}"}
    assert await write(OPERATOR, "update", part) == 201
    assert await write(COLLEAGUE, "read", part) == 200
    masked = third | {"securityLabel": [coded(MASKED)]}
    assert await write(PATIENT, "update", masked) == 200
    for hidden in (first, second, third, part):
        assert await write(COLLEAGUE, "read", hidden) == 404
        assert await write(PATIENT, "read", hidden) == 200
    # Its deletion shows nothing of what it masked; showing it shows all.
    assert await write(LABORATORY, "delete", third) == 204
    assert await write(COLLEAGUE, "read", first) == 404
    assert await write(LABORATORY, "update", masked) == 201
    assert await write(PATIENT, "update", third) == 200
    for shown in (first, second, third, part):
        assert await write(COLLEAGUE, "read", shown) == 200


async def test_naming_a_document_hides_it_from_nobody(write: Write, runtime: Runtime) -> None:
    await write(OPEN, "update", {"resourceType": "Patient", "id": "2"})
    current = await deposit(write, runtime, LABORATORY)
    await post(runtime, DOCTOR, replacing(current, MASKED))
    assert await write(COLLEAGUE, "read", current) == 200
    assert await write(LABORATORY, "update", current | {"status": "superseded"}) == 200
    assert await write(COLLEAGUE, "read", current) == 404
    other = await deposit(write, runtime, LABORATORY)
    assert await write(LABORATORY, "update", other | {"status": "superseded"}) == 200
    await post(runtime, DOCTOR, replacing(other, MASKED, subject={"reference": "Patient/2"}))
    assert await write(COLLEAGUE, "read", other) == 200
