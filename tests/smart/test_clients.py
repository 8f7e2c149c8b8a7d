"""https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr"""

from typing import Any

import msgspec
import pytest
from joserfc.jwk import Key

from fhir_server.foundation.operation_outcome import BadRequest, Duplicate, NotFound, Unprocessable
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.register import is_secret_of

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr")]


async def test_a_registered_client_is_kept(authorization: Authorization, app_client: Client) -> None:
    assert await authorization.clients.register(app_client) == ""
    assert await authorization.clients.get("app") == app_client
    assert await authorization.clients.list() == [app_client]
    assert await authorization.clients.get("nobody") is None
    with pytest.raises(Duplicate):
        await authorization.clients.register(app_client)


@pytest.mark.parametrize(
    "uri",
    [
        "http://app.example/back",
        "https://app.example/#x",
        "https://*.example/back",
        "/back",
        "javascript:alert(1)",
        "data:text/html,x",
        "https://user:secret@app.example/",
        "https:///back",
        "https://app.example/ back",
        "https://app.example/\n",
        "https://é.example/",
    ],
)
async def test_unsafe_redirect_uris_are_refused(authorization: Authorization, app_client: Client, uri: str) -> None:
    with pytest.raises(Unprocessable):
        await authorization.clients.register(msgspec.structs.replace(app_client, redirect_uris=(uri,)))


@pytest.mark.parametrize("uri", ["http://127.0.0.1:8000/back", "http://localhost/back", "fr.app.carnet:/back"])
async def test_native_and_local_redirect_uris_are_accepted(
    authorization: Authorization, app_client: Client, uri: str
) -> None:
    await authorization.clients.register(msgspec.structs.replace(app_client, redirect_uris=(uri,)))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"client_id": "x" * 256},
        {"name": " "},
        {"grant_types": ("password",)},
        {"redirect_uris": ()},
        {"grant_types": ("client_credentials",)},
        {"is_operator": True},
        {"kind": "confidential-asymmetric"},
        {"jwks_uri": "http://keys.example/jwks"},
        {"jwks": {}},
        {"jwks": {"keys": []}},
        {"jwks": {"keys": [{"kty": "oct", "kid": "1", "k": "c2VjcmV0"}]}},
        {"jwks": {"keys": [{"kty": "RSA", "n": "x", "e": "AQAB"}]}},
    ],
)
async def test_contradictory_registrations_are_refused(
    authorization: Authorization, app_client: Client, changes: dict[str, Any]
) -> None:
    with pytest.raises(Unprocessable):
        await authorization.clients.register(msgspec.structs.replace(app_client, **changes))


async def test_a_private_key_is_refused(authorization: Authorization, lab_client: Client, rsa_key: Key) -> None:
    jwks = {"keys": [dict(rsa_key.as_dict(private=True))]}
    with pytest.raises(Unprocessable):
        await authorization.clients.register(msgspec.structs.replace(lab_client, jwks=jwks))


async def test_malformed_scopes_are_refused(authorization: Authorization, app_client: Client) -> None:
    with pytest.raises(BadRequest):
        await authorization.clients.register(msgspec.structs.replace(app_client, scopes=("patient/Observation.sr",)))


async def test_a_secret_is_told_once_and_kept_as_a_hash(
    authorization: Authorization, app_client: Client, store: Any
) -> None:
    client = msgspec.structs.replace(app_client, kind="confidential-symmetric")
    secret = await authorization.clients.register(client)
    kept = await authorization.clients.get("app")
    assert kept is not None
    assert is_secret_of(kept, secret)
    assert not is_secret_of(kept, secret + "x")
    assert not is_secret_of(app_client, "")
    assert secret.encode() not in (await store.record("client", "app") or b"")


async def test_a_disabled_client_is_listed_and_not_got(authorization: Authorization, app_client: Client) -> None:
    await authorization.clients.register(app_client)
    assert await authorization.clients.origins() == {"https://app.example"}
    await authorization.clients.disable("app")
    assert await authorization.clients.get("app") is None
    assert [client.is_disabled for client in await authorization.clients.list()] == [True]
    assert await authorization.clients.origins() == frozenset()
    with pytest.raises(NotFound):
        await authorization.clients.disable("nobody")
