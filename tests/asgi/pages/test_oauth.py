"""The endpoints of clients, by HTTP; the whole flow with clients that we did not write."""

import warnings
from typing import Any
from urllib.parse import parse_qs, urlsplit

import authlib.deprecate  # noqa: F401 its filter shows every warning: ours comes after
import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from joserfc.jws import JWSRegistry
from requests_oauthlib import OAuth2Session

from fhir_server.asgi.pages import pages
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.granted_scopes import CONTEXT_SCOPES, granted_scopes

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from authlib.integrations.httpx_client import AsyncOAuth2Client

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#obtain-access-token")]
SMART = "/fhir/.well-known/smart-configuration"


async def test_an_app_built_on_authlib_goes_through_the_whole_flow(browser: Any, authorization: Authorization) -> None:
    found = (await browser.get(SMART)).json()
    app = AsyncOAuth2Client(
        "app",
        redirect_uri="https://app.example/back",
        scope="openid fhirUser launch/patient patient/*.rs offline_access",
        code_challenge_method="S256",
        token_endpoint_auth_method="none",
        transport=httpx.ASGITransport(app=pages(authorization)),
    )
    async with app:
        verifier = "v" * 60
        url, state = app.create_authorization_url(
            found["authorization_endpoint"], code_verifier=verifier, aud="https://record.example/fhir", nonce="n"
        )
        await browser.sign_in()
        answer = await browser.submit(await browser.get(url), "/oauth/consent", decision="allow")
        token = await app.fetch_token(
            found["token_endpoint"],
            authorization_response=answer.headers["location"],
            code_verifier=verifier,
            state=state,
        )
        assert token["patient"] == "1"
        keys = KeySet.import_key_set((await browser.get(found["jwks_uri"])).json())
        claims = jwt.decode(token["id_token"], keys, algorithms=["RS256"]).claims
        assert (claims["aud"], claims["nonce"], claims["iss"]) == ("app", "n", found["issuer"])
        assert claims["fhirUser"] == "https://record.example/fhir/Patient/1"
        grant = await Bearer(authorization).grant(f"Bearer {token['access_token']}")
        assert grant.patient_id == "1"
        newer = await app.refresh_token(found["token_endpoint"], token["refresh_token"])
        assert newer["access_token"] != token["access_token"]
        revoked = await app.revoke_token(found["revocation_endpoint"], newer["refresh_token"])
        assert revoked.status_code == 200


@pytest.mark.spec("smart-app-launch/STU2.2/backend-services.html")
async def test_a_backend_service_gets_a_token_by_http(browser: Any, authorization: Authorization, clock: Any) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k"})
    client = Client(
        client_id="lab",
        name="Laboratoire",
        kind="confidential-asymmetric",
        scopes=("system/*.rs",),
        grant_types=("client_credentials",),
        jwks={"keys": [key.as_dict(private=False)]},
    )
    await authorization.clients.register(client)
    claims = {"iss": "lab", "sub": "lab", "aud": "https://record.example/oauth/token", "jti": "1"}
    claims |= {"exp": int(clock().timestamp()) + 60}
    assertion = jwt.encode({"alg": "RS384", "kid": "k"}, claims, key, registry=JWSRegistry(algorithms=["RS384"]))
    fields = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    response = await browser.post("/oauth/token", data=fields)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    assert response.json()["token_type"] == "Bearer"
    again = await browser.post("/oauth/token", data=fields)
    assert again.status_code == 401
    assert again.json()["error"] == "invalid_client"
    assert again.headers["cache-control"] == "no-store"
    assert "www-authenticate" in again.headers


