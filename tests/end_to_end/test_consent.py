"""The patient decides, over HTTP: her Consent opens her record to one doctor, and closes it to another, at once."""

from typing import Any

import httpx
import pytest

from tests.end_to_end.conftest import Demo
from tests.end_to_end.people import person_token


def consent(patient: str, doctor: str, provision: str) -> dict[str, Any]:
    role = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}]}
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}]
        },
        "category": [{"coding": [{"system": "http://loinc.org", "code": "59284-0"}]}],
        "patient": {"reference": patient},
        "policyRule": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTIN"}]},
        "provision": {"type": provision, "actor": [{"role": role, "reference": {"reference": doctor}}]},
    }


def send(demo: Demo, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
    return httpx.request(
        method, f"{demo.base}/{path}", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )


def test_a_consent_opens_and_closes_a_record_at_the_next_request(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    patient, treating, other = (
        person_token(demo, login, scope, monkeypatch)["access_token"]
        for login, scope in (
            ("dominique", "launch/patient patient/*.cruds"),
            ("dr.martin", "user/*.cruds"),
            ("dr.durand", "user/*.cruds"),
        )
    )
    record = "Patient/dominique"
    assert send(demo, treating, "GET", record).status_code == 200
    assert send(demo, other, "GET", record).status_code == 404

    permit = consent(record, "Practitioner/dr-durand", "permit")
    assert send(demo, other, "POST", "Consent", permit).status_code == 403, "nobody authorises himself"
    permitted = send(demo, patient, "POST", "Consent", permit)
    assert permitted.status_code == 201, permitted.text
    assert send(demo, other, "GET", record).status_code == 200
    assert send(demo, other, "GET", "AllergyIntolerance?patient=dominique").json()["total"] == 1

    denied = send(demo, patient, "POST", "Consent", consent(record, "Practitioner/dr-martin", "deny"))
    assert denied.status_code == 201, denied.text
    assert send(demo, treating, "GET", record).status_code == 404
    assert send(demo, treating, "GET", "AllergyIntolerance?patient=dominique").json()["total"] == 0

    for answer in (permitted, denied):
        assert send(demo, patient, "DELETE", f"Consent/{answer.json()['id']}").status_code == 204
    assert send(demo, other, "GET", record).status_code == 404
    assert send(demo, treating, "GET", record).status_code == 200
