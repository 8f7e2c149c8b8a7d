"""The main job, played against a real process with clients that others wrote: fhirpy, Authlib, requests-oauthlib.

The steps depend on one another and run in order: a laboratory pushes, a doctor reads, another cannot, the patient
masks, and reads who came.
"""

import base64
import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session as BackendSession
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from fhirpy import SyncFHIRClient
from joserfc.jwk import ECKey

from tests.end_to_end.conftest import Demo
from tests.end_to_end.people import person_token
from tests.storage.mongod import database_of

INS = "urn:oid:1.2.250.1.213.1.4.10|279035121518989"
TSH = "http://loinc.org|3016-3"
MASKED = {
    "system": "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument",
    "code": "MASQUE_PS",
}


class Story:
    """What one step leaves to the next."""

    document = ""
    binary = ""
    observation = ""
    vaccination = ""


@pytest.fixture(scope="module", params=["sqlite", "mongodb"])
def store_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The whole story is played on each backend."""
    return database_of(tmp_path_factory.mktemp("story"), "story") if request.param == "mongodb" else ""


@pytest.fixture(scope="module")
def story(store_url: str) -> Story:
    return Story()


@pytest.fixture(scope="module")
def tokens(store_url: str) -> dict[str, str]:
    return {}


def laboratory_token(demo: Demo) -> str:
    """SMART Backend Services with Authlib."""
    key = ECKey.import_key(json.loads(Path(demo.guide["laboratory_key"]).read_text(encoding="utf-8")))
    configuration = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    token_endpoint = configuration["token_endpoint"]
    with BackendSession(
        demo.guide["laboratory"], key, token_endpoint_auth_method="private_key_jwt", scope="system/*.crs"
    ) as client:
        claims, headers = {"exp": int(time.time()) + 240}, {"kid": key.kid}
        client.register_client_auth_method(PrivateKeyJWT(token_endpoint, claims, headers, "ES384"))
        token = client.fetch_token(token_endpoint, grant_type="client_credentials")
    return str(token["access_token"])


def client_of(demo: Demo, token: str) -> SyncFHIRClient:
    return SyncFHIRClient(demo.base, authorization=f"Bearer {token}")


def get(demo: Demo, token: str, path: str, accept: str = "application/fhir+json") -> httpx.Response:
    headers = {"Authorization": f"Bearer {token}", "Accept": accept}
    return httpx.get(f"{demo.base}/{path}", headers=headers, timeout=30)


def total(demo: Demo, token: str, query: str) -> int:
    answer = get(demo, token, f"{query}&_total=accurate")
    assert answer.status_code == 200, answer.text
    bundle = answer.json()
    assert len(bundle.get("entry", ())) == bundle["total"]
    return int(bundle["total"])


def push(demo: Demo, token: str, document: str) -> httpx.Response:
    return httpx.post(
        f"{demo.base}/$import-cda",
        content=Path(document).read_bytes(),
        headers={"Authorization": f"Bearer {token}", "Content-Type": "application/xml"},
        timeout=60,
    )


def parameter(answer: httpx.Response, name: str) -> Any:
    return next(found for found in answer.json()["parameter"] if found["name"] == name)


def test_01_nobody_reads_without_a_token(demo: Demo) -> None:
    answer = httpx.get(f"{demo.base}/Patient")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.json()["resourceType"] == "OperationOutcome"
    assert httpx.get(f"{demo.base}/metadata").json()["fhirVersion"] == "4.0.1"


def test_02_the_laboratory_pushes_a_report_and_a_vaccination_record(
    demo: Demo, story: Story, tokens: dict[str, str]
) -> None:
    tokens["laboratory"] = laboratory_token(demo)
    report, vaccination = (push(demo, tokens["laboratory"], document) for document in demo.guide["documents"])
    assert report.status_code == 201, report.text
    assert vaccination.status_code == 201, vaccination.text
    assert parameter(report, "patient")["valueReference"]["reference"] == "Patient/dominique"
    story.document = parameter(report, "document")["valueReference"]["reference"]
    story.vaccination = parameter(vaccination, "document")["valueReference"]["reference"]


def test_03_pushing_it_again_changes_nothing(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    again = push(demo, tokens["laboratory"], demo.guide["documents"][0])
    assert again.status_code == 200, again.text
    assert parameter(again, "created")["valueBoolean"] is False
    assert parameter(again, "document")["valueReference"]["reference"] == story.document
    assert get(demo, tokens["laboratory"], story.document).headers["etag"] == 'W/"1"'


def test_04_the_treating_doctor_finds_the_result(
    demo: Demo, story: Story, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens["martin"] = person_token(demo, "dr.martin", "user/*.rs openid fhirUser", monkeypatch)["access_token"]
    client = client_of(demo, tokens["martin"])
    patient = client.resources("Patient").search(identifier=INS).first()
    assert patient is not None
    found = client.resources("Observation").search(patient=patient.id, code=TSH, date__ge="2026").fetch()
    assert [(item["valueQuantity"]["value"], item["valueQuantity"]["unit"]) for item in found] == [(5.1, "m[IU]/L")]
    raw = get(demo, tokens["martin"], f"Observation?patient={patient.id}&code={TSH}").text
    assert '"value":5.10' in raw, "the digits of the document are kept"
    story.observation = f"Observation/{found[0].id}"
    vaccines = client.resources("Immunization").search(patient=patient.id).fetch()
    assert {"FICTIF-2", "FICTIF-3"} <= {item.get("lotNumber") for item in vaccines}


def test_05_and_reads_the_document_and_its_original(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    document = get(demo, tokens["martin"], story.document).json()
    attachment = document["content"][0]["attachment"]
    story.binary = attachment["url"]
    original = Path(demo.guide["documents"][0]).read_bytes()
    raw = get(demo, tokens["martin"], story.binary, accept="text/xml, application/xml")
    assert (raw.status_code, raw.content) == (200, original)
    as_resource = get(demo, tokens["martin"], story.binary).json()
    assert base64.b64decode(as_resource["data"]) == original
    copies = get(demo, tokens["martin"], "DocumentReference?patient=dominique&contenttype=application/pdf").json()
    copy = copies["entry"][0]["resource"]["content"][0]["attachment"]
    pdf = base64.b64decode(copy["data"]) if "data" in copy else get(demo, tokens["martin"], copy["url"], "*/*").content
    assert pdf.startswith(b"%PDF-")


def test_06_a_doctor_without_relation_learns_nothing(
    demo: Demo, story: Story, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens["durand"] = person_token(demo, "dr.durand", "user/*.rs", monkeypatch)["access_token"]
    for reference in (story.document, story.observation, story.binary, "Patient/dominique"):
        answer = get(demo, tokens["durand"], reference)
        assert answer.status_code == 404, f"{reference}: {answer.text}"
        assert get(demo, tokens["durand"], f"{reference}/_history").status_code == 404
    for query in (
        f"Patient?identifier={INS}",
        "Observation?patient=dominique",
        f"Observation?code={TSH}",
        "DocumentReference?patient=dominique",
        f"Patient?_has:Observation:patient:code={TSH}",
        f"Observation?patient.identifier={INS}",
    ):
        assert total(demo, tokens["durand"], query) == 0, query


def test_07_the_patient_masks_the_document(
    demo: Demo, story: Story, tokens: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = "patient/*.cruds launch/patient openid fhirUser"
    tokens["dominique"] = person_token(demo, "dominique", scope, monkeypatch)["access_token"]
    client = client_of(demo, tokens["dominique"])
    document = client.reference(story.document.split("/")[0], story.document.split("/")[1]).to_resource()
    document["securityLabel"] = [*document.get("securityLabel", []), {"coding": [MASKED]}]
    document.save()
    assert get(demo, tokens["dominique"], story.document).headers["etag"] == 'W/"2"'


def test_08_the_doctor_no_longer_sees_it(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    for reference in (story.document, f"{story.document}/_history/1", story.observation, story.binary):
        assert get(demo, tokens["martin"], reference).status_code == 404, reference
    assert get(demo, tokens["martin"], f"{story.document}/_history").status_code == 404
    for query in (
        f"Observation?patient=dominique&code={TSH}",
        f"DocumentReference?_id={story.document.split('/')[1]}",
        f"Composition?_source={story.document}",
        f"Provenance?target={story.document}",
        f"Patient?_id=dominique&_has:Observation:patient:code={TSH}",
    ):
        assert total(demo, tokens["martin"], query) == 0, query
    assert get(demo, tokens["martin"], f"AuditEvent?entity={story.document}").status_code == 403
    bundle = get(
        demo,
        tokens["martin"],
        "Patient?_id=dominique&_revinclude=Observation:patient&_revinclude=DocumentReference:patient&_revinclude=AllergyIntolerance:patient",
    ).json()
    shown = {f"{entry['resource']['resourceType']}/{entry['resource']['id']}" for entry in bundle["entry"]}
    assert not shown & {story.document, story.observation}
    assert {"Patient/dominique", "AllergyIntolerance/dominique-penicilline", story.vaccination} <= shown
    assert get(demo, tokens["martin"], story.vaccination).status_code == 200, "the other document stays visible"


def test_09_who_deposited_it_still_does(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    for reference in (story.document, story.observation, story.binary):
        assert get(demo, tokens["laboratory"], reference).status_code == 200, reference
    assert total(demo, tokens["laboratory"], f"Observation?code={TSH}") == 1


def test_10_the_patient_still_reads_it_and_who_accessed_what(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    assert get(demo, tokens["dominique"], story.document).status_code == 200
    client = client_of(demo, tokens["dominique"])
    events = client.resources("AuditEvent").search(patient="dominique").limit(200).fetch_all()
    told = {
        (
            agent["who"]["reference"],
            event["action"],
            entity["what"]["reference"].partition("/_history")[0],
            event["outcome"],
        )
        for event in events
        for agent in event["agent"]
        for entity in event.get("entity", ())
        if "reference" in agent.get("who", {}) and "reference" in entity.get("what", {})
    }
    assert ("Practitioner/dr-martin", "R", story.document, "0") in told
    assert ("Device/laboratoire-horizon", "C", story.document, "0") in told
    attempts = {row[3] for row in told if row[0] == "Practitioner/dr-durand" and row[2] == story.document}
    assert attempts == {"4"}, "they are told as refused"
    assert [event for event in events if event["recorded"] and event["type"]["code"] == "rest"]


def test_11_and_shows_it_again(demo: Demo, story: Story, tokens: dict[str, str]) -> None:
    client = client_of(demo, tokens["dominique"])
    document = client.reference("DocumentReference", story.document.split("/")[1]).to_resource()
    document["securityLabel"] = [label for label in document["securityLabel"] if label["coding"] != [MASKED]]
    document.save()
    for reference in (story.document, story.observation, story.binary):
        assert get(demo, tokens["martin"], reference).status_code == 200, reference
