"""https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html"""

import base64
import hashlib
import hmac
import http.server
import json
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from joserfc.jwk import ECKey, Key, RSAKey

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Bearer
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.assertion import ASSERTION_TYPE
from fhir_server.smart.clients.jwks import ClientKeys
from fhir_server.smart.refusal import OAuthRefusal
from fhir_server.smart.token import token

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/backend-services.html")]
Sign = Callable[..., str]


def form(assertion: str, scope: str = "system/Observation.rs", **changes: str) -> list[tuple[str, str]]:
    fields = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": assertion,
    }
    return list({**fields, **changes}.items())


def _base64(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


async def refused(authorization: Authorization, pairs: list[tuple[str, str]]) -> str:
    with pytest.raises(OAuthRefusal) as caught:
        await token(authorization, pairs)
    return caught.value.error


@pytest.mark.parametrize("algorithm", ["RS384", "ES384"])
async def test_both_required_algorithms_bring_a_token(world: Authorization, sign: Sign, algorithm: str) -> None:
    response = await token(world, form(sign(algorithm)))
    assert response["token_type"] == "Bearer"
    assert response["expires_in"] == 300
    assert response["scope"] == "system/Observation.rs"
    assert "refresh_token" not in response
    grant = await Bearer(world).grant(f"Bearer {response['access_token']}")
    assert (grant.kind, grant.actor, grant.client_id, grant.user_id) == ("system", "Device/lab", "lab", "")
    assert grant.is_operator is False


async def test_an_es256_key_is_accepted_too(world: Authorization, sign: Sign, lab_client: Client) -> None:
    key = ECKey.generate_key("P-256", {"kid": "ec-256"})
    client = msgspec.structs.replace(lab_client, jwks={"keys": [key.as_dict(private=False)]})
    await world.clients.register(client, is_replacing=True)
    assert (await token(world, form(sign("ES256", key))))["scope"] == "system/Observation.rs"


async def test_operator_clients_get_operator_grants(world: Authorization, sign: Sign, lab_client: Client) -> None:
    await world.clients.register(msgspec.structs.replace(lab_client, is_operator=True), is_replacing=True)
    response = await token(world, form(sign()))
    assert (await Bearer(world).grant(f"Bearer {response['access_token']}")).is_operator is True


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "other"},
        {"iss": None},
        {"sub": "other"},
        {"sub": None},
        {"aud": "https://other.example/token"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"jti": None},
        {"jti": ""},
        {"jti": 12},
        {"nbf": 99_999_999_999},
    ],
)
async def test_a_wrong_claim_is_invalid_client(world: Authorization, sign: Sign, changes: dict[str, Any]) -> None:
    assert await refused(world, form(sign(**changes))) == "invalid_client"


async def test_an_assertion_for_longer_than_five_minutes_is_refused(
    world: Authorization, sign: Sign, clock: Any
) -> None:
    assert await refused(world, form(sign(exp=int(clock().timestamp()) + 400))) == "invalid_client"


async def test_an_expired_assertion_is_refused(world: Authorization, sign: Sign, clock: Any) -> None:
    assertion = sign()
    clock.advance(241)
    assert await refused(world, form(assertion)) == "invalid_client"


async def test_a_jti_is_good_once(world: Authorization, sign: Sign) -> None:
    assertion = sign()
    await token(world, form(assertion))
    assert await refused(world, form(assertion)) == "invalid_client"
    assert await refused(world, form(sign(jti="jti-1"))) == "invalid_client"


async def test_a_replayed_jti_is_known_after_a_restart(
    world: Authorization, store: Any, sign: Sign, clock: Any
) -> None:
    assertion = sign()
    await token(world, form(assertion))
    restarted = Authorization(store, world.base_url, clock, lambda: "other", world.settings)
    await restarted.open()
    assert await refused(restarted, form(assertion)) == "invalid_client"


