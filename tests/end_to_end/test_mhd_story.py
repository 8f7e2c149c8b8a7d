"""A software of the DMP over PDSm and MHD, against a real process: fhirpy publishes and finds, httpx patches.

The steps depend on one another and run in order: TD0.2, TD2, TD3.1, TD3.2, TD2.1, TD0.3, TD3.3, TD1.
"""

from typing import Any

import httpx
import pytest
from fhirpy import SyncFHIRClient
from fhirpy.base.exceptions import ForbiddenError, OperationOutcome

from tests.documents.sharing.submissions import label, replacing, submission
from tests.end_to_end.conftest import Demo
from tests.end_to_end.people import person_token

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")
RECORD = "Patient/dominique"
INS = "urn:oid:1.2.250.1.213.1.4.10|279035121518989"
SUBMISSION_SETS = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes|submissionset"
FIRST, SECOND = b"%PDF-1.7 premier compte rendu", b"%PDF-1.7 second compte rendu"
Resource = dict[str, Any]


@pytest.fixture(scope="module")
def kept() -> dict[str, str]:
    """What one step leaves to the next."""
    return {}


@pytest.fixture(scope="module")
def tokens(demo: Demo) -> dict[str, str]:
    people = {
        "dominique": "launch/patient patient/*.cruds",
        "dr.martin": "user/*.cruds",
        "dr.durand": "user/*.cruds",
    }
    with pytest.MonkeyPatch.context() as monkeypatch:
        return {login: person_token(demo, login, scope, monkeypatch)["access_token"] for login, scope in people.items()}


def client(demo: Demo, token: str) -> SyncFHIRClient:
    return SyncFHIRClient(demo.base, authorization=f"Bearer {token}")


def of_dominique(bundle: Resource) -> Resource:
    """A submission for the patient of the demo: by her reference, and by the INS that the bundle contains."""
    for entry in bundle["entry"]:
        resource = entry["resource"]
        if "subject" in resource:
            resource["subject"] = {"reference": RECORD}
        for contained in resource.get("contained", ()):
            if contained["resourceType"] == "Patient":
                system, _, value = INS.partition("|")
                contained["identifier"] = [{"system": system, "value": value}]
    return bundle


def publish(demo: Demo, token: str, bundle: Resource) -> list[str]:
    answer = client(demo, token).execute("", method="POST", data=of_dominique(bundle))
    assert answer["type"] == "transaction-response"
    locations = [entry["response"]["location"] for entry in answer["entry"]]
    return [location.removeprefix(f"{demo.base}/").partition("/_history")[0] for location in locations]


def found(demo: Demo, token: str, **criteria: str) -> list[Resource]:
    asked = {"patient.identifier": INS, **criteria}
    return list(client(demo, token).resources("DocumentReference").search(**asked).fetch_all())


def change(demo: Demo, token: str, unique_id: str, path: str, value: Any) -> int:
    answer = httpx.patch(
        f"{demo.base}/DocumentReference",
        params={"identifier": f"urn:ietf:rfc:3986|urn:oid:{unique_id}"},
        json=[{"op": "replace", "path": path, "value": value}],
        headers={"authorization": f"Bearer {token}", "content-type": "application/json-patch+json"},
        timeout=30,
    )
    return answer.status_code


def invoke(demo: Demo, token: str, code: str, **values: Any) -> Resource:
    kinds = {bool: "valueBoolean", str: "valueString"}
    listed = [{"name": name, kinds[type(value)]: value} for name, value in values.items()]
    body: Resource = {"resourceType": "Parameters"} | ({"parameter": listed} if listed else {})
    answer = client(demo, token).execute(f"{RECORD}/${code}", method="POST", data=body)
    return {one["name"]: next(value for name, value in one.items() if name != "name") for one in answer["parameter"]}


def status(demo: Demo, token: str) -> Resource:
    answer = client(demo, token).execute("Patient/$record-status", method="GET", params={"identifier": INS})
    return {one["name"]: next(value for name, value in one.items() if name != "name") for one in answer["parameter"]}


def test_td0_2_the_record_is_there_and_open_to_one_of_them(demo: Demo, tokens: dict[str, str]) -> None:
    mine, other = (status(demo, tokens[login]) for login in ("dr.martin", "dr.durand"))
    assert (mine["exists"], mine["active"], mine["authorised"]) == (True, True, True)
    assert (other["exists"], other["active"], other["authorised"]) == (True, True, False)


