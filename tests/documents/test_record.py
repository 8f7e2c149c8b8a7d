"""The record's life as the DMP has it: TD0.2, TD0.3, TD1. Who may ask, what he is told, what it opens."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.conformance.publish import definitions
from fhir_server.documents import OPERATIONS
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from tests.documents.conftest import LABORATORY
from tests.documents.sharing.submissions import INS, NUMBER, Resource, patient, submission

pytestmark = pytest.mark.anyio
Ask = Callable[..., Awaitable[Response]]
HAS_CONSENTED = {"name": "consented", "valueBoolean": True}


@pytest.fixture
def ask(runtime: Runtime) -> Ask:
    async def ask(interaction: str, resource_type: str, grant: Grant = OPEN, **more: Any) -> Response:
        return await dispatch(Request(interaction, grant, resource_type, base_url="http://x/fhir", **more), runtime)

    return ask


@pytest.fixture
async def doctor(ask: Ask) -> Grant:
    created = await ask("create", "Practitioner", resource={"resourceType": "Practitioner"})
    assert created.version is not None
    return Grant("professional", created.version.reference, "lps", parse_scopes("user/*.cruds"), profession="10")


@pytest.fixture
async def record(ask: Ask) -> str:
    created = await ask("create", "Patient", resource=patient())
    assert created.version is not None
    return created.version.reference


def holder_of(record: str) -> Grant:
    return Grant("patient", record, "app", parse_scopes("patient/*.cruds"), patient_id=record.partition("/")[2])


async def invoke(ask: Ask, code: str, record: str, grant: Grant, *parameters: Resource) -> Resource:
    body = {"resourceType": "Parameters", "parameter": list(parameters)} if parameters else None
    response = await ask(f"${code}", "Patient", grant, resource_id=record.partition("/")[2], resource=body)
    return told(response)


def told(response: Response) -> Resource:
    found = {}
    for parameter in msgspec.json.decode(response.content)["parameter"]:
        found[parameter["name"]] = next(value for name, value in parameter.items() if name != "name")
    return found


async def status(ask: Ask, grant: Grant, number: str = NUMBER) -> Resource:
    return told(
        await ask("$record-status", "Patient", grant, parameters=(("identifier", f"{INS}|{number}"),), is_get=True)
    )


async def refused(awaited: Awaitable[Any]) -> int:
    with pytest.raises(FhirError) as refusal:
        await awaited
    return refusal.value.status


async def test_td0_2_tells_whether_there_is_a_record(ask: Ask, record: str, doctor: Grant) -> None:
    assert await status(ask, doctor, "1") == {"exists": False}
    found = await status(ask, doctor)
    assert found == {
        "exists": True,
        "patient": {"reference": record},
        "active": True,
        "attached": True,
        "authorised": False,
        "blocked": False,
        "attending": False,
    }
    assert (await status(ask, LABORATORY)).keys() == {"exists", "patient", "active", "attached"}
    assert await refused(status(ask, holder_of(record))) == 403
    assert await refused(ask("$record-status", "Patient", doctor, parameters=(("identifier", "1|2"),))) == 400


async def test_td0_3_opens_the_record_and_closes_it_again(ask: Ask, record: str, doctor: Grant) -> None:
    await ask("transaction", "", LABORATORY, resource=submission())

    async def sees() -> int:
        found = await ask("search", "DocumentReference", doctor)
        return len(msgspec.json.decode(found.content).get("entry", ()))

    assert await sees() == 0
    added = {"name": "action", "valueCode": "add"}
    assert await refused(invoke(ask, "authorise", record, doctor, added)) == 422
    assert await invoke(ask, "authorise", record, doctor, added, HAS_CONSENTED) == {"authorised": True}
    assert (await status(ask, doctor))["authorised"] is True
    assert await sees() == 1
    withdrawn = {"name": "action", "valueCode": "withdraw"}
    assert await invoke(ask, "authorise", record, doctor, withdrawn) == {"authorised": False}
    assert await sees() == 0


async def test_td0_3_for_one_consultation_ends_by_itself(ask: Ask, record: str, doctor: Grant) -> None:
    added = {"name": "action", "valueCode": "add"}
    past = {"name": "until", "valueDateTime": "2020-01-01"}
    assert await refused(invoke(ask, "authorise", record, doctor, added, HAS_CONSENTED, past)) == 400
    later = {"name": "until", "valueDateTime": "2099-01-01T00:00:00Z"}
    await invoke(ask, "authorise", record, doctor, added, HAS_CONSENTED, later)
    consents = await ask("search", "Consent", holder_of(record))
    (consent,) = [entry["resource"] for entry in msgspec.json.decode(consents.content)["entry"]]
    assert consent["provision"]["period"]["end"] == "2099-01-01T00:00:00Z"
    assert consent["verification"][0]["verified"] is True


async def test_who_was_blocked_adds_nothing(ask: Ask, record: str, doctor: Grant) -> None:
    scope = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
    block = {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [scope]},
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": record},
        "policyRule": {"text": "block"},
        "provision": {
            "type": "deny",
            "actor": [{"role": {"text": "blocked"}, "reference": {"reference": doctor.actor}}],
        },
    }
    await ask("create", "Consent", holder_of(record), resource=block)
    assert (await status(ask, doctor))["blocked"] is True
    added = {"name": "action", "valueCode": "add"}
    assert await refused(invoke(ask, "authorise", record, doctor, added, HAS_CONSENTED)) == 403
    assert await refused(invoke(ask, "authorise", record, LABORATORY, added, HAS_CONSENTED)) == 403


async def test_td1_1_makes_one_record_of_a_person(ask: Ask, doctor: Grant) -> None:
    async def open_record(grant: Grant, resource: Resource, *more: Resource) -> Resource:
        body = {"resourceType": "Parameters", "parameter": [{"name": "patient", "resource": resource}, *more]}
        response = await ask("$open-record", "Patient", grant, resource=body)
        assert response.status == 201
        return told(response)

    assert await refused(open_record(doctor, patient())) == 422
    assert await refused(open_record(doctor, patient(identifier=[]), HAS_CONSENTED)) == 422
    without_birth = {name: value for name, value in patient().items() if name != "birthDate"}
    assert await refused(open_record(doctor, without_birth, HAS_CONSENTED)) == 422
    assert await refused(open_record(LABORATORY, patient(), HAS_CONSENTED)) == 403
    made = await open_record(doctor, patient(), HAS_CONSENTED)
    assert made["active"] is True
    assert await refused(open_record(doctor, patient(), HAS_CONSENTED)) == 409


async def test_td1_2_and_td1_4_close_and_reopen(ask: Ask, record: str, doctor: Grant) -> None:
    assert await refused(invoke(ask, "close-record", record, doctor, HAS_CONSENTED)) == 403
    holder = holder_of(record)
    closed = await invoke(ask, "close-record", record, holder, {"name": "reason", "valueString": "déménagement"})
    assert closed["active"] is False
    found = await status(ask, doctor)
    assert (found["active"], found["closingCode"], found["closingReason"]) == (False, "closing", "déménagement")
    assert found["closedSince"]
    assert await refused(ask("transaction", "", LABORATORY, resource=submission())) == 403
    assert await refused(invoke(ask, "close-record", record, holder)) == 409
    assert await refused(invoke(ask, "reopen-record", record, doctor)) == 422
    assert (await invoke(ask, "reopen-record", record, doctor, HAS_CONSENTED))["active"] is True
    assert await refused(invoke(ask, "reopen-record", record, holder)) == 409
    await ask("transaction", "", LABORATORY, resource=submission())


async def test_a_token_without_the_scope_does_nothing_of_it(ask: Ask, record: str, doctor: Grant) -> None:
    narrow = replace(doctor, scopes=parse_scopes("user/Observation.rs"))
    added = {"name": "action", "valueCode": "add"}
    assert await refused(status(ask, narrow)) == 403
    assert await refused(invoke(ask, "authorise", record, narrow, added, HAS_CONSENTED)) == 403
    assert await refused(invoke(ask, "reopen-record", record, narrow, HAS_CONSENTED)) == 403


async def test_nobody_closes_the_record_of_another(ask: Ask, record: str) -> None:
    other = await ask("create", "Patient", resource=patient("180015912300178"))
    assert other.version is not None
    assert await refused(invoke(ask, "close-record", record, holder_of(other.version.reference))) == 404
    assert await refused(invoke(ask, "close-record", record, LABORATORY, HAS_CONSENTED)) == 403


async def test_what_the_operator_closed_only_the_operator_opens(ask: Ask, record: str, doctor: Grant) -> None:
    stored = msgspec.json.decode((await ask("read", "Patient", resource_id=record.partition("/")[2])).content)
    dmp = "https://interop.esante.gouv.fr/ig/fhir/dmp/StructureDefinition"
    closing = {"url": f"{dmp}/dmp-fermeture", "extension": [{"url": "dateFermeture", "valueDate": "2026-03-20"}]}
    await ask(
        "update", "Patient", resource_id=stored["id"], resource={**stored, "active": False, "extension": [closing]}
    )
    found = await status(ask, doctor)
    assert (found["active"], found["closedSince"]) == (False, "2026-03-20")
    assert await refused(invoke(ask, "reopen-record", record, doctor, HAS_CONSENTED)) == 403


async def test_td1_3_administrative_data_are_patched(ask: Ask, record: str, doctor: Grant) -> None:
    operations = msgspec.json.encode(
        [{"op": "add", "path": "/telecom", "value": [{"system": "phone", "value": "+33100000000"}]}]
    )
    asked = {"content": operations, "media_type": "application/json-patch+json"}
    asked |= {"resource_id": record.partition("/")[2]}
    assert await refused(ask("patch", "Patient", doctor, **asked)) == 404
    await invoke(ask, "authorise", record, doctor, {"name": "action", "valueCode": "add"}, HAS_CONSENTED)
    assert (await ask("patch", "Patient", doctor, **asked)).version_id == 2


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.code)
def test_an_operation_is_what_its_definition_says(operation: Any) -> None:
    by_url = {one["url"]: one for one in definitions() if one["resourceType"] == "OperationDefinition"}
    definition = by_url[operation.definition]
    assert definition["code"] == operation.code
    assert definition["affectsState"] is operation.is_affecting
    assert {level for level in ("system", "type", "instance") if definition[level]} == {*operation.levels}
    assert definition.get("resource", ["Resource"]) == [*operation.resource_types]
