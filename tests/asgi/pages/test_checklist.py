"""SMART App Launch 2.2, requirement by requirement: each test carries the words of what it proves.

https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

import base64
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.jwks import ClientKeys
from tests.asgi.pages.flow import BACK, VERIFIER, exchange, fields, query_of, refresh

pytestmark = pytest.mark.anyio
SMART = "/fhir/.well-known/smart-configuration"
SCOPE = "openid fhirUser launch/patient offline_access patient/*.rs"
TOKEN_URL = "https://record.example/oauth/token"


async def token_of(browser: Any, scope: str = SCOPE, **changes: str) -> dict[str, Any]:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(scope, **changes))
    return await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))


@pytest.mark.spec("SHALL serve [base]/.well-known/smart-configuration as application/json, whatever Accept says")
@pytest.mark.parametrize("accept", ["application/fhir+xml", "text/html", "*/*", "application/json"])
async def test_discovery_is_json(browser: Any, accept: str) -> None:
    response = await browser.get(SMART, headers={"Accept": accept})
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")


@pytest.mark.spec("SHALL include token_endpoint, grant_types_supported, capabilities, code_challenge_methods_supported")
@pytest.mark.spec("SHALL include S256 and SHALL NOT include plain in code_challenge_methods_supported")
@pytest.mark.spec("SHALL include authorization_endpoint with launch, issuer and jwks_uri with sso-openid-connect")
@pytest.mark.spec("RECOMMENDED scopes_supported, response_types_supported, management, introspection, revocation")
async def test_discovery_is_whole(browser: Any) -> None:
    found = (await browser.get(SMART)).json()
    addresses = {name for name in found if name.endswith(("_endpoint", "_uri")) or name == "issuer"}
    assert addresses == {
        "issuer",
        "jwks_uri",
        "authorization_endpoint",
        "token_endpoint",
        "introspection_endpoint",
        "revocation_endpoint",
        "management_endpoint",
        "registration_endpoint",
    }
    assert all(urlsplit(found[name]).scheme == "https" for name in addresses)
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["response_types_supported"] == ["code"]
    assert {"grant_types_supported", "capabilities", "scopes_supported"} <= set(found)


@pytest.mark.spec("SHALL support PKCE S256 and SHALL NOT support plain")
@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge_method": "plain"},
        {"code_challenge_method": ""},
        {"code_challenge": ""},
        {"code_challenge": VERIFIER},
    ],
)
async def test_pkce_is_required(browser: Any, changes: dict[str, str]) -> None:
    await browser.sign_in()
    answer = await browser.get("/oauth/authorize", params=fields(SCOPE, **changes))
    assert query_of(answer)["error"] == "invalid_request"


@pytest.mark.spec("SHALL support authorization requests by GET and by POST")
async def test_authorize_by_get_and_post(browser: Any) -> None:
    await browser.sign_in()
    assert (await browser.get("/oauth/authorize", params=fields(SCOPE))).status_code == 200
    posted = await browser.post("/oauth/authorize", data=fields(SCOPE))
    assert (await browser.get(posted.headers["location"])).status_code == 200


@pytest.mark.spec("SHALL validate aud: the URL of the EHR resource server from which the app wishes to retrieve data")
@pytest.mark.parametrize("aud", ["https://evil.example/fhir", "", "https://record.example"])
async def test_aud_names_this_server(browser: Any, aud: str) -> None:
    assert query_of(await browser.get("/oauth/authorize", params=fields(SCOPE, aud=aud)))["error"] == "invalid_request"


@pytest.mark.spec("SHALL NOT redirect to an address that is not registered, character by character")
@pytest.mark.parametrize(
    "address", [f"{BACK}/", f"{BACK}?x=1", BACK.upper(), "https://app.example.evil.example/back", "//evil.example"]
)
async def test_no_open_redirect(browser: Any, address: str) -> None:
    answer = await browser.get("/oauth/authorize", params=fields(SCOPE, redirect_uri=address))
    assert answer.status_code == 400
    assert "location" not in answer.headers


@pytest.mark.spec("SHALL return the state parameter unchanged; RFC 9207: SHALL return iss against mix-up")
@pytest.mark.parametrize("decision", ["allow", "deny"])
async def test_state_and_issuer_come_back(browser: Any, decision: str) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, state="a&b=é #"))
    query = query_of(await browser.submit(page, "/oauth/consent", decision=decision))
    assert (query["state"], query["iss"]) == ("a&b=é #", "https://record.example")


@pytest.mark.spec("SHALL establish a patient in context when patient/ scopes are granted")
async def test_a_patient_scope_brings_a_patient(browser: Any) -> None:
    assert (await token_of(browser, "patient/*.rs"))["patient"] == "1"


@pytest.mark.spec("SHALL answer with access_token, token_type Bearer, scope; RECOMMENDED expires_in, at most one hour")
@pytest.mark.spec("SHALL send Cache-Control: no-store and Pragma: no-cache with tokens")
async def test_the_token_response(browser: Any) -> None:
    token = await token_of(browser)
    assert (token["token_type"], token["scope"]) == ("Bearer", SCOPE)
    assert 0 < token["expires_in"] <= 3600
    again = await refresh(browser, token["refresh_token"])
    assert (again.headers["cache-control"], again.headers["pragma"]) == ("no-store", "no-cache")


@pytest.mark.spec("SHALL bind a refresh token to its client_id, and SHALL NOT widen its scopes")
@pytest.mark.spec("BEST PRACTICE: rotate refresh tokens, and end all of them when one is used twice")
async def test_refresh_tokens(browser: Any, authorization: Authorization) -> None:
    other = Client("other", "Autre", "public", ("patient/*.cruds",), (BACK,))
    await authorization.clients.register(other)
    token = await token_of(browser)
    assert (await refresh(browser, token["refresh_token"], "other")).json()["error"] == "invalid_grant"
    wider = await refresh(browser, token["refresh_token"], scope="patient/*.cruds")
    assert wider.json()["error"] == "invalid_scope"
    second = (await refresh(browser, token["refresh_token"])).json()
    assert second["refresh_token"] != token["refresh_token"]
    assert (await refresh(browser, token["refresh_token"])).json()["error"] == "invalid_grant"
    assert (await refresh(browser, second["refresh_token"])).json()["error"] == "invalid_grant"


@pytest.mark.spec("SHALL return v1 scopes when v1 scopes are asked, and map .read to .rs, .write to .cud, .* to .cruds")
@pytest.mark.parametrize(
    ("asked", "letters"),
    [("patient/Observation.read", "rs"), ("patient/Observation.write", "cdu"), ("patient/Observation.*", "cdrsu")],
)
async def test_v1_scopes(browser: Any, authorization: Authorization, asked: str, letters: str) -> None:
    token = await token_of(browser, asked)
    assert token["scope"] == asked
    grant = await Bearer(authorization).grant(f"Bearer {token['access_token']}")
    assert ["".join(sorted(scope.interactions)) for scope in grant.scopes] == [letters]


@pytest.mark.spec("SHALL NOT widen scopes whose letters are out of order")
@pytest.mark.parametrize("scope", ["patient/Observation.sr", "patient/Observation.", "patient/observation.rs"])
async def test_malformed_scopes_are_refused(browser: Any, scope: str) -> None:
    await browser.sign_in()
    assert query_of(await browser.get("/oauth/authorize", params=fields(scope)))["error"] == "invalid_scope"


@pytest.mark.spec("SHALL sign the id_token with RS256, publish its key as a bare JWK, and say fhirUser when granted")
async def test_the_id_token(browser: Any) -> None:
    token = await token_of(browser, nonce="n-1")
    found = (await browser.get(SMART)).json()
    jwks = (await browser.get(urlsplit(found["jwks_uri"]).path)).json()
    assert not [key for key in jwks["keys"] if {"x5c", "d"} & set(key)]
    decoded = jwt.decode(token["id_token"], KeySet.import_key_set(jwks), algorithms=["RS256"])
    assert decoded.claims["fhirUser"] == "https://record.example/fhir/Patient/1"
    assert (decoded.claims["nonce"], decoded.claims["iss"]) == ("n-1", found["issuer"])
    assert "id_token" not in await token_of(browser, "patient/*.rs")


@pytest.mark.spec("SHALL introspect with active, scope, client_id, exp, and the launch context, iss, sub, fhirUser")
@pytest.mark.spec("SHALL accept a SMART bearer token at introspection; such clients may introspect any client's token")
async def test_introspection(browser: Any) -> None:
    one, other = await token_of(browser), await token_of(browser, "patient/Observation.rs")
    header = {"Authorization": f"Bearer {other['access_token']}"}
    state = (await browser.post("/oauth/introspect", data={"token": one["access_token"]}, headers=header)).json()
    assert (state["active"], state["scope"], state["client_id"], state["patient"]) == (True, SCOPE, "app", "1")
    assert {"exp", "iss", "sub", "fhirUser"} <= set(state)
    unknown = await browser.post("/oauth/introspect", data={"token": "x"}, headers=header)
    assert unknown.json() == {"active": False}


@pytest.mark.spec("SHALL let any origin read smart-configuration, and registered origins use the token endpoint")
async def test_cors(browser: Any) -> None:
    anyone = await browser.get(SMART, headers={"Origin": "https://any.example"})
    assert anyone.headers["access-control-allow-origin"] == "*"
    for origin, allowed in (("https://app.example", "https://app.example"), ("https://any.example", None)):
        answer = await browser.post("/oauth/token", data={}, headers={"Origin": origin})
        assert answer.headers.get("access-control-allow-origin") == allowed


SERVICE_KEY = ECKey.generate_key("P-384", {"kid": "k"})


@pytest.fixture
async def assertion(authorization: Authorization, clock: Any) -> Callable[..., dict[str, str]]:
    """Make a backend service's token request; the client tells its keys by address."""
    public = {"keys": [SERVICE_KEY.as_dict(private=False)]}

    async def fetch(uri: str) -> tuple[bytes, int]:
        assert uri == "https://lab.example/jwks"
        return msgspec.json.encode(public), 60

    client = Client(
        "lab",
        "Laboratoire",
        "confidential-asymmetric",
        ("system/Observation.rs",),
        grant_types=("client_credentials",),
        jwks_uri="https://lab.example/jwks",
    )
    await authorization.clients.register(client)
    authorization.authentication._keys = ClientKeys(clock, fetch)

    def make(header: dict[str, Any] | None = None, **changes: Any) -> dict[str, str]:
        now = int(clock().timestamp())
        claims = {"iss": "lab", "sub": "lab", "aud": TOKEN_URL, "exp": now + 240, "jti": "j", **changes}
        signed = jwt.encode({"alg": "ES384", "kid": "k", **(header or {})}, claims, SERVICE_KEY, algorithms=["ES384"])
        return {
            "grant_type": "client_credentials",
            "scope": "system/*.rs",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signed,
        }

    return make