async def test_an_unknown_kid_is_refused(world: Authorization, sign: Sign) -> None:
    assert await refused(world, form(sign(header={"kid": "nobody"}))) == "invalid_client"
    assert await refused(world, form(sign(header={"kid": None}))) == "invalid_client"


async def test_a_kid_of_another_key_type_is_refused(world: Authorization, sign: Sign) -> None:
    assert await refused(world, form(sign("RS384", header={"kid": "ec-1"}))) == "invalid_client"


async def test_a_key_of_somebody_else_is_refused(world: Authorization, sign: Sign) -> None:
    stranger = RSAKey.generate_key(2048, {"kid": "rsa-1"})
    assert await refused(world, form(sign("RS384", stranger))) == "invalid_client"


async def test_two_keys_of_the_same_kid_are_refused(world: Authorization, sign: Sign, lab_client: Client) -> None:
    twice = {"keys": [*(lab_client.jwks or {})["keys"], (lab_client.jwks or {})["keys"][0]]}
    await world.clients.register(msgspec.structs.replace(lab_client, jwks=twice), is_replacing=True)
    assert await refused(world, form(sign())) == "invalid_client"


@pytest.mark.filterwarnings("ignore:.*:joserfc.errors.SecurityWarning")
async def test_a_weak_or_unreadable_key_is_refused(
    world: Authorization, sign: Sign, lab_client: Client, rsa_key: Key
) -> None:
    weak = RSAKey.generate_key(1024, {"kid": "rsa-1"})
    for jwk, key in ((weak.as_dict(private=False), weak), ({"kty": "RSA", "kid": "rsa-1", "n": "x"}, rsa_key)):
        client = msgspec.structs.replace(lab_client, jwks={"keys": [jwk]})
        await world.clients.register(client, is_replacing=True)
        assert await refused(world, form(sign("RS384", key))) == "invalid_client"


async def test_alg_none_is_refused(world: Authorization, sign: Sign) -> None:
    _, claims, _ = sign().split(".")
    header = _base64(b'{"alg":"none","kid":"rsa-1"}')
    assert await refused(world, form(f"{header}.{claims}.")) == "invalid_client"


