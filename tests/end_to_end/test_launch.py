"""Launches against the demo: a professional picks a patient, an app registers itself, a patient takes an app back."""

import httpx
import pytest

from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import Demo
from tests.end_to_end.people import person_token


def get(demo: Demo, token: str, path: str) -> httpx.Response:
    return httpx.get(f"{demo.base}/{path}", headers={"Authorization": f"Bearer {token}"}, timeout=30)


@pytest.mark.spec("https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#launch-context")
def test_a_professional_picks_a_patient_and_the_token_is_for_her_alone(
    demo: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = person_token(demo, "dr.martin", "launch/patient patient/*.rs", monkeypatch, picks="DOMINIQUE")
    assert token["patient"] == "dominique"
    assert get(demo, token["access_token"], "Patient/dominique").status_code == 200
    assert get(demo, token["access_token"], "Patient/ruth").status_code == 404
    found = get(demo, token["access_token"], "AllergyIntolerance").json()
    assert {entry["resource"]["patient"]["reference"] for entry in found["entry"]} == {"Patient/dominique"}


def test_a_professional_without_relation_finds_nobody_to_pick(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StopIteration):
        person_token(demo, "dr.durand", "launch/patient patient/*.rs", monkeypatch, picks="DOMINIQUE")


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc7591#section-3")
def test_an_app_registers_itself_in_the_sandbox(demo: Demo) -> None:
    configuration = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    asked = {
        "client_name": "Une application à l'essai",
        "redirect_uris": ["http://127.0.0.1:9999/callback"],
        "grant_types": ["authorization_code"],
        "token_endpoint_auth_method": "none",
        "scope": "launch/patient patient/*.rs",
    }
    answer = httpx.post(configuration["registration_endpoint"], json=asked)
    assert answer.status_code == 201, answer.text
    assert answer.json()["client_id"]


def test_a_patient_sees_the_app_she_agreed_to_and_takes_it_back(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    token = person_token(demo, "ruth", "launch/patient patient/*.rs", monkeypatch)["access_token"]
    assert get(demo, token, "Patient/ruth").status_code == 200
    configuration = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    with Browser() as browser:
        browser.open(f"{demo.origin}/sign-in")
        browser.submit(login="ruth", password=demo.password("ruth"))
        browser.open(configuration["management_endpoint"])
        assert "Carnet" in browser.text
        withdrawal = next(form for form in browser.page.forms if form.action.endswith("/revoke"))
        browser.submit(action=withdrawal.action, button=("client_id", "carnet"))
    assert get(demo, token, "Patient/ruth").status_code == 401