@pytest.mark.spec("SHALL accept a JWKS registered by URL; backend token SHOULD last 300 s; SHOULD NOT have a refresh")
async def test_a_backend_token(browser: Any, assertion: Any) -> None:
    token = (await browser.post("/oauth/token", data=assertion())).json()
    assert (token["scope"], token["expires_in"]) == ("system/Observation.rs", 300)
    assert "refresh_token" not in token


@pytest.mark.spec("SHALL validate iss = sub = client_id, aud = token URL, exp at most 5 minutes, nbf, iat, jti; jku")
@pytest.mark.parametrize(
    ("header", "changes"),
    [
        ({}, {"iss": "other"}),
        ({}, {"sub": "other"}),
        ({}, {"aud": "https://evil.example/token"}),
        ({}, {"aud": "https://record.example"}),
        ({}, {"exp": 1}),
        ({}, {"exp": 4_000_000_000}),
        ({}, {"nbf": 4_000_000_000}),
        ({}, {"iat": 4_000_000_000}),
        ({"kid": "other"}, {}),
        ({"jku": "https://evil.example/jwks"}, {}),
    ],
)
async def test_assertions_that_do_not_hold(
    browser: Any, assertion: Any, header: dict[str, Any], changes: dict[str, Any]
) -> None:
    refused = await browser.post("/oauth/token", data=assertion(header, **changes))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