def test_td2_a_report_is_published_and_found(demo: Demo, tokens: dict[str, str], kept: dict[str, str]) -> None:
    stored = publish(demo, tokens["dr.martin"], submission("1.2.250.1.999.70.1", FIRST))
    assert [reference.partition("/")[0] for reference in stored] == ["List", "DocumentReference", "Binary"]
    kept["document"] = stored[1]
    (document,) = found(demo, tokens["dr.martin"], status="current", type="http://loinc.org|11488-4")
    assert document["category"][0]["coding"][0]["code"] == "10"
    assert found(demo, tokens["dr.durand"], status="current") == []
    with pytest.raises(OperationOutcome, match="here already"):
        publish(demo, tokens["dr.martin"], submission("1.2.250.1.999.70.1", FIRST))


def test_td3_2_the_bytes_are_retrieved(demo: Demo, tokens: dict[str, str]) -> None:
    (document,) = found(demo, tokens["dr.martin"], identifier="urn:ietf:rfc:3986|urn:oid:1.2.250.1.999.70.1")
    url = f"{demo.base}/{document['content'][0]['attachment']['url']}"
    for login, code in (("dr.martin", 200), ("dr.durand", 404)):
        headers = {"authorization": f"Bearer {tokens[login]}", "accept": "application/pdf"}
        answer = httpx.get(url, headers=headers, timeout=30)
        assert answer.status_code == code
        assert code != 200 or answer.content == FIRST


def test_td2_1_the_report_is_replaced(demo: Demo, tokens: dict[str, str], kept: dict[str, str]) -> None:
    bundle = replacing("1.2.250.1.999.70.2", kept["document"], SECOND)
    publish(demo, tokens["dr.martin"], bundle)
    of_type = "http://loinc.org|11488-4"
    (document,) = found(demo, tokens["dr.martin"], status="current", type=of_type)
    assert document["relatesTo"][0]["target"]["reference"] == kept["document"]
    (old,) = found(demo, tokens["dr.martin"], status="superseded")
    assert f"DocumentReference/{old['id']}" == kept["document"]


def test_td0_3_the_patient_agrees_and_another_doctor_reads_what_is_new(demo: Demo, tokens: dict[str, str]) -> None:
    told = invoke(demo, tokens["dr.durand"], "authorise", action="add", consented=True)
    assert told == {"authorised": True}
    other = client(demo, tokens["dr.durand"])
    lists = other.execute(
        "List",
        method="GET",
        params={"patient.identifier": INS, "code": SUBMISSION_SETS, "status": "current", "date": "ge2026-06-12"},
    )
    items = {one["item"]["reference"] for found in lists["entry"] for one in found["resource"].get("entry", ())}
    ids = ",".join(item.partition("/")[2] for item in items)
    news = other.execute("DocumentReference", method="GET", params={"_id": ids, "type": "http://loinc.org|11488-4"})
    assert {one["resource"]["status"] for one in news["entry"]} == {"current", "superseded"}


def test_td3_3_masked_archived_and_deleted(demo: Demo, tokens: dict[str, str]) -> None:
    unique_id, archived = (
        "1.2.250.1.999.70.2",
        "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived",
    )
    identifier = f"urn:ietf:rfc:3986|urn:oid:{unique_id}"
    assert change(demo, tokens["dr.martin"], unique_id, "/securityLabel/0", label("MASQUE_PS")) == 200
    assert found(demo, tokens["dr.durand"], identifier=identifier) == []
    assert len(found(demo, tokens["dominique"], identifier=identifier)) == 1
    normal = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}
    assert change(demo, tokens["dr.martin"], unique_id, "/securityLabel/0", normal) == 200
    path = f"/extension[url:'{archived}']/valueBoolean"
    assert change(demo, tokens["dr.martin"], unique_id, path, True) == 200
    assert len(found(demo, tokens["dr.durand"], isArchived="true")) == 1
    assert change(demo, tokens["dr.martin"], unique_id, "/date", "2020-01-01T00:00:00Z") == 405
    assert change(demo, tokens["dr.durand"], unique_id, "/status", "entered-in-error") == 403
    assert change(demo, tokens["dr.martin"], unique_id, "/status", "entered-in-error") == 200
    assert found(demo, tokens["dr.durand"], identifier=identifier, status="current") == []


def test_td1_the_patient_closes_the_record_and_opens_it_again(demo: Demo, tokens: dict[str, str]) -> None:
    assert invoke(demo, tokens["dominique"], "close-record", reason="essai")["active"] is False
    assert status(demo, tokens["dr.martin"])["active"] is False
    with pytest.raises(ForbiddenError, match="closed"):
        publish(demo, tokens["dr.martin"], submission("1.2.250.1.999.70.3"))
    assert invoke(demo, tokens["dominique"], "reopen-record")["active"] is True
    publish(demo, tokens["dr.martin"], submission("1.2.250.1.999.70.3"))
