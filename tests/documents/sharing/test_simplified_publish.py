"""ITI-105 and ITI-106: one document, and the server makes the rest."""

import asyncio
import base64
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Response
from tests.documents.conftest import BIOLOGY, LABORATORY
from tests.documents.sharing.conftest import Ask
from tests.documents.sharing.submissions import PDF, PDSM, RPPS, Resource, binary, document, patient, submission, url

pytestmark = pytest.mark.anyio


def simplified(unique_id: str = "1.2.250.1.999.1", content: bytes = PDF, **more: Any) -> Resource:
    made = document(unique_id, content, **more)
    made["meta"] = {"profile": [f"{PDSM}/pdsm-simplified-publish"]}
    attachment = made["content"][0]["attachment"]
    del attachment["url"], attachment["size"], attachment["hash"], made["securityLabel"]
    attachment["data"] = base64.b64encode(content).decode()
    return made


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-105.html")
async def test_the_document_is_split_and_described(ask: Ask, record: str, find: Any) -> None:
    response = await ask("create", "DocumentReference", LABORATORY, resource=simplified())
    assert (response.status, response.version_id) == (201, 1)
    stored = msgspec.json.decode(response.content)
    assert response.location == f"DocumentReference/{stored['id']}/_history/1"
    attachment = stored["content"][0]["attachment"]
    assert "data" not in attachment
    assert attachment["size"] == len(PDF)
    (held,) = await find("Binary")
    assert attachment["url"] == f"Binary/{held['id']}"
    assert base64.b64decode(held["data"]) == PDF
    (listed,) = await find("List")
    assert listed["entry"][0]["item"]["reference"] == f"DocumentReference/{stored['id']}"
    assert stored["securityLabel"][0]["coding"][0]["code"] == "N"


async def test_what_it_replaces_is_superseded_by_the_server(ask: Ask, record: str, find: Any) -> None:
    first = await ask("create", "DocumentReference", LABORATORY, resource=simplified())
    old = first.location.partition("/_history")[0]
    relates = [{"code": "replaces", "target": {"reference": old}}]
    more = simplified("1.2.250.1.999.2", b"%PDF 2", relatesTo=relates)
    await ask("create", "DocumentReference", LABORATORY, resource=more)
    statuses = {f"DocumentReference/{one['id']}": one["status"] for one in await find("DocumentReference")}
    assert sorted(statuses.values()) == ["current", "superseded"]
    assert statuses[old] == "superseded"


async def test_what_a_patient_deposits_is_told_apart_and_deleted_by_him(ask: Ask, record: str) -> None:
    holder = Grant("patient", record, "app", parse_scopes("patient/*.cruds"), patient_id=record.partition("/")[2])
    mine = simplified(subject={"reference": record}, author=[{"reference": record}])
    mine = {name: value for name, value in mine.items() if name not in ("contained", "authenticator", "context")}
    response = await ask("create", "DocumentReference", holder, resource=mine)
    stored = msgspec.json.decode(response.content)
    assert stored["category"][0]["coding"][0]["code"] == "90"
    own_type = mine | {"type": {"coding": [{"code": "DOCPAT02"}]}}
    own_type["masterIdentifier"] = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.2"}
    other = await ask("create", "DocumentReference", holder, resource=own_type)
    assert msgspec.json.decode(other.content)["category"][0]["coding"][0]["code"] == "42"
    patch = msgspec.json.encode([{"op": "replace", "path": "/status", "value": "entered-in-error"}])
    asked = {"resource_id": stored["id"], "content": patch, "media_type": "application/json-patch+json"}
    assert (await ask("patch", "DocumentReference", holder, **asked)).version_id == 2


async def test_one_of_many_at_once_is_stored(ask: Ask, record: str, find: Any) -> None:
    made = (ask("create", "DocumentReference", LABORATORY, resource=simplified()) for _ in range(6))
    answers = await asyncio.gather(*made, return_exceptions=True)
    assert sorted(getattr(answer, "status", 0) for answer in answers) == [201, *([409] * 5)]
    assert len(await find("DocumentReference")) == len(await find("Binary")) == 1


