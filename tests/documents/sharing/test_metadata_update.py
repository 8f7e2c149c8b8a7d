"""Metadata of a published document: what changes, by whom, in which of the three kinds of patch."""

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Response
from tests.documents.conftest import LABORATORY
from tests.documents.sharing.conftest import Ask, Provide, location
from tests.documents.sharing.submissions import NORMAL, PDSM, Resource, label, submission

pytestmark = pytest.mark.anyio
ARCHIVED = f"{PDSM}/pdsm-ext-is-archived"
JSON_PATCH = "application/json-patch+json"
PDSM_UPDATE = "https://interop.esante.gouv.fr/ig/fhir/pdsm/st_maj.html"
FEEDER = replace(LABORATORY, scopes=parse_scopes("system/*.cruds"))
UNIQUE_ID = (("identifier", "urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1"),)


@pytest.fixture
async def published(provide: Provide, record: str) -> str:
    return location(await provide(submission(), FEEDER), 1)


@pytest.fixture
async def doctor(ask: Ask, record: str) -> Grant:
    """A doctor of the patient's care team, who neither wrote nor deposited the document."""
    created = await ask("create", "Practitioner", resource={"resourceType": "Practitioner"})
    assert created.version is not None
    member = {"member": {"reference": created.version.reference}}
    team = {"resourceType": "CareTeam", "status": "active", "subject": {"reference": record}, "participant": [member]}
    await ask("create", "CareTeam", resource=team)
    return Grant("professional", created.version.reference, "lps", parse_scopes("user/*.cruds"), profession="10")


async def author(find: Any) -> Grant:
    (practitioner,) = await find("Practitioner", family="LECLERC")
    actor = f"Practitioner/{practitioner['id']}"
    return Grant("professional", actor, "lps", parse_scopes("user/*.cruds"), profession="10")


async def patch(ask: Ask, grant: Grant, *operations: Resource, **more: Any) -> Response:
    content = msgspec.json.encode(operations)
    more.setdefault("parameters", UNIQUE_ID)
    return await ask("patch", "DocumentReference", grant, content=content, media_type=JSON_PATCH, **more)


def set_to(path: str, value: Any) -> Resource:
    return {"op": "replace", "path": path, "value": value}


@pytest.mark.spec(PDSM_UPDATE)
async def test_labels_change_by_a_patch_on_the_unique_id(ask: Ask, published: str) -> None:
    response = await patch(ask, FEEDER, set_to("/securityLabel/0", label("MASQUE_PS")))
    assert (response.status, response.version_id) == (200, 2)
    shown = await patch(ask, FEEDER, set_to("/securityLabel/0", NORMAL))
    assert msgspec.json.decode(shown.content)["securityLabel"] == [NORMAL]


async def test_a_masked_document_is_gone_for_the_doctor_and_stays_with_its_author(
    ask: Ask, published: str, doctor: Grant, find: Any
) -> None:
    async def sees(grant: Grant) -> int:
        found = await ask("search", "DocumentReference", grant, parameters=(("status", "current"),))
        return len(msgspec.json.decode(found.content).get("entry", ()))

    writer = await author(find)
    assert (await sees(doctor), await sees(writer)) == (1, 1)
    await patch(ask, writer, set_to("/securityLabel/0", label("MASQUE_PS")))
    assert (await sees(doctor), await sees(writer)) == (0, 1)


async def test_a_document_is_hidden_from_the_patient_until_it_is_announced(
    ask: Ask, published: str, record: str
) -> None:
    patient_id = record.partition("/")[2]
    holder = Grant("patient", record, "app", parse_scopes("patient/*.cruds"), patient_id=patient_id)
    read = {"resource_id": published.partition("/")[2]}
    await ask("read", "DocumentReference", holder, **read)
    await patch(ask, FEEDER, set_to("/securityLabel/0", label("INVISIBLE_PATIENT")))
    with pytest.raises(FhirError) as hidden:
        await ask("read", "DocumentReference", holder, **read)
    assert hidden.value.status == 404
    await patch(ask, FEEDER, set_to("/securityLabel/0", NORMAL))
    assert (await ask("read", "DocumentReference", holder, **read)).status == 200


@pytest.mark.parametrize("operation", ["replace", "add"])
async def test_archiving_by_the_path_of_the_dmps_guide(ask: Ask, published: str, operation: str) -> None:
    path = f"/extension[url:'{ARCHIVED}']/valueBoolean"
    for value in (True, False):
        response = await patch(ask, FEEDER, {"op": operation, "path": path, "value": value})
        assert msgspec.json.decode(response.content)["extension"] == [{"url": ARCHIVED, "valueBoolean": value}]
    removed = await patch(ask, FEEDER, {"op": "remove", "path": path})
    assert "extension" not in msgspec.json.decode(removed.content)


async def test_archiving_by_json_pointer_fhirpath_and_xml(ask: Ask, published: str, find: Any) -> None:
    extension = {"url": ARCHIVED, "valueBoolean": True}
    await patch(ask, FEEDER, {"op": "add", "path": "/extension", "value": [extension]})
    await patch(ask, FEEDER, set_to("/extension/0/valueBoolean", False))
    path = f"DocumentReference.extension.where(url='{ARCHIVED}').value"
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": path},
        {"name": "value", "valueBoolean": True},
    ]
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    await ask("patch", "DocumentReference", FEEDER, resource=parameters, parameters=UNIQUE_ID)
    assert len(await find("DocumentReference", isArchived="true")) == 1
    xml = (
        b'<diff xmlns:f="http://hl7.org/fhir"><replace sel="f:DocumentReference/f:extension/f:valueBoolean/@value">'
        b"false</replace></diff>"
    )
    media_type = "application/xml-patch+xml"
    await ask("patch", "DocumentReference", FEEDER, content=xml, media_type=media_type, parameters=UNIQUE_ID)
    assert len(await find("DocumentReference", isArchived="false")) == 1
    assert len(await find("DocumentReference", **{"isArchived:not": "true"})) == 1


