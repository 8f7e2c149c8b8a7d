"""People who sign in elsewhere, through a whole server: Pro Santé Connect, and a provider of patients."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.asgi.pages.test_openid import CLIENT, SECRET, provider
from tests.end_to_end.browser import Browser
from tests.end_to_end.conftest import Demo, demonstration

__all__ = ["provider"]
QUERY = {
    "response_type": "code",
    "client_id": "carnet",
    "redirect_uri": "http://127.0.0.1:1/callback",
    "scope": "launch/patient patient/*.rs",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}
DOMINIQUE = {
    "family_name": "Pat-Trois",
    "given_name": "Dominique Marie",
    "birthdate": "1979-03-28",
    "gender": "female",
    "birthplace": "51215",
}
pytestmark = pytest.mark.spec("openid-connect-core-1_0.html#CodeFlowAuth")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory, provider: str) -> Iterator[Demo]:
    """A demo whose operator named two providers; their secret is in a file."""
    folder = tmp_path_factory.mktemp("providers")
    (folder / "secret").write_text(SECRET, encoding="utf-8")
    tables = [
        f"""
[[provider]]
name = "{name}"
display = "Mon identité"
issuer = "{provider}/auth/realms/esante-wallet"
client_id = "{CLIENT}"
client_secret_file = "{folder / "secret"}"
"""
        for name in ("pro-sante-connect", "identite")
    ]
    (folder / "providers.toml").write_text("".join(tables), encoding="utf-8")
    (folder / "fhir-server.toml").write_text(f'providers = "{folder / "providers.toml"}"\n', encoding="utf-8")
    with demonstration(folder, "--config", str(folder / "fhir-server.toml")) as demo:
        yield demo


def tell(provider: str, **claims: str) -> None:
    httpx.post(f"{provider}/fault", content="")
    httpx.post(f"{provider}/told", json=claims)


def test_a_doctor_signs_in_with_pro_sante_connect_and_out_of_it(demo: Demo, provider: str) -> None:
    tell(provider, SubjectNameID="899700000018")
    with Browser() as browser:
        browser.open(f"{demo.origin}/sign-in/pro-sante-connect")
        assert "Claire MARTIN" in browser.text
        browser.submit(action="/sign-out")
        assert "Se déconnecter aussi de Pro Santé Connect" in browser.text
        browser.open(browser.page.xpath("//main//a/@href")[0])
        assert browser.location == f"{demo.origin}/sign-in"
        browser.open(f"{demo.origin}/account")
        assert browser.location == f"{demo.origin}/sign-in"


def test_a_doctor_whom_nobody_knew_enters_the_directory_and_opens_nothing(demo: Demo, provider: str) -> None:
    tell(provider, SubjectNameID="899700000995", given_name="Lou", family_name="NOUVEAU")
    with Browser() as browser:
        browser.open(f"{demo.origin}/sign-in/pro-sante-connect")
        assert "Lou NOUVEAU" in browser.text
        browser.open(str(httpx.URL(f"{demo.origin}/oauth/authorize", params=QUERY | {"aud": demo.base})))
        assert "Dominique" not in browser.text
        assert not browser.page.xpath("//button[@name='chosen']")
    headers = {"Authorization": f"Bearer {demo.guide['system_token']}"}
    asked = {"practitioner.identifier": "https://rpps.esante.gouv.fr|99700000995", "_include": "*"}
    found = httpx.get(f"{demo.base}/PractitionerRole", params=asked, headers=headers).json()
    types = [entry["resource"]["resourceType"] for entry in found["entry"]]
    assert sorted(types) == ["Organization", "Practitioner", "PractitionerRole"]


def test_a_patient_is_recognised_by_her_traits(demo: Demo, provider: str) -> None:
    tell(provider, **DOMINIQUE)
    with Browser() as browser:
        browser.open(f"{demo.origin}/sign-in/identite")
        browser.open(str(httpx.URL(f"{demo.origin}/oauth/authorize", params=QUERY | {"aud": demo.base})))
        browser.submit("http://127.0.0.1:1/", ("decision", "allow"), "/oauth/consent")
        form = {name: QUERY[name] for name in ("client_id", "redirect_uri")}
        form |= {"code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "grant_type": "authorization_code"}
        form["code"] = httpx.URL(browser.location).params["code"]
        token = httpx.post(f"{demo.origin}/oauth/token", data=form).json()
    assert token["patient"] == "dominique"


@pytest.mark.parametrize("name", list(DOMINIQUE))
def test_nobody_is_recognised_by_less(demo: Demo, provider: str, name: str) -> None:
    tell(provider, **{**DOMINIQUE, name: {"birthdate": "1979-03-27", "gender": "male"}.get(name, "63220")})
    refused = httpx.get(f"{demo.origin}/sign-in/identite", follow_redirects=True)
    assert refused.status_code == 403
    assert "aucun dossier" in refused.text


def test_the_secret_is_told_nowhere(demo: Demo) -> None:
    folder = Path(demo.guide["folder"]).parent
    assert SECRET not in (folder / "server.log").read_text(encoding="utf-8")
    assert SECRET not in (folder / "demo" / "demo.json").read_text(encoding="utf-8")