@pytest.mark.spec("SHALL refuse a jti that was used before")
async def test_replay(browser: Any, assertion: Any) -> None:
    assert (await browser.post("/oauth/token", data=assertion())).status_code == 200
    assert (await browser.post("/oauth/token", data=assertion())).json()["error"] == "invalid_client"


@pytest.mark.spec("SHALL refuse an unsigned assertion (alg none)")
async def test_alg_none(browser: Any, assertion: Any) -> None:
    form = assertion()
    header = base64.urlsafe_b64encode(b'{"alg":"none","kid":"k"}').rstrip(b"=").decode()
    form["client_assertion"] = f"{header}.{form['client_assertion'].split('.')[1]}."
    assert (await browser.post("/oauth/token", data=form)).json()["error"] == "invalid_client"


@pytest.mark.spec("SHALL use a code once, for its client, its redirect_uri and its verifier")
@pytest.mark.parametrize(
    "changes", [{"client_id": "other"}, {"redirect_uri": "https://x.example"}, {"code_verifier": "v" * 43}]
)
async def test_a_code_of_somebody_else(browser: Any, authorization: Authorization, changes: dict[str, str]) -> None:
    await authorization.clients.register(Client("other", "Autre", "public", ("patient/*.rs",), (BACK,)))
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(SCOPE))
    code = query_of(await browser.submit(page, "/oauth/consent", decision="allow"))["code"]
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": "app"}
    form["code_verifier"] = VERIFIER
    assert (await browser.post("/oauth/token", data={**form, **changes})).json()["error"] == "invalid_grant"