@pytest.mark.spec("rfc6749#section-5.2")
@pytest.mark.parametrize(
    ("fields", "status", "error"),
    [
        ({"grant_type": "authorization_code"}, 401, "invalid_client"),
        ({"grant_type": "authorization_code", "client_id": "nobody"}, 401, "invalid_client"),
        ({"grant_type": "password", "client_id": "app"}, 400, "unsupported_grant_type"),
        ({"grant_type": ["authorization_code"] * 2, "client_id": "app"}, 400, "invalid_request"),
        ({"grant_type": "authorization_code", "client_id": "app", "code": "x"}, 400, "invalid_grant"),
    ],
)
async def test_refusals_have_the_form_of_oauth(browser: Any, fields: Any, status: int, error: str) -> None:
    response = await browser.post("/oauth/token", data=fields)
    assert response.status_code == status
    assert response.json()["error"] == error
    assert response.json()["error_description"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.spec("rfc6749#section-3.2")
async def test_the_token_endpoint_takes_posted_forms_only(browser: Any) -> None:
    assert (await browser.get("/oauth/token", params={"grant_type": "authorization_code"})).status_code == 405
    assert (await browser.post("/oauth/token", json={"grant_type": "authorization_code"})).status_code == 415
    query_only = await browser.post("/oauth/token?client_id=app&grant_type=authorization_code", data={"x": "y"})
    assert query_only.json()["error"] == "invalid_client"


@pytest.mark.spec(
    "smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support"
)
async def test_token_answers_pages_of_registered_origins_only(browser: Any) -> None:
    for origin, allowed in (("https://app.example", "https://app.example"), ("https://evil.example", None)):
        headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        preflight = await browser.request("OPTIONS", "/oauth/token", headers=headers)
        assert preflight.status_code == 204
        assert preflight.headers.get("access-control-allow-origin") == allowed
        assert ("access-control-allow-headers" in preflight.headers) is (allowed is not None)
        response = await browser.post("/oauth/token", data={}, headers={"Origin": origin})
        assert response.headers.get("access-control-allow-origin") == allowed
        assert response.headers["vary"] == "Origin"


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#using-well-known")
async def test_the_smart_configuration_is_whole_absolute_and_true(browser: Any) -> None:
    response = await browser.get(SMART, headers={"Accept": "application/fhir+xml", "Origin": "https://any.example"})
    assert response.headers["content-type"] == "application/json"
    assert response.headers["access-control-allow-origin"] == "*"
    found = response.json()
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert set(found["grant_types_supported"]) == {"authorization_code", "refresh_token", "client_credentials"}
    for name in ("issuer", "jwks_uri", *(name for name in found if name.endswith("_endpoint"))):
        assert found[name].startswith("https://record.example")
    for name in (name for name in found if name.endswith("_endpoint")):
        path = urlsplit(found[name]).path
        statuses = {(await browser.request(method, path)).status_code for method in ("GET", "POST")}
        assert 404 not in statuses
    assert {"launch-standalone", "client-confidential-asymmetric", "sso-openid-connect"} <= set(found["capabilities"])
    assert {"launch-ehr", "context-banner", "context-style", "permission-online"} <= set(found["capabilities"])
    assert "context-standalone-encounter" not in found["capabilities"]


@pytest.mark.spec("smart-app-launch/STU2.2/conformance.html#metadata")
async def test_every_scope_that_is_announced_can_be_granted(browser: Any, authorization: Authorization) -> None:
    announced = (await browser.get(SMART)).json()["scopes_supported"]
    client = await authorization.clients.get("app")
    assert client is not None
    client = msgspec.structs.replace(client, scopes=tuple(announced))
    for scope in announced:
        kinds = {"patient/": "patient", "user/": "professional", "system/": "system"}
        kind = next((kind for prefix, kind in kinds.items() if scope.startswith(prefix)), "patient")
        assert granted_scopes(scope, client, kind, CONTEXT_SCOPES) == (scope,)


@pytest.mark.spec("openid-connect-discovery-1_0.html#ProviderMetadata")
async def test_openid_discovery_agrees_with_smart(browser: Any) -> None:
    found = (await browser.get("/.well-known/openid-configuration")).json()
    assert found["issuer"] == "https://record.example"
    assert found["id_token_signing_alg_values_supported"] == ["RS256"]
    assert (await browser.get("/.well-known/oauth-authorization-server")).json() == found
    smart = (await browser.get(SMART)).json()
    of_smart = {"capabilities", "associated_endpoints", "user_access_brand_bundle", "user_access_brand_identifier"}
    assert all(found[name] == value for name, value in smart.items() if name not in of_smart)
    keys = (await browser.get("/oauth/jwks")).json()
    assert keys == (await browser.get("/.well-known/jwks.json")).json()
    assert {"RS256", "ES256"} == {key["alg"] for key in keys["keys"]}


@pytest.mark.spec("rfc7662")
async def test_introspection_by_http(browser: Any, request_fields: dict[str, str]) -> None:
    assert (await browser.post("/oauth/introspect", data={"token": "x"})).status_code == 401
    refused = await browser.post("/oauth/introspect", data={"token": "x"}, headers={"Authorization": "Bearer x"})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")


async def test_a_requests_oauthlib_app_makes_requests_that_we_understand(browser: Any) -> None:
    session = OAuth2Session("app", redirect_uri="https://app.example/back", scope=["patient/*.rs"], pkce="S256")
    url, state = session.authorization_url("https://record.example/oauth/authorize", aud="https://record.example/fhir")
    await browser.sign_in()
    answer = await browser.submit(await browser.get(url), "/oauth/consent", decision="allow")
    code = session._client.parse_request_uri_response(answer.headers["location"], state=state)["code"]
    body = session._client.prepare_request_body(
        code=code, redirect_uri="https://app.example/back", code_verifier=session._code_verifier
    )
    fields = {name: values[0] for name, values in parse_qs(body).items()}
    response = await browser.post("/oauth/token", data=fields)
    token = session._client.parse_request_body_response(response.text)
    assert token["patient"] == "1"


@pytest.mark.spec("rfc6749#section-10.10 (guessing), rfc6585#section-4")
async def test_who_guesses_waits_and_nobody_else(browser: Any, authorization: Authorization, clock: Any) -> None:
    app = await authorization.clients.get("app")
    assert app is not None
    await authorization.clients.register(msgspec.structs.replace(app, client_id="other"))
    most = authorization.settings.client_refusals_a_minute
    guess = {"grant_type": "authorization_code", "client_id": "app", "code": "guess"}
    assert [(await browser.post("/oauth/token", data=guess)).status_code for _ in range(most)] == [400] * most
    for _ in range(3):
        waits = await browser.post("/oauth/token", data={"grant_type": "unknown", "client_id": "app"})
        assert (waits.status_code, waits.json()["error"]) == (429, "temporarily_unavailable")
        assert 0 < int(waits.headers["retry-after"]) <= 60
    assert (await browser.post("/oauth/token", data={**guess, "client_id": "other"})).status_code == 400
    clock.advance(60)
    assert (await browser.post("/oauth/token", data=guess)).status_code == 400
