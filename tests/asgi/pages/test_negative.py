"""What must not work, over HTTP, in one place: an attack a row, and what it is answered with.

https://www.rfc-editor.org/rfc/rfc9700, https://www.rfc-editor.org/rfc/rfc6749, https://www.rfc-editor.org/rfc/rfc7523
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer, NoBearer
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.assertion import ASSERTION_TYPE
from tests.asgi.pages.flow import BACK, CHALLENGE, VERIFIER, fields, query_of

pytestmark = [pytest.mark.anyio, pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9700")]
TOKEN_URL = "https://record.example/oauth/token"
KEY = ECKey.generate_key("P-384", {"kid": "k"})
STRANGER = ECKey.generate_key("P-384", {"kid": "k"})
RSA = RSAKey.generate_key(2048, {"kid": "r"})
SCOPE = "launch/patient offline_access patient/Observation.rs"
PUBLIC = {"keys": [KEY.as_dict(private=False), RSA.as_dict(private=False)]}


def part(content: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


@pytest.fixture
async def world(authorization: Authorization) -> Authorization:
    """Besides the app: another app, an app with a secret, a backend service."""
    other = Client("other", "Autre", "public", ("patient/*.cruds", "launch/patient"), (BACK,))
    await authorization.clients.register(other)
    lab = Client("lab", "Laboratoire", "confidential-asymmetric", ("system/Observation.rs",), jwks=PUBLIC)
    lab = msgspec.structs.replace(lab, grant_types=("client_credentials",))
    await authorization.clients.register(lab)
    await authorization.clients.register(msgspec.structs.replace(lab, client_id="lab-2"))
    return authorization


class Assertion:
    """A signed assertion that is right but for what a row changes."""

    def __init__(self, clock: Any) -> None:
        self.now = int(clock().timestamp())
        self.claims: dict[str, Any] = {"iss": "lab", "sub": "lab", "aud": TOKEN_URL, "jti": "j"}
        self.claims["exp"] = self.now + 240
        self.header: dict[str, Any] = {"alg": "ES384", "kid": "k"}
        self.key: Any = KEY
        self.form: dict[str, str] = {}

    def signed(self) -> str:
        claims = {name: value for name, value in self.claims.items() if value is not None}
        header = {name: value for name, value in self.header.items() if value is not None}
        if isinstance(self.key, bytes):  # libraries refuse to sign with what everybody knows
            text = f"{part(header)}.{part(claims)}"
            digest = hmac.new(self.key, text.encode(), hashlib.sha256).digest()
            return f"{text}.{base64.urlsafe_b64encode(digest).rstrip(b'=').decode()}"
        registry = JWSRegistry(algorithms=[self.header["alg"]], strict_check_header=False)
        return jwt.encode(header, claims, self.key, registry=registry)

    def fields(self, signed: str = "") -> dict[str, str]:
        form = {"grant_type": "client_credentials", "scope": "system/*.rs", "client_assertion_type": ASSERTION_TYPE}
        return {**form, "client_assertion": signed or self.signed(), **self.form}


def claim(**changes: Any) -> Callable[[Assertion], None]:
    return lambda assertion: assertion.claims.update(changes)


def header(**changes: Any) -> Callable[[Assertion], None]:
    return lambda assertion: assertion.header.update(changes)


def later(name: str, seconds: int) -> Callable[[Assertion], None]:
    return lambda assertion: assertion.claims.update({name: assertion.now + seconds})


def key(algorithm: str, of: Any, **changes: Any) -> Callable[[Assertion], None]:
    def change(assertion: Assertion) -> None:
        assertion.key = of
        assertion.header = {"alg": algorithm, "kid": "k", **changes}

    return change


def form(**changes: str) -> Callable[[Assertion], None]:
    return lambda assertion: assertion.form.update(changes)


ASSERTIONS: dict[str, Callable[[Assertion], None]] = {
    "another client's iss": claim(iss="lab-3"),
    "iss and sub differ": claim(sub="lab-2"),
    "no iss": claim(iss=None),
    "no sub": claim(sub=None),
    "iss is no text": claim(iss=["lab"]),
    "wrong aud": claim(aud="https://evil.example/oauth/token"),
    "aud is the issuer": claim(aud="https://record.example"),
    "aud is the FHIR base": claim(aud="https://record.example/fhir"),
    "no aud": claim(aud=None),
    "expired": later("exp", -1),
    "expires now": later("exp", 0),
    "lives too long": later("exp", 3600),
    "no exp": claim(exp=None),
    "exp is no number": claim(exp="tomorrow"),
    "not yet valid": later("nbf", 60),
    "issued in the future": later("iat", 600),
    "no jti": claim(jti=None),
    "unknown kid": header(kid="other"),
    "no kid": header(kid=None),
    "kid of a key of another type": header(kid="r"),
    "jku swapped": header(jku="https://evil.example/jwks.json"),
    "the attacker's own key in the header": key("ES384", STRANGER, jwk=STRANGER.as_dict(private=False)),
    "signed by a stranger": key("ES384", STRANGER),
    "HS256 with the public key as secret": key("HS256", json.dumps(PUBLIC["keys"][0]).encode()),
    "HS256 with the PEM of the RSA key": key("HS256", RSA.as_pem(private=False), kid="r"),
    "an algorithm that is not offered": key("RS256", RSA, kid="r"),
    "wrong assertion type": form(client_assertion_type="not_an_assertion_type"),
    "client_id of another": form(client_id="lab-2"),
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc7523#section-3")
@pytest.mark.parametrize("attack", list(ASSERTIONS))
@pytest.mark.usefixtures("world")
async def test_an_assertion_that_does_not_hold(browser: Any, clock: Any, attack: str) -> None:
    assertion = Assertion(clock)
    assert (await browser.post("/oauth/token", data=assertion.fields())).status_code == 200
    assertion.claims["jti"] = "another"
    ASSERTIONS[attack](assertion)
    refused = await browser.post("/oauth/token", data=assertion.fields())
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), refused.text
    assert (refused.headers["cache-control"], refused.headers["pragma"]) == ("no-store", "no-cache")


@pytest.mark.parametrize("attack", ["none", "None", "replayed", "unsigned", "no JWT", "too long"])
@pytest.mark.usefixtures("world")
async def test_an_assertion_that_is_none(browser: Any, clock: Any, attack: str) -> None:
    assertion = Assertion(clock)
    text = assertion.signed()
    body = text.split(".")[1]
    attacks = {
        "none": f"{part({'alg': 'none', 'kid': 'k'})}.{body}.",
        "None": f"{part({'alg': 'None', 'kid': 'k'})}.{body}.",
        "replayed": text,
        "unsigned": f"{text.rpartition('.')[0]}.",
        "no JWT": "a.b.c",
        "too long": f"{part({'alg': 'ES384', 'kid': 'k', 'x': 'x' * 9000})}.{body}.x",
    }
    await browser.post("/oauth/token", data=assertion.fields(text))
    refused = await browser.post("/oauth/token", data=assertion.fields(attacks[attack]))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client"), refused.text


async def code_of(browser: Any, **changes: str) -> str:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(SCOPE, **changes))
    return query_of(await browser.submit(page, "/oauth/consent", decision="allow"))["code"]


def exchange_form(code: str, **changes: str) -> dict[str, str]:
    shown = {"code": code, "redirect_uri": BACK, "client_id": "app", "code_verifier": VERIFIER}
    return {"grant_type": "authorization_code", **shown, **changes}


CODES = {
    "code of another client": {"client_id": "other"},
    "unknown code": {"code": "x"},
    "another redirect_uri": {"redirect_uri": "https://evil.example/back"},
    "redirect_uri with a slash more": {"redirect_uri": f"{BACK}/"},
    "redirect_uri with a query more": {"redirect_uri": f"{BACK}?x=1"},
    "redirect_uri with a fragment": {"redirect_uri": f"{BACK}#x"},
    "no redirect_uri": {"redirect_uri": ""},
    "no verifier": {"code_verifier": ""},
    "wrong verifier": {"code_verifier": "w" * 43},
    "the challenge as verifier (plain)": {"code_verifier": CHALLENGE},
    "a verifier that is too short": {"code_verifier": "v" * 42},
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-4.1.3")
@pytest.mark.parametrize("attack", list(CODES))
@pytest.mark.usefixtures("world")
async def test_a_code_that_is_shown_wrongly(browser: Any, attack: str) -> None:
    code = await code_of(browser)
    refused = await browser.post("/oauth/token", data=exchange_form(code) | CODES[attack])
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant"), refused.text
    assert (await browser.post("/oauth/token", data=exchange_form(code))).status_code == 200, "it is not spent by that"


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1")
@pytest.mark.parametrize("client_id", ["app", "other"])
async def test_a_code_used_twice_ends_what_it_gave(browser: Any, world: Authorization, client_id: str) -> None:
    code = await code_of(browser)
    token = (await browser.post("/oauth/token", data=exchange_form(code))).json()
    again = await browser.post("/oauth/token", data=exchange_form(code, client_id=client_id))
    assert again.json()["error"] == "invalid_grant"
    with pytest.raises(NoBearer):
        await Bearer(world).grant(f"Bearer {token['access_token']}")
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    assert (await browser.post("/oauth/token", data=form)).json()["error"] == "invalid_grant"


async def test_an_old_code(browser: Any, clock: Any) -> None:
    code = await code_of(browser)
    clock.advance(61)
    assert (await browser.post("/oauth/token", data=exchange_form(code))).json()["error"] == "invalid_grant"


PAGES = {
    "redirect_uri of another": {"redirect_uri": "https://evil.example/back"},
    "redirect_uri with a slash more": {"redirect_uri": f"{BACK}/"},
    "redirect_uri with a query more": {"redirect_uri": f"{BACK}?x=1"},
    "redirect_uri with a fragment": {"redirect_uri": f"{BACK}#x"},
    "redirect_uri in capitals": {"redirect_uri": BACK.replace("app.example", "APP.EXAMPLE")},
    "redirect_uri with another port": {"redirect_uri": BACK.replace("app.example", "app.example:444")},
    "redirect_uri by http": {"redirect_uri": BACK.replace("https", "http")},
    "redirect_uri with user info": {"redirect_uri": BACK.replace("app.", "app.example@evil.")},
    "redirect_uri through a path": {"redirect_uri": f"{BACK}/../../evil"},
    "redirect_uri encoded": {"redirect_uri": BACK.replace("/back", "/%62ack")},
    "no redirect_uri": {"redirect_uri": ""},
    "script as redirect_uri": {"redirect_uri": "javascript:alert(1)"},
    "unknown client": {"client_id": "nobody"},
    "no client": {"client_id": ""},
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1")
async def test_who_cannot_be_trusted_is_told_on_a_page(browser: Any) -> None:
    for attack, changes in PAGES.items():
        asked = fields(SCOPE) | changes
        posted = await browser.post("/oauth/authorize", data=asked)
        assert posted.headers["location"].startswith("https://record.example/oauth/authorize?"), attack
        for answer in (
            await browser.get("/oauth/authorize", params=asked),
            await browser.get(posted.headers["location"]),
        ):
            assert answer.status_code == 400, attack
            assert "location" not in answer.headers, attack
            assert "evil" not in answer.headers["content-security-policy"], attack


REDIRECTS = {
    "no PKCE": ({"code_challenge": "", "code_challenge_method": ""}, "invalid_request"),
    "plain PKCE": ({"code_challenge_method": "plain"}, "invalid_request"),
    "PKCE without method (plain by default)": ({"code_challenge_method": ""}, "invalid_request"),
    "a challenge that is no SHA-256": ({"code_challenge": "x" * 42}, "invalid_request"),
    "wrong aud": ({"aud": "https://evil.example/fhir"}, "invalid_request"),
    "no aud": ({"aud": ""}, "invalid_request"),
    "implicit flow": ({"response_type": "token"}, "unsupported_response_type"),
    "no response_type": ({"response_type": ""}, "invalid_request"),
    "another resource beside aud": ({"resource": "https://evil.example/fhir"}, "invalid_target"),
    "prompt none with another": ({"prompt": "none login"}, "invalid_request"),
    "answer in the fragment": ({"response_mode": "fragment"}, "invalid_request"),
    "request object": ({"request": "a.b.c"}, "request_not_supported"),
    "request_uri": ({"request_uri": "https://evil.example/r"}, "request_uri_not_supported"),
    "no scope": ({"scope": ""}, "invalid_scope"),
    "scopes of others": ({"scope": "system/*.rs"}, "invalid_scope"),
    "malformed scope": ({"scope": "patient/Observation.sr"}, "invalid_scope"),
    "forged launch": ({"launch": "forged", "scope": f"launch {SCOPE}"}, "invalid_request"),
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1")
@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9207#section-2 (mix-up: iss comes with errors too)")
async def test_a_trusted_app_is_told_by_the_redirect(browser: Any) -> None:
    await browser.sign_in()
    for attack, (changes, error) in REDIRECTS.items():
        asked = {name: value for name, value in (fields(SCOPE) | changes).items() if value}
        query = query_of(await browser.get("/oauth/authorize", params=asked))
        assert (query["error"], query["state"], query["iss"]) == (error, "s", "https://record.example"), attack
        assert "code" not in query, attack


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-3.1 (parameters are sent once)")
async def test_a_repeated_parameter(browser: Any) -> None:
    for pair in fields(SCOPE).items():
        answer = await browser.get("/oauth/authorize", params=[*fields(SCOPE).items(), pair])
        if pair[0] in ("client_id", "redirect_uri"):
            assert (answer.status_code, "location" in answer.headers) == (400, False), pair
            continue
        told = query_of(answer)
        assert (told["error"], "code" in told) == ("invalid_request", False), pair
        assert told.get("state") == (None if pair[0] == "state" else "s"), pair
    content = "grant_type=authorization_code&code=a&code=b&client_id=app"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = await browser.post("/oauth/token", content=content, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


BASIC = "Basic " + base64.b64encode(b"app:secret").decode()
CALLS: dict[str, tuple[dict[str, Any], int, str]] = {
    "unknown grant": ({"data": {"grant_type": "password", "client_id": "app"}}, 400, "unsupported_grant_type"),
    "no grant": ({"data": {"client_id": "app"}}, 400, "invalid_request"),
    "no code": ({"data": {"client_id": "app", "grant_type": "authorization_code"}}, 400, "invalid_request"),
    "no refresh token": ({"data": {"client_id": "app", "grant_type": "refresh_token"}}, 400, "invalid_request"),
    "nobody": ({"data": {"grant_type": "authorization_code", "code": "x"}}, 401, "invalid_client"),
    "a public app as a backend": (
        {"data": {"grant_type": "client_credentials", "client_id": "app"}},
        400,
        "unauthorized_client",
    ),
    "a backend without its proof": (
        {"data": {"grant_type": "client_credentials", "client_id": "lab"}},
        401,
        "invalid_client",
    ),
    "a secret for a client that has none": (
        {"data": {"grant_type": "authorization_code"}, "headers": {"Authorization": BASIC}},
        401,
        "invalid_client",
    ),
    "a secret in the body": (
        {"data": {"grant_type": "authorization_code", "client_id": "app", "client_secret": "s"}},
        400,
        "invalid_request",
    ),
    "credentials in header and body": (
        {
            "data": {"grant_type": "x", "client_assertion": "a.b.c", "client_assertion_type": ASSERTION_TYPE},
            "headers": {"Authorization": BASIC},
        },
        400,
        "invalid_request",
    ),
    "Basic that is no base64": (
        {"data": {"grant_type": "x"}, "headers": {"Authorization": "Basic %%%"}},
        401,
        "invalid_client",
    ),
    "JSON": ({"json": {"grant_type": "authorization_code"}}, 415, "invalid_request"),
    "parameters in the address": (
        {"params": {"grant_type": "client_credentials", "client_id": "app"}, "data": {"x": "y"}},
        401,
        "invalid_client",
    ),
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-5.2")
@pytest.mark.usefixtures("world")
async def test_a_call_that_is_no_token_request(browser: Any) -> None:
    for attack, (arguments, status, error) in CALLS.items():
        answer = await browser.post("/oauth/token", **arguments)
        assert (answer.status_code, answer.json()["error"]) == (status, error), attack
        assert answer.json()["error_description"], attack
        assert answer.headers["cache-control"] == "no-store", attack
        assert answer.headers.get("www-authenticate", "").startswith("Basic") is (status == 401), attack


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-3.2 (the client MUST use POST)")
async def test_endpoints_take_posts_only(browser: Any) -> None:
    for name in ("token", "introspect", "revoke", "launch", "register"):
        for method in ("GET", "PUT", "DELETE", "HEAD"):
            answer = await browser.request(method, f"/oauth/{name}", params=exchange_form("x"))
            assert answer.status_code == 405, (name, method)
            assert "POST" in answer.headers["allow"], (name, method)


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-6")
async def test_a_refresh_never_widens(browser: Any) -> None:
    token = (await browser.post("/oauth/token", data=exchange_form(await code_of(browser)))).json()
    form = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": "app"}
    for scope in ("patient/*.rs", "patient/Observation.cruds", f"{SCOPE} openid", "user/*.rs", "system/*.rs", "word"):
        wider = await browser.post("/oauth/token", data={**form, "scope": scope})
        assert (wider.status_code, wider.json()["error"]) == (400, "invalid_scope"), scope
    assert (await browser.post("/oauth/token", data=form)).status_code == 200


@pytest.mark.parametrize("claims", [{"exp": 1}, {"aud": "https://evil.example/fhir"}, {"iss": "https://evil.example"}])
async def test_an_access_token_that_does_not_hold(browser: Any, world: Authorization, claims: dict[str, Any]) -> None:
    token = (await browser.post("/oauth/token", data=exchange_form(await code_of(browser)))).json()["access_token"]
    head, body, signature = token.split(".")
    forged = {**json.loads(base64.urlsafe_b64decode(body + "==")), **claims}
    for text in (
        f"{head}.{part(forged)}.{signature}",
        f"{part({'alg': 'none', 'typ': 'at+jwt'})}.{part(forged)}.",
        await world.keys.sign("ES256", forged, "at+jwt"),
    ):
        with pytest.raises(NoBearer):
            await Bearer(world).grant(f"Bearer {text}")


async def test_an_id_token_or_a_refresh_token_is_no_access_token(browser: Any, world: Authorization) -> None:
    await browser.sign_in()
    page = await browser.get("/oauth/authorize", params=fields(f"openid {SCOPE}"))
    code = query_of(await browser.submit(page, "/oauth/consent", decision="allow"))["code"]
    token = (await browser.post("/oauth/token", data=exchange_form(code))).json()
    for name in ("id_token", "refresh_token"):
        with pytest.raises(NoBearer):
            await Bearer(world).grant(f"Bearer {token[name]}")


FORMS = {
    "sign-in": ("/sign-in", {"login": "pat", "password": "a good password"}),
    "sign-out": ("/sign-out", {}),
    "consent": ("/oauth/consent", {"decision": "allow", "scope": "patient/Observation.rs"}),
    "withdrawal": ("/account/apps/revoke", {"client_id": "app"}),
    "second factor": ("/account/second-factor/enrol", {"code": "123456"}),
    "approval": ("/account/approvals", {"decision": "approve x"}),
}


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc6749#section-10.12")
async def test_a_form_that_another_site_sends(browser: Any, authorization: Authorization) -> None:
    """Cross-site request forgery: the cookie may come along, the form's token does not."""
    await browser.sign_in()
    request = str(httpx.QueryParams(fields(SCOPE)))
    for attack, (address, values) in FORMS.items():
        for token in ({}, {"form_token": ""}, {"form_token": "forged"}):
            sent = {**values, "request": request, **token}
            answer = await browser.post(address, data=sent, headers={"Origin": "https://evil.example"})
            assert answer.status_code == 403, attack
            assert "location" not in answer.headers, attack
            assert (await browser.get("/account")).status_code == 200, f"{attack}: the person stays signed in"
    assert await authorization.apps.list("pat") == []


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9700#section-4.16 (clickjacking)")
@pytest.mark.parametrize("address", ["/", "/sign-in", "/account", "/account/apps", "/oauth/authorize", "/nowhere"])
async def test_no_page_is_framed_kept_or_told_to_others(browser: Any, address: str) -> None:
    await browser.sign_in()
    answer = await browser.get(address, params=fields(SCOPE) if "authorize" in address else {})
    if address == "/nowhere":
        assert answer.status_code == 404
        return
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in policy
    assert "default-src 'none'" in policy
    assert "base-uri 'none'" in policy
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.spec("https://cheatsheetseries.owasp.org/cheatsheets/Session_Management_Cheat_Sheet.html#cookies")
async def test_cookies_and_session_fixation(browser: Any, authorization: Authorization) -> None:
    browser.cookies.set("__Host-session", "planted", domain="record.example")
    answer = await browser.sign_in()
    cookies = answer.headers.get_list("set-cookie")
    (session,) = [cookie for cookie in cookies if cookie.startswith("__Host-session=")]
    assert "planted" not in session
    for flag in ("HttpOnly", "Secure", "SameSite=lax", "Path=/"):
        assert flag.lower() in session.lower()
    assert "domain" not in session.lower()
    assert await authorization.sessions.get("planted") is None


@pytest.mark.spec("https://www.rfc-editor.org/rfc/rfc9700#section-4.11 (open redirect)")
async def test_a_sign_in_leads_nowhere_else(browser: Any) -> None:
    for address in ("https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/x\r\ny"):
        page = await browser.get("/sign-in", params={"next": address})
        answer = await browser.submit(page, "/sign-in", login="pat", password="a good password", next=address)
        where = urlsplit(answer.headers["location"])
        assert (where.netloc, where.path, parse_qs(where.query)) == ("record.example", "/account", {}), address
    for own in (
        "/account/access",
        "/account/apps",
        "/account/second-factor",
        "/account/passkeys",
        "/account/approvals",
    ):
        answer = await browser.submit(
            await browser.get("/sign-in", params={"next": own}), "/sign-in", login="pat", password="a good password"
        )
        assert answer.headers["location"] == f"https://record.example{own}"
