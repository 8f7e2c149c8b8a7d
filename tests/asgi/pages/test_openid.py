"""Sign in with Pro Santé Connect, and with an OpenID provider of patients: against a real provider process.

https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
"""

import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest

from fhir_server.access.grant import OPEN
from fhir_server.commands.local import opened
from fhir_server.directory import outside_of
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.outside import Outside
from fhir_server.smart.providers.openid import OpenIdSettings
from fhir_server.smart.providers.pro_sante_connect import pro_sante_connect
from fhir_server.smart.providers.upstream import connect_provider

pytestmark = [pytest.mark.anyio, pytest.mark.spec("openid-connect-core-1_0.html#IDTokenValidation")]
CLIENT, SECRET = "fhir server", "a secret:with colon"


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    """The origin of a running provider."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    script = Path(__file__).with_name("openid_provider.py")
    with subprocess.Popen([sys.executable, str(script), str(port)]) as process:
        origin = f"http://127.0.0.1:{port}"
        try:
            wait_for(f"{origin}/auth/realms/esante-wallet/jwks", process)
            yield origin
        finally:
            process.terminate()


def wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            httpx.get(url)
            return
        except httpx.ConnectError:
            time.sleep(0.1)
    raise AssertionError("the provider did not start")


@pytest.fixture
def issuer(provider: str) -> str:
    httpx.post(f"{provider}/fault", content="")
    return f"{provider}/auth/realms/esante-wallet"


@pytest.fixture
def psc(authorization: Authorization, issuer: str) -> None:
    async def practitioner_of(national_id: str) -> str:
        return "Practitioner/1" if national_id == "899700000001" else ""

    async def organization_of(identifier: str) -> str:
        return "Organization/cabinet" if identifier == "990000001" else ""

    authorization.connect(Outside(practitioner_of=practitioner_of, organization_of=organization_of))
    connect_provider(authorization, pro_sante_connect(issuer, CLIENT, SECRET))


async def leave(browser: Any, name: str = "pro-sante-connect") -> str:
    """Where the provider sends the browser back to."""
    away = await browser.get(f"/sign-in/{name}")
    assert away.status_code == 303, away.text
    async with httpx.AsyncClient() as outside:
        return str((await outside.get(away.headers["location"])).headers["location"])


async def lie(provider: str, fault: str) -> None:
    """Make the provider's next answers wrong."""
    async with httpx.AsyncClient() as outside:
        await outside.post(f"{provider}/fault", content=fault)


@pytest.mark.usefixtures("psc")
async def test_a_professional_signs_in_with_pro_sante_connect(
    browser: Any, authorization: Authorization, issuer: str
) -> None:
    assert "Pro Santé Connect" in (await browser.get("/sign-in")).text
    away = await browser.get("/sign-in/pro-sante-connect")
    asked = {name: values[0] for name, values in parse_qs(urlsplit(away.headers["location"]).query).items()}
    assert away.headers["location"].startswith(f"{issuer}/authorization?")
    assert (asked["scope"], asked["acr_values"]) == ("openid scope_all", "eidas1")
    assert asked["redirect_uri"] == "https://record.example/sign-in/pro-sante-connect/callback"
    assert len({asked["nonce"], asked["state"], asked["code_challenge"]}) == 3
    back = await browser.get(await leave(browser))
    assert back.headers["location"] == "https://record.example/account"
    assert "Claire MARTIN" in (await browser.get("/account")).text
    (user,) = [user for user in await authorization.users.list() if user.national_id]
    assert (user.kind, user.actor, user.profession) == ("professional", "Practitioner/1", "10")
    assert (user.organizations, user.sector, user.is_regulator) == (("Organization/cabinet",), "SA07", True)
    assert user.login == "pro-sante-connect:899700000001"
    await browser.get(await leave(browser))
    assert len([user for user in await authorization.users.list() if user.national_id]) == 1
    await authorization.users.disable(user.user_id)
    assert (await browser.get(await leave(browser))).status_code == 403


@pytest.mark.spec("Pro Santé Connect: UserInfo mapped to Practitioner, PractitionerRole, Organization, profession")
async def test_a_professional_enters_the_directory_with_his_first_sign_in(
    browser: Any, authorization: Authorization, issuer: str, tmp_path: Path
) -> None:
    async with opened(Settings(data=str(tmp_path / "directory"))) as runtime:
        authorization.connect(outside_of(runtime))
        settings = pro_sante_connect(issuer, CLIENT, SECRET)
        connect_provider(authorization, msgspec.structs.replace(settings, is_directory_fed=False))
        assert "vous n’êtes pas dans l’annuaire" in (await browser.get(await leave(browser))).text
        connect_provider(authorization, settings)
        for _ in range(2):
            assert (await browser.get(await leave(browser))).status_code == 303
        (user,) = [user for user in await authorization.users.list() if user.national_id]
        found = await stored(runtime)
        assert [len(found[name]) for name in ("Practitioner", "Organization", "PractitionerRole")] == [1, 1, 1]
        (practitioner,), (place,), (role,) = found["Practitioner"], found["Organization"], found["PractitionerRole"]
        assert {one["meta"]["versionId"] for one in (practitioner, place, role)} == {"1"}
        assert user.actor == f"Practitioner/{practitioner['id']}"
        assert user.organizations == (f"Organization/{place['id']}", f"PractitionerRole/{role['id']}")
        assert (user.profession, practitioner["name"][0]["family"]) == ("10", "MARTIN")