@pytest.mark.parametrize(
    ("more", "expression"),
    [
        ({"status": "superseded"}, "DocumentReference.status"),
        ({"masterIdentifier": {}}, "DocumentReference"),
        ({"subject": {"reference": "Patient/nobody"}}, "DocumentReference.subject"),
        ({"content": [{"attachment": {"contentType": "application/pdf", "title": "x"}}]}, "DocumentReference.content"),
        (
            {"content": [{"attachment": {"contentType": "application/pdf", "url": "http://x/1", "data": "eA=="}}]},
            "DocumentReference.content",
        ),
    ],
)
async def test_a_bad_one_is_refused_and_nothing_is_written(
    ask: Ask, record: str, find: Any, more: Resource, expression: str
) -> None:
    with pytest.raises(FhirError) as refused:
        await ask("create", "DocumentReference", LABORATORY, resource=simplified() | more)
    assert refused.value.status == 422
    assert refused.value.issues[0].expression[0].startswith(expression)
    assert await find("Binary") == await find("List") == await find("DocumentReference") == []


async def test_in_a_transaction_it_is_refused_rather_than_stored_unchecked(ask: Ask, record: str) -> None:
    asked = submission()
    asked["meta"] = {}
    asked["entry"] = [
        {
            "resource": simplified(subject={"reference": record}),
            "request": {"method": "POST", "url": "DocumentReference"},
        }
    ]
    with pytest.raises(FhirError, match="ITI-65"):
        await ask("transaction", grant=LABORATORY, resource=asked)


async def generate(ask: Ask, resource: Resource) -> str:
    posted = {"resourceType": "Parameters", "parameter": [{"name": "document", "resource": resource}]}
    response: Response = await ask("$generate-metadata", "DocumentReference", LABORATORY, resource=posted)
    (answer,) = msgspec.json.decode(response.content)["parameter"]
    reference: str = answer["valueReference"]["reference"]
    return reference


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-106.html")
async def test_metadata_are_made_of_a_cda(ask: Ask, find: Any) -> None:
    reference = await generate(ask, binary(BIOLOGY, "text/xml"))
    assert reference == await generate(ask, binary(BIOLOGY, "text/xml"))
    (listed,) = await find("List")
    assert listed["entry"] == [{"item": {"reference": reference}}]
    assert await find("Observation", code="3016-3")


async def test_metadata_are_made_of_a_fhir_document(ask: Ask, record: str, find: Any) -> None:
    author = {"resourceType": "Practitioner", "identifier": [{"system": RPPS, "value": "10101201234"}]}
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"coding": [{"system": "http://loinc.org", "code": "60591-5"}]},
        "subject": {"reference": url(2)},
        "date": "2026-06-12",
        "author": [{"reference": url(3)}],
        "title": "Synthèse médicale",
    }
    held = {
        "resourceType": "Bundle",
        "type": "document",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.9"},
        "timestamp": "2026-06-12T10:00:00+02:00",
        "entry": [
            {"fullUrl": url(1), "resource": composition},
            {"fullUrl": url(2), "resource": patient()},
            {"fullUrl": url(3), "resource": author},
        ],
    }
    reference = await generate(ask, held)
    (stored,) = await find("DocumentReference")
    assert reference == f"DocumentReference/{stored['id']}"
    assert stored["subject"]["reference"] == record
    assert stored["category"][0]["coding"][0]["code"] == "11"
    assert stored["content"][0]["attachment"]["url"].startswith("Bundle/")
    assert await find("DocumentReference", **{"author.identifier": "10101201234"})


@pytest.mark.parametrize(
    ("resource", "status"),
    [
        (binary(PDF), 415),
        (binary(b"<ClinicalDocument", "text/xml"), 400),
        ({"resourceType": "Bundle", "type": "collection"}, 400),
        ({"resourceType": "Patient"}, 400),
    ],
)
async def test_what_says_nothing_of_itself_is_refused(ask: Ask, resource: Resource, status: int) -> None:
    with pytest.raises(FhirError) as refused:
        await generate(ask, resource)
    assert refused.value.status == status
