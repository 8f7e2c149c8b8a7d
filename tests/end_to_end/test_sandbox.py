"""The sandbox: what the README says of it, run as it stands; and every kind of caller gets in."""

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from fhirclient import client as smart
from fhirclient.models.patient import Patient
from fhirclient.server import FHIRNotFoundException
from joserfc.jwk import ECKey

from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import Demo

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
pytestmark = pytest.mark.spec("https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html")


def test_the_readme_steps_work_as_they_stand(demo: Demo) -> None:
    script = README.partition("<!-- sandbox -->")[2].partition("```sh\n")[2].partition("```")[0]
    environment = {**os.environ, "DEMO": demo.guide["folder"]}
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script], env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "launch openid fhirUser offline_access patient/*.rs"


@pytest.mark.spec("SHALL let any origin read smart-configuration and metadata; registered ones use token and FHIR API")
def test_who_may_read_from_a_page(demo: Demo) -> None:
    own, any_page = {"Origin": "http://127.0.0.1:51111"}, {"Origin": "https://any.example"}
    allowed = "access-control-allow-origin"
    for path in ("fhir/.well-known/smart-configuration", "fhir/metadata", ".well-known/openid-configuration"):
        assert httpx.get(f"{demo.origin}/{path}", headers=any_page).headers[allowed] == "*"
        asked = {**any_page, "Access-Control-Request-Method": "GET"}
        if path.startswith("fhir"):
            assert httpx.options(f"{demo.origin}/{path}", headers=asked).headers[allowed] == "*"
    for path in ("fhir/Patient/dominique", "oauth/token"):
        method = "POST" if path == "oauth/token" else "GET"
        for headers, expected in ((own, own["Origin"]), (any_page, None)):
            answer = httpx.request(method, f"{demo.origin}/{path}", headers=headers)
            assert answer.headers.get(allowed) == expected, path


def software(demo: Demo, client_id: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in demo.guide["software"] if one["client_id"] == client_id)
    return found


def sign_in(demo: Demo, session: OAuth2Session, login: str, picks: str = "") -> dict[str, Any]:
    """The token that a person gives an app built on Authlib."""
    back = "http://127.0.0.1:51999/callback"
    verifier = "v" * 43
    configuration = httpx.get(f"{demo.base}/.well-known/smart-configuration").json()
    url, _ = session.create_authorization_url(
        configuration["authorization_endpoint"], redirect_uri=back, code_verifier=verifier, aud=demo.base
    )
    with Browser() as browser:
        browser.open(url)
        browser.submit(login=login, password=demo.password(login))
        if picks:
            browser.submit(action="/oauth/pick", button=browser.button(picks))
        browser.submit(stop_at=back, action="/oauth/consent", button=("decision", "allow"))
        returned = browser.location
    token: dict[str, Any] = session.fetch_token(
        configuration["token_endpoint"], authorization_response=returned, redirect_uri=back, code_verifier=verifier
    )
    return token


def app(demo: Demo, client_id: str, scope: str) -> OAuth2Session:
    told = software(demo, client_id)
    proof: dict[str, Any] = {"token_endpoint_auth_method": "none"}
    if told["secret"]:
        proof = {"client_secret": told["secret"], "token_endpoint_auth_method": "client_secret_basic"}
    elif told["key"]:
        key = ECKey.import_key(json.loads(Path(told["key"]).read_text(encoding="utf-8")))
        method = PrivateKeyJWT(f"{demo.origin}/oauth/token", {"exp": int(time.time()) + 240}, {"kid": key.kid}, "ES384")
        proof = {"client_secret": key, "token_endpoint_auth_method": method}
    return OAuth2Session(client_id, scope=scope, code_challenge_method="S256", **proof)


@pytest.mark.parametrize("client_id", ["carnet", "carnet-secret", "carnet-cle"])
def test_each_kind_of_app_gets_in(demo: Demo, client_id: str) -> None:
    with app(demo, client_id, "openid fhirUser launch/patient offline_access patient/*.read") as session:
        token = sign_in(demo, session, "ruth")
        assert (token["patient"], token["scope"].split()[-1]) == ("ruth", "patient/*.read")
    with app(demo, client_id, "") as session:  # a new one: Authlib would send the same jti again
        again = session.refresh_token(f"{demo.origin}/oauth/token", token["refresh_token"])
        assert again["refresh_token"] != token["refresh_token"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_python_client_of_smart_gets_in(demo: Demo) -> None:
    back = "http://127.0.0.1:51999/callback"
    settings = {"app_id": "carnet", "api_base": f"{demo.base}/", "redirect_uri": back}
    client = smart.FHIRClient(settings={**settings, "scope": "launch/patient openid fhirUser user/*.rs"})
    with Browser() as browser:
        browser.open(client.authorize_url)
        browser.submit(login="ruth", password=demo.password("ruth"))
        browser.submit(stop_at=back, action="/oauth/consent", button=("decision", "allow"))
        client.handle_callback(browser.location)
    assert client.patient_id == "ruth"
    assert client.patient.birthDate.isostring == "1977-07-14"
    with pytest.raises(FHIRNotFoundException):
        Patient.read("dominique", client.server)


@pytest.mark.parametrize(
    ("login", "scope", "patient", "reference"),
    [
        ("dominique", "launch/patient patient/*.rs", "dominique", "Patient/dominique"),
        ("sarah", "launch/patient patient/*.rs", "leo", "RelatedPerson/leo-mere"),
        ("karim", "launch/patient patient/*.rs", "leo", "RelatedPerson/leo-pere"),
        ("leroy", "user/*.rs", "leo", "Practitioner/infirmier-leroy"),
        ("dr.martin", "user/*.rs", "leo", "Practitioner/dr-martin"),
    ],
)
def test_each_kind_of_person_gets_in(demo: Demo, login: str, scope: str, patient: str, reference: str) -> None:
    with app(demo, "carnet", f"openid fhirUser {scope}") as session:
        token = sign_in(demo, session, login)
        bearer = {"Authorization": f"Bearer {token['access_token']}"}
        assert httpx.get(f"{demo.base}/Patient/{patient}", headers=bearer).status_code == 200
        state = httpx.post(f"{demo.origin}/oauth/introspect", data={"token": token["access_token"]}, headers=bearer)
        assert state.json()["fhirUser"] == f"{demo.base}/{reference}"


def test_an_encounter_is_picked(demo: Demo) -> None:
    with app(demo, "carnet", "launch/encounter launch/patient patient/*.rs") as session:
        token = sign_in(demo, session, "dominique", picks="2026-11-02")
        assert (token["patient"], token["encounter"]) == ("dominique", "dominique-suivi")


def test_operators_read_no_record(demo: Demo) -> None:
    with app(demo, "carnet", "openid fhirUser user/*.rs") as session:
        assert sign_in(demo, session, "alix")["scope"] == "openid fhirUser"


def test_the_system_token_writes_with_its_own_ids(demo: Demo) -> None:
    bearer = {"Authorization": f"Bearer {demo.guide['system_token']}"}
    content = {"resourceType": "Observation", "id": "e1", "status": "final", "code": {"text": "essai"}}
    content["subject"] = {"reference": "Patient/ruth"}
    assert httpx.put(f"{demo.base}/Observation/e1", json=content, headers=bearer).status_code == 201
    assert httpx.get(f"{demo.base}/Observation/e1", headers=bearer).status_code == 200
