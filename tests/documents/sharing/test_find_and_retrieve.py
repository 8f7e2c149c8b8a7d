"""ITI-66, ITI-67 and ITI-68: what PDSm's manager of documents answers, and what is new since a visit."""

import base64
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from lxml import etree

from fhir_server.app import grant_everyone
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.conformance.publish import publish
from fhir_server.foundation import fhir_xml
from fhir_server.interactions.request import Runtime
from tests.documents.conftest import BIOLOGY
from tests.documents.sharing.submissions import (
    INS,
    NUMBER,
    PDF,
    PDSM,
    Resource,
    binary,
    patient,
    practitioner,
    replacing,
    submission,
)

pytestmark = pytest.mark.anyio
XML = "application/fhir+xml"
BASE = "http://127.0.0.1:8080/fhir"
PATIENT = {"patient.identifier": f"{INS}|{NUMBER}"}


@pytest.fixture
async def client(runtime: Runtime) -> AsyncIterator[httpx.AsyncClient]:
    """A server without HTTP between, a patient and a published document."""
    await publish(runtime)
    transport = httpx.ASGITransport(fhir_api(Api(runtime, grant_everyone, BASE)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{BASE}/", timeout=30) as client:
        for resource in (patient(), {k: v for k, v in practitioner().items() if k != "id"}):
            await post(client, resource["resourceType"], resource)
        more = {"extension": [{"url": f"{PDSM}/pdsm-ext-is-archived", "valueBoolean": False}]}
        await post(client, "", submission(**more))
        yield client


async def post(client: httpx.AsyncClient, path: str, resource: Resource) -> Any:
    answer = await client.post(path, json=resource, headers={"content-type": "application/fhir+json"})
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


DOCUMENT_SEARCHES = {
    "type": "http://loinc.org|11488-4",
    "setting": "AMBULATOIRE",
    "facility": "SA07",
    "identifier": "urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.1",
    "creation": "2026-06-12",
    "security-label": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality|N",
    "status": "current",
    "isArchived": "false",
    "period-start": "ge2026-06-12T09:00:00+02:00",
    "period-end": "lt2026-06-13",
    "format": "urn:ihe:iti:xds:2017:mimeTypeSufficient",
    "category": "10",
    "period": "2026-06-12",
    "patient.identifier": f"{INS}|{NUMBER}",
    "author.family": "Leclerc",
    "author.given": "sophie",
    "author.identifier": "10101201234",
    "date": "ge2026-06-01",
}
LIST_SEARCHES = {
    "date": "ge2026-06-12",
    "designationType": "10",
    "status": "current",
    "title": "Consultation",
    "sourceId": "urn:oid:1.2.3",
    "code": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset",
    "source:Practitioner.family": "Leclerc",
    "source:Practitioner.given": "Sophie",
    "patient.identifier": f"{INS}|{NUMBER}",
}


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-67.html")
async def test_every_parameter_of_the_guide_finds_and_leaves_out(client: httpx.AsyncClient) -> None:
    for resource_type, asked in (("DocumentReference", DOCUMENT_SEARCHES), ("List", LIST_SEARCHES)):
        for name, value in asked.items():
            required = PATIENT | {name: value}
            found = (await client.get(resource_type, params=required)).json()
            assert found.get("total") == 1, (name, found)
            form = (await client.post(f"{resource_type}/_search", data=required)).json()
            assert form["total"] == 1, name
        none = await client.get(resource_type, params={"patient.identifier": f"{INS}|1"})
        assert none.json()["total"] == 0
    others = {"isArchived": "true", "period-end": "gt2027", "creation": "2025", "relatesto": "DocumentReference/1"}
    for name, value in (others | {"event": "x", "related": "Patient/none"}).items():
        assert (await client.get("DocumentReference", params={name: value})).json()["total"] == 0, name


async def test_answers_come_as_xml_too(client: httpx.AsyncClient) -> None:
    for resource_type in ("List", "DocumentReference"):
        answer = await client.get(resource_type, params=PATIENT, headers={"accept": XML})
        bundle = etree.fromstring(answer.content)
        assert bundle.find("{http://hl7.org/fhir}total").get("value") == "1"


async def test_a_submission_may_come_as_xml(client: httpx.AsyncClient) -> None:
    content = fhir_xml.format(submission("1.2.250.1.999.2", b"%PDF xml"))
    answer = await client.post("", content=content, headers={"content-type": XML, "accept": XML})
    assert answer.status_code == 200
    statuses = [one.get("value") for one in etree.fromstring(answer.content).iter("{http://hl7.org/fhir}status")]
    assert statuses == ["201 Created"] * 3


@pytest.mark.spec("https://profiles.ihe.net/ITI/MHD/ITI-68.html")
async def test_a_document_is_retrieved_raw_and_as_binary(client: httpx.AsyncClient) -> None:
    found = (await client.get("DocumentReference", params=PATIENT)).json()["entry"][0]["resource"]
    url = found["content"][0]["attachment"]["url"]
    for address in (url, f"{BASE}/{url}"):
        raw = await client.get(address, headers={"accept": "application/pdf"})
        assert (raw.status_code, raw.content) == (200, PDF)
        assert raw.headers["content-type"] == "application/pdf"
    as_json = (await client.get(url, headers={"accept": "application/fhir+json"})).json()
    assert base64.b64decode(as_json["data"]) == PDF
    as_xml = etree.fromstring((await client.get(url, headers={"accept": XML})).content)
    assert base64.b64decode(as_xml.find("{http://hl7.org/fhir}data").get("value")) == PDF
    assert (await client.get("Binary/unknown", headers={"accept": "application/pdf"})).status_code == 404


async def test_a_cda_is_retrieved_byte_for_byte(client: httpx.AsyncClient) -> None:
    posted = {
        "resourceType": "Parameters",
        "parameter": [{"name": "document", "resource": binary(BIOLOGY, "text/xml")}],
    }
    answer = await post(client, "DocumentReference/$generate-metadata", posted)
    reference = answer["parameter"][0]["valueReference"]["reference"]
    url = (await client.get(reference)).json()["content"][0]["attachment"]["url"]
    assert (await client.get(url, headers={"accept": "text/xml"})).content == BIOLOGY


async def test_what_is_new_since_the_last_visit_takes_two_requests(client: httpx.AsyncClient) -> None:
    """The DMP's own guide needs three and batches of twenty (FindSubmissionSets, GetAssociations, GetDocuments ...)."""
    first = await visit(client, "2026-01-01")
    (known,) = first
    await post(client, "", replacing("1.2.250.1.999.2", f"DocumentReference/{known}"))
    news = await visit(client, "2026-01-01")
    assert {one["status"] for one in news.values()} == {"current", "superseded"}
    # Who changed labels of a document that is known shows by its version.
    patch = [{"op": "replace", "path": "/status", "value": "superseded"}]
    answer = await client.patch(
        f"DocumentReference/{known}", json=patch, headers={"content-type": "application/json-patch+json"}
    )
    assert answer.status_code == 200


async def visit(client: httpx.AsyncClient, since: str) -> dict[str, Resource]:
    """The documents of submissions since an instant, with what they replace, by id."""
    code = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset"
    parameters = PATIENT | {"code": code, "status": "current", "date": f"ge{since}", "_include": "List:item"}
    lists = (await client.get("List", params=parameters)).json()["entry"]
    ids = [one["resource"]["id"] for one in lists if one["resource"]["resourceType"] == "DocumentReference"]
    asked = {"_id": ",".join(ids), "_include": "DocumentReference:relatesto"}
    found = (await client.get("DocumentReference", params=asked)).json()["entry"]
    return {one["resource"]["id"]: one["resource"] for one in found}


async def test_the_statement_says_what_is_true(client: httpx.AsyncClient) -> None:
    statement = (await client.get("metadata")).json()
    assert any(canonical.endswith("PDSm-GestionnaireDePartageDeDocuments") for canonical in statement["instantiates"])
    assert statement["implementationGuide"]
    of_type = {one["type"]: one for one in statement["rest"][0]["resource"]}
    offered = {one["name"]: one["definition"] for one in of_type["DocumentReference"]["searchParam"]}
    assert offered["isArchived"] == "https://interop.esante.gouv.fr/ig/fhir/pdsm/SearchParameter/PDSm-isArchived"
    assert {"creation", "period-start", "period-end", "related", "setting", "facility"} <= offered.keys()
    assert {"designationType", "sourceId", "authorOrg", "isArchived"} <= {
        one["name"] for one in of_type["List"]["searchParam"]
    }
    assert f"{PDSM}/pdsm-simplified-publish" in of_type["DocumentReference"]["supportedProfile"]
    parameter = (await client.get("SearchParameter/pdsm-isarchived")).json()
    assert parameter["code"] == "isArchived"
