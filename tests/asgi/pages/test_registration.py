"""https://www.rfc-editor.org/rfc/rfc7591 and https://www.rfc-editor.org/rfc/rfc7592"""

from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey

from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import dynamic
from tests.asgi.pages.flow import fields

pytestmark = [pytest.mark.anyio, pytest.mark.spec("rfc7591#section-3")]
APP = {
    "client_name": "Mon appli",
    "redirect_uris": ["https://new.example/back"],
    "token_endpoint_auth_method": "none",
    "grant_types": ["authorization_code", "refresh_token"],
    "scope": "openid launch/patient patient/*.rs",
    "logo_uri": "https://new.example/logo.png",
}


@pytest.fixture
def sandbox(authorization: Authorization) -> Authorization:
    authorization.settings = msgspec.structs.replace(authorization.settings, is_registration_open=True)
    return authorization


async def asks(browser: Any, client_id: str) -> int:
    request = fields("patient/*.rs", client_id=client_id, redirect_uri="https://new.example/back")
    return int((await browser.get("/oauth/authorize", params=request)).status_code)


@pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr")
async def test_a_registration_waits_for_the_operator(browser: Any, authorization: Authorization) -> None:
    response = await browser.post("/oauth/register", json=APP)
    assert response.status_code == 201
    assert response.headers["cache-control"] == "no-store"
    made = response.json()
    assert (made["status"], made["client_name"], made["scope"]) == ("pending", "Mon appli", APP["scope"])
    assert "client_secret" not in made
    assert await asks(browser, made["client_id"]) == 400
    assert "https://new.example" not in await authorization.clients.origins()
    assert [client.name for client in await authorization.clients.pending()] == ["Mon appli"]
    approved = await authorization.clients.approve(made["client_id"])
    assert (approved.is_operator, approved.is_launch_host, approved.catalogue) == (False, False, "")
    assert await asks(browser, made["client_id"]) == 303
    assert "https://new.example" in await authorization.clients.origins()
    with pytest.raises(NotFound):
        await authorization.clients.approve(made["client_id"])
    with pytest.raises(NotFound):
        await authorization.clients.approve("app")


async def test_what_nobody_approves_is_forgotten(browser: Any, authorization: Authorization, clock: Any) -> None:
    await browser.post("/oauth/register", json=APP)
    clock.advance(31 * 86_400)
    assert await authorization.clients.pending() == []


@pytest.mark.usefixtures("sandbox")
async def test_a_sandbox_lets_every_app_in(browser: Any) -> None:
    made = (await browser.post("/oauth/register", json=APP)).json()
    assert made["status"] == "active"
    assert await asks(browser, made["client_id"]) == 303


@pytest.mark.usefixtures("sandbox")
async def test_a_confidential_app_gets_a_secret_once(browser: Any) -> None:
    app = {name: value for name, value in APP.items() if name != "token_endpoint_auth_method"}
    made = (await browser.post("/oauth/register", json=app)).json()
    assert made["client_secret_expires_at"] == 0
    form = {"grant_type": "authorization_code", "code": "x"}
    refused = await browser.post("/oauth/token", data=form, auth=(made["client_id"], made["client_secret"]))
    assert refused.json()["error"] == "invalid_grant"
    own = await browser.get(
        f"/oauth/register/{made['client_id']}", headers={"Authorization": f"Bearer {made['registration_access_token']}"}
    )
    assert "client_secret" not in own.json()


@pytest.mark.usefixtures("sandbox")
@pytest.mark.spec("smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client")
async def test_a_backend_service_registers_its_keys(browser: Any) -> None:
    key = ECKey.generate_key("P-384", {"kid": "k"}).as_dict(private=False)
    service = {
        "client_name": "Service",
        "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": ["client_credentials"],
        "response_types": [],
        "scope": "system/*.rs",
        "jwks": {"keys": [key]},
    }
    made = await browser.post("/oauth/register", json=service)
    assert made.status_code == 201
    assert made.json()["jwks"] == {"keys": [key]}
    assert made.json()["response_types"] == []
    by_address = {**service, "jwks": None, "jwks_uri": "https://service.example/jwks"}
    assert (await browser.post("/oauth/register", json=by_address)).json()["jwks_uri"] == "https://service.example/jwks"