@pytest.mark.spec("RFC 9700 4.16: pages SHALL NOT be framed; forms SHALL come from our own session")
@pytest.mark.parametrize(
    "path", ["/sign-in", "/oauth/authorize", "/account", "/account/apps", "/account/second-factor"]
)
async def test_no_page_can_be_framed_or_run_scripts(browser: Any, path: str) -> None:
    await browser.sign_in()
    response = await browser.get(path, params=fields(SCOPE) if path == "/oauth/authorize" else {})
    assert response.status_code == 200
    assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert response.headers["x-frame-options"] == "DENY"
    assert "<script" not in response.text
    assert response.text.count("<h1>") == 1
    assert '<html lang="fr">' in response.text


@pytest.mark.spec("OWASP session fixation: a sign-in SHALL begin a new session")
async def test_a_sign_in_never_takes_over_a_session_that_was_there(browser: Any, authorization: Authorization) -> None:
    browser.cookies.set("__Host-session", "planted", domain="record.example")
    answer = await browser.sign_in()
    assert "__Host-session=planted" not in str(answer.headers.get_list("set-cookie"))
    assert await authorization.sessions.get("planted") is None


@pytest.mark.spec(
    "SHOULD support granular scopes: patient/Observation.rs?category=...; SHALL NOT widen them on refresh"
)
async def test_granular_scopes(browser: Any, authorization: Authorization) -> None:
    laboratory = "patient/Observation.rs?category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory"
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(f"{laboratory} offline_access"))
    assert "observation-category|laboratory" in page.text
    token = await exchange(browser, await browser.submit(page, "/oauth/consent", decision="allow"))
    assert token["scope"] == f"offline_access {laboratory}"
    grant = await Bearer(authorization).grant(f"Bearer {token['access_token']}")
    (scope,) = grant.scopes
    assert scope.query == (("category", "http://terminology.hl7.org/CodeSystem/observation-category|laboratory"),)
    for wider in ("patient/Observation.rs", "patient/Observation.rs?category=vital-signs", "patient/*.rs"):
        assert (await refresh(browser, token["refresh_token"], scope=wider)).json()["error"] == "invalid_scope"
    again = await refresh(browser, token["refresh_token"], scope=laboratory.replace(".rs?", ".r?"))
    assert again.json()["scope"] == laboratory.replace(".rs?", ".r?")


@pytest.mark.spec("SHALL NOT grant more than the client's own granular scope")
async def test_a_client_with_a_granular_scope(browser: Any, authorization: Authorization) -> None:
    app = await authorization.clients.get("app")
    assert app is not None
    narrow = "patient/Observation.rs?category=laboratory"
    await authorization.clients.register(msgspec.structs.replace(app, scopes=(narrow,)), is_replacing=True)
    assert (await token_of(browser, "patient/*.cruds"))["scope"] == narrow