@pytest.mark.parametrize(
    ("operation", "status"),
    [
        ({"op": "replace", "path": "/extension[url:'x']/valueBoolean/0", "value": True}, 400),
        ({"op": "test", "path": f"/extension[url:'{ARCHIVED}']/valueBoolean", "value": True}, 400),
        ({"op": "remove", "path": f"/extension[url:'{ARCHIVED}']/valueBoolean"}, 409),
        ({"op": "replace", "path": f"/extension[url:'{ARCHIVED}']/valueBoolean", "value": "true"}, 422),
    ],
)
async def test_a_path_that_names_no_extension_is_explained(
    ask: Ask, published: str, operation: Resource, status: int
) -> None:
    with pytest.raises(FhirError) as refused:
        await patch(ask, FEEDER, operation)
    assert refused.value.status == status


@pytest.mark.spec(PDSM_UPDATE)
@pytest.mark.parametrize(
    "operation",
    [
        set_to("/masterIdentifier/value", "urn:oid:1.2.3"),
        set_to("/content/0/attachment/hash", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        set_to("/type/coding/0/code", "34133-9"),
        set_to("/date", "2026-01-01T00:00:00Z"),
        {"op": "add", "path": "/description", "value": "other"},
        {"op": "add", "path": "/extension", "value": [{"url": "http://x", "valueBoolean": True}]},
        {"op": "remove", "path": "/context/practiceSetting"},
    ],
    ids=lambda operation: operation["path"],
)
async def test_anything_else_is_405(ask: Ask, published: str, operation: Resource, find: Any) -> None:
    with pytest.raises(FhirError) as refused:
        await patch(ask, FEEDER, operation)
    assert refused.value.status == 405
    assert refused.value.issues[0].expression
    (stored,) = await find("DocumentReference")
    assert stored["meta"]["versionId"] == "1"
    changed = await patch(ask, OPEN, operation)
    assert changed.version_id == 2


async def test_an_update_is_held_to_the_same(ask: Ask, published: str, find: Any) -> None:
    (stored,) = await find("DocumentReference")
    asked = {"resource_id": stored["id"]}
    with pytest.raises(FhirError) as refused:
        await ask("update", "DocumentReference", FEEDER, resource={**stored, "description": "x"}, **asked)
    assert refused.value.status == 405
    masked = {**stored, "securityLabel": [label("MASQUE_PS")]}
    assert (await ask("update", "DocumentReference", FEEDER, resource=masked, **asked)).version_id == 2


async def test_a_submission_set_says_what_happened(ask: Ask, published: str, find: Any) -> None:
    (listed,) = await find("List")
    asked = {"resource_id": listed["id"]}
    with pytest.raises(FhirError) as refused:
        await ask("update", "List", FEEDER, resource={**listed, "title": "other"}, **asked)
    assert refused.value.status == 405
    archived = {**listed, "extension": [*listed["extension"], {"url": ARCHIVED, "valueBoolean": True}]}
    await ask("update", "List", FEEDER, resource=archived, **asked)
    assert len(await find("List", isArchived="true")) == 1


@pytest.mark.parametrize("status", ["entered-in-error", "superseded"])
async def test_only_author_and_depositor_delete(
    ask: Ask, published: str, doctor: Grant, find: Any, status: str
) -> None:
    with pytest.raises(FhirError) as refused:
        await patch(ask, doctor, set_to("/status", status))
    assert refused.value.status == 403
    response = await patch(ask, await author(find), set_to("/status", status))
    assert response.version_id == 2
    assert await find("DocumentReference", status="current") == []


async def test_what_was_deleted_does_not_come_back(ask: Ask, published: str) -> None:
    await patch(ask, FEEDER, set_to("/status", "entered-in-error"))
    with pytest.raises(FhirError) as refused:
        await patch(ask, FEEDER, set_to("/status", "current"))
    assert refused.value.status == 403


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"parameters": (("identifier", "urn:ietf:rfc:3986|urn:oid:9.9"),)}, 404),
        ({"parameters": (), "resource_id": "unknown"}, 404),
        ({"if_match": 'W/"7"'}, 412),
    ],
)
async def test_what_is_not_there_is_not_changed(ask: Ask, published: str, more: Resource, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        await patch(ask, FEEDER, set_to("/status", "superseded"), **more)
    assert refused.value.status == status


async def test_a_document_without_unique_id_is_a_plain_resource(ask: Ask, record: str) -> None:
    plain = {"resourceType": "DocumentReference", "status": "current", "subject": {"reference": record}}
    plain |= {"content": [{"attachment": {"title": "x"}}]}
    created = await ask("create", "DocumentReference", FEEDER, resource=plain)
    assert created.version is not None
    resource_id = created.version.resource_id
    changed = await patch(
        ask, FEEDER, {"op": "add", "path": "/description", "value": "x"}, parameters=(), resource_id=resource_id
    )
    assert changed.version_id == 2