@pytest.mark.spec("rfc7592#section-2")
async def test_only_its_own_token_manages_a_client(browser: Any) -> None:
    made, other = [(await browser.post("/oauth/register", json=APP)).json() for _ in range(2)]
    address = made["registration_client_uri"].removeprefix("https://record.example")
    for header in ("", "Bearer x", f"Bearer {other['registration_access_token']}", f"Basic {made['client_id']}"):
        for method in ("GET", "DELETE"):
            refused = await browser.request(method, address, headers={"Authorization": header})
            assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")
    for header in ("Bearer", "Bearer x"):
        assert (await browser.get("/oauth/register/app", headers={"Authorization": header})).status_code == 401
    own = {"Authorization": f"Bearer {made['registration_access_token']}"}
    assert (await browser.get(address, headers=own)).json()["client_id"] == made["client_id"]
    assert (await browser.get(address, headers=own)).json() == made
    assert (await browser.delete(address, headers=own)).status_code == 204
    assert (await browser.get(address, headers=own)).status_code == 401


@pytest.mark.spec("rfc7592#section-2.2")
@pytest.mark.parametrize("is_open", [False, True])
async def test_an_app_replaces_its_registration(browser: Any, authorization: Authorization, is_open: bool) -> None:
    settings = msgspec.structs.replace(authorization.settings, is_registration_open=is_open)
    authorization.settings = settings
    made = (await browser.post("/oauth/register", json=APP)).json()
    client_id, address = made["client_id"], made["registration_client_uri"].removeprefix("https://record.example")
    own = {"Authorization": f"Bearer {made['registration_access_token']}"}
    if not is_open:
        await authorization.clients.approve(client_id)
    for wrong in ({}, {"client_id": "app"}, {"client_id": client_id, "client_secret": "x"}):
        refused = await browser.request("PUT", address, headers=own, json={**APP, **wrong})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_client_metadata")
    asked = {
        **APP,
        "client_id": client_id,
        "client_name": "Autre nom",
        "token_endpoint_auth_method": "client_secret_basic",
    }
    assert (await browser.request("PUT", address, json=asked)).status_code == 401
    told = (await browser.request("PUT", address, headers=own, json=asked)).json()
    assert (told["client_name"], told["client_id"], told["client_secret_expires_at"]) == ("Autre nom", client_id, 0)
    assert told["status"] == ("active" if is_open else "pending")
    assert (await authorization.clients.get(client_id) is not None) is is_open
    again = await browser.request("PUT", address, headers=own, json={**asked, "client_secret": told["client_secret"]})
    assert (again.status_code, "client_secret" in again.json()) == (200, False)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uris": ["http://new.example/back"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["javascript:alert(1)"]}, "invalid_redirect_uri"),
        ({"redirect_uris": []}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://[::1"]}, "invalid_redirect_uri"),
        ({"redirect_uris": ["https://new.example:99999/"], "client_name": ""}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://[x"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://x:99999"}, "invalid_client_metadata"),
        ({"client_name": " ", "redirect_uris": ["fr.carnet:/back"]}, "invalid_client_metadata"),
        ({"client_name": "x" * 121}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "client_secret_jwt"}, "invalid_client_metadata"),
        ({"grant_types": ["implicit"]}, "invalid_client_metadata"),
        ({"response_types": ["token"]}, "invalid_client_metadata"),
        ({"scope": "patient/Observation.sr"}, "invalid_client_metadata"),
        ({"token_endpoint_auth_method": "private_key_jwt"}, "invalid_client_metadata"),
        ({"grant_types": ["client_credentials"]}, "invalid_client_metadata"),
        ({"jwks": {"keys": []}, "jwks_uri": "https://new.example/jwks"}, "invalid_client_metadata"),
        ({"redirect_uris": "https://new.example/back"}, "invalid_client_metadata"),
    ],
)
@pytest.mark.spec("rfc7591#section-3.2.2")
async def test_unsafe_metadata_are_refused(browser: Any, changes: Any, error: str) -> None:
    response = await browser.post("/oauth/register", json={**APP, **changes})
    assert (response.status_code, response.json()["error"]) == (400, error)


async def test_no_flood_of_registrations_waits(browser: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fhir_server.smart.clients.dynamic._MOST_PENDING", 1)
    assert (await browser.post("/oauth/register", json=APP)).status_code == 201
    assert (await browser.post("/oauth/register", json=APP)).status_code == 429
    assert (await browser.post("/oauth/register", data=APP)).status_code == 415


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc7591#section-2 (defaults)")
@pytest.mark.parametrize("is_open", [True, False])
async def test_what_is_left_out_has_a_default(authorization: Authorization, is_open: bool) -> None:
    sent = b'{"redirect_uris": ["https://new.example/back"]}'
    made = await dynamic.register(authorization.clients, sent, is_open, authorization.now())
    assert (made["client_name"], made["grant_types"]) == ("new.example", ("authorization_code",))
    assert made["token_endpoint_auth_method"] == "client_secret_basic"
    assert ("launch/encounter" in made["scope"]) is is_open