async def test_hs256_with_the_public_key_is_refused(world: Authorization, sign: Sign, rsa_key: Key) -> None:
    assert isinstance(rsa_key, RSAKey)
    header = _base64(b'{"alg":"HS256","kid":"rsa-1"}')
    signed = f"{header}.{sign().split('.')[1]}"
    mac = hmac.new(rsa_key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    assert await refused(world, form(f"{signed}.{_base64(mac)}")) == "invalid_client"


@pytest.mark.parametrize("assertion", ["x", "a.b.c", "e30.e30.", "", "é.é.é"])
async def test_what_is_no_jwt_is_refused(world: Authorization, assertion: str) -> None:
    assert await refused(world, form(assertion)) == "invalid_client"


async def test_a_jku_that_was_not_registered_is_refused(world: Authorization, sign: Sign) -> None:
    assertion = sign(header={"jku": "https://evil.example/keys"})
    assert await refused(world, form(assertion)) == "invalid_client"


async def test_another_assertion_type_is_refused(world: Authorization, sign: Sign) -> None:
    assert await refused(world, form(sign(), client_assertion_type="urn:other")) == "invalid_client"


async def test_a_client_id_of_another_client_is_refused(world: Authorization, sign: Sign) -> None:
    assert await refused(world, form(sign(), client_id="app")) == "invalid_client"


@pytest.mark.parametrize("scope", ["", "patient/*.rs", "user/*.rs", "system/Condition.rs", "openid offline_access"])
async def test_a_scope_that_it_does_not_have_is_invalid_scope(world: Authorization, sign: Sign, scope: str) -> None:
    assert await refused(world, form(sign(), scope)) == "invalid_scope"


async def test_a_scope_wider_than_the_clients_is_narrowed(world: Authorization, sign: Sign) -> None:
    response = await token(world, form(sign(), "system/*.cruds patient/*.rs"))
    assert set(response["scope"].split()) == {"system/Observation.rs", "system/DocumentReference.cruds"}


async def test_a_refused_scope_does_not_spend_the_assertion(world: Authorization, sign: Sign) -> None:
    assertion = sign()
    assert await refused(world, form(assertion, "patient/*.rs")) == "invalid_scope"
    assert (await token(world, form(assertion)))["token_type"] == "Bearer"


async def test_a_disabled_client_is_refused(world: Authorization, sign: Sign) -> None:
    await world.clients.disable("lab")
    assert await refused(world, form(sign())) == "invalid_client"


async def test_a_public_client_is_no_backend_service(world: Authorization) -> None:
    pairs = [("grant_type", "client_credentials"), ("client_id", "app"), ("scope", "system/*.rs")]
    assert await refused(world, pairs) == "unauthorized_client"


@pytest.fixture
def key_server(rsa_key: Key) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """A web server of a JWK Set: its address, the paths that were asked, and the headers that it sends."""
    asked: list[str] = []
    headers = {"Cache-Control": "max-age=60"}

    class Answer(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200 if self.path == "/keys" else 302)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Location", "/keys")
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [rsa_key.as_dict(private=False)]}).encode())

        def log_message(self, *_: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", asked, headers
        server.shutdown()
        thread.join()


async def test_keys_are_fetched_and_kept_as_long_as_cache_control_says(
    world: Authorization, sign: Sign, lab_client: Client, clock: Any, key_server: Any
) -> None:
    address, asked, _ = key_server
    client = msgspec.structs.replace(lab_client, jwks=None, jwks_uri=f"{address}/keys")
    await world.clients.register(client, is_replacing=True)
    await token(world, form(sign(header={"jku": f"{address}/keys"})))
    await token(world, form(sign()))
    assert asked == ["/keys"]
    clock.advance(61)
    await token(world, form(sign()))
    assert asked == ["/keys", "/keys"]


@pytest.mark.spec("smart-app-launch/STU2.2/client-confidential-asymmetric.html (a client may rotate its keys)")
async def test_a_new_key_is_found_before_the_kept_ones_are_old(lab_client: Client, rsa_key: Key, clock: Any) -> None:
    served, asked = [{**rsa_key.as_dict(private=False), "kid": "old"}], list[str]()

    async def fetch(uri: str) -> tuple[bytes, int]:
        asked.append(uri)
        return json.dumps({"keys": served}).encode(), 3600

    client = msgspec.structs.replace(lab_client, jwks=None, jwks_uri="https://lab.example/keys")
    keys = ClientKeys(clock, fetch)
    await keys.pick(client, {"alg": "RS384", "kid": "old"})
    served = [{**rsa_key.as_dict(private=False), "kid": "new"}]
    with pytest.raises(OAuthRefusal, match="kid"):
        await keys.pick(client, {"alg": "RS384", "kid": "new"})
    assert len(asked) == 1, "keys that came seconds ago are not asked again"
    clock.advance(10)
    await keys.pick(client, {"alg": "RS384", "kid": "new"})
    for _ in range(3):
        with pytest.raises(OAuthRefusal, match="kid"):
            await keys.pick(client, {"alg": "RS384", "kid": "old"})
    assert len(asked) == 2, "a kid that is made up asks once in ten seconds"


async def test_keys_are_not_kept_without_leave_and_redirects_are_not_followed(
    world: Authorization, sign: Sign, lab_client: Client, key_server: Any
) -> None:
    address, asked, headers = key_server
    headers["Cache-Control"] = "no-store"
    for path, outcome in (("keys", 2), ("moved", 1)):
        client = msgspec.structs.replace(lab_client, jwks=None, jwks_uri=f"{address}/{path}")
        await world.clients.register(client, is_replacing=True)
        asked.clear()
        if path == "keys":
            await token(world, form(sign()))
            await token(world, form(sign()))
        else:
            assert await refused(world, form(sign())) == "invalid_client"
        assert len(asked) == outcome