async def stored(runtime: Runtime) -> dict[str, list[dict[str, Any]]]:
    """The directory, by type."""
    found = {}
    for resource_type in ("Practitioner", "Organization", "PractitionerRole"):
        answer = await dispatch(Request("search", OPEN, resource_type), runtime)
        found[resource_type] = [entry["resource"] for entry in msgspec.json.decode(answer.content).get("entry", ())]
    return found


@pytest.mark.usefixtures("psc")
async def test_nobody_signs_in_with_the_password_of_an_upstream_user(browser: Any) -> None:
    await browser.get(await leave(browser))
    for password in ("", "a good password"):
        answer = await browser.sign_in("pro-sante-connect:899700000001", password)
        assert answer.status_code == 403


@pytest.mark.usefixtures("psc")
@pytest.mark.parametrize(
    "fault",
    [
        "issuer",
        "audience",
        "party",
        "no-party",
        "expired",
        "future",
        "old",
        "nonce",
        "no-nonce",
        "forged",
        "none",
        "hs256",
        "eidas2",
        "userinfo-of-another",
    ],
)
async def test_an_id_token_that_does_not_hold_signs_nobody_in(browser: Any, provider: str, fault: str) -> None:
    await lie(provider, fault)
    back = await browser.get(await leave(browser))
    assert back.status_code == 403
    assert "La connexion n’a pas abouti" in back.text
    assert (await browser.get("/account")).status_code == 303


@pytest.mark.usefixtures("psc")
@pytest.mark.parametrize("fault", ["eidas1", "new-key"])
async def test_the_announced_level_and_a_new_key_are_taken(browser: Any, provider: str, fault: str) -> None:
    await leave(browser)
    await lie(provider, fault)
    assert (await browser.get(await leave(browser))).status_code == 303


@pytest.mark.usefixtures("psc")
async def test_who_is_in_no_directory_is_told_so(browser: Any, provider: str) -> None:
    await lie(provider, "unknown")
    back = await browser.get(await leave(browser))
    assert "vous n’êtes pas dans l’annuaire" in back.text


@pytest.mark.usefixtures("psc")
@pytest.mark.parametrize("fault", ["issuer-mix-up", "no-token"])
async def test_a_provider_that_fails_is_a_page_and_no_sign_in(browser: Any, provider: str, fault: str) -> None:
    await lie(provider, fault)
    answer = await browser.get(await leave(browser) if fault == "no-token" else "/sign-in/pro-sante-connect")
    assert answer.status_code == 403
    assert "ne répond pas comme prévu" in answer.text


@pytest.mark.usefixtures("psc")
@pytest.mark.spec("rfc9700#section-4.4")
async def test_an_answer_of_another_sign_in_or_issuer_is_refused(browser: Any) -> None:
    first = await leave(browser)
    second = await leave(browser)
    assert (await browser.get(first)).status_code == 403
    assert (await browser.get(f"{second}&iss=https://evil.example")).status_code == 403
    assert (await browser.get("/sign-in/pro-sante-connect/callback?error=access_denied")).status_code == 403


async def test_a_patient_signs_in_with_a_provider_of_patients(
    browser: Any, authorization: Authorization, issuer: str
) -> None:
    asked: list[str] = []

    async def patient_of(claims: Mapping[str, Any]) -> str:
        asked.append(claims["family_name"])
        return "Patient/1" if len(asked) > 1 else ""

    authorization.connect(Outside(patient_of=patient_of))
    connect_provider(authorization, OpenIdSettings("identite", "Mon identité", issuer, CLIENT, SECRET))
    assert "aucun dossier" in (await browser.get(await leave(browser, "identite"))).text
    assert (await browser.get(await leave(browser, "identite"))).status_code == 303
    (user,) = [user for user in await authorization.users.list() if user.login.startswith("identite:")]
    assert (user.kind, user.patient_id, user.display) == ("patient", "1", "Claire MARTIN")


@pytest.mark.usefixtures("psc")
@pytest.mark.spec("https://openid.net/specs/openid-connect-core-1_0.html#AuthError")
async def test_an_error_of_the_provider_is_a_page_and_no_sign_in(browser: Any, provider: str) -> None:
    await lie(provider, "denied")
    back = await browser.get(await leave(browser))
    assert (back.status_code, "La connexion n’a pas abouti" in back.text) == (403, True)


@pytest.mark.usefixtures("psc")
@pytest.mark.spec("https://openid.net/specs/openid-connect-rpinitiated-1_0.html")
async def test_signing_out_goes_on_to_the_provider(browser: Any, issuer: str) -> None:
    await browser.get(await leave(browser))
    out = await browser.submit(await browser.get("/account"), "/sign-out")
    assert out.headers["refresh"].startswith(f"0; url={issuer}/logout?id_token_hint=")
    assert "Se déconnecter aussi de Pro Santé Connect" in out.text
    assert (await browser.get("/account")).status_code == 303
    async with httpx.AsyncClient() as outside:
        back = await outside.get(out.headers["refresh"].removeprefix("0; url="))
    assert back.headers["location"] == "https://record.example/sign-in"


@pytest.mark.usefixtures("psc")
async def test_the_provider_changes_its_key_while_we_run(browser: Any, provider: str) -> None:
    assert (await browser.get(await leave(browser))).status_code == 303
    await lie(provider, "new-key")
    assert (await browser.get(await leave(browser))).status_code == 303
