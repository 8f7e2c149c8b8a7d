"""https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token"""

import base64
import hashlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import allow, parse
from fhir_server.smart.bearer import Bearer, NoBearer
from fhir_server.smart.clients import Client
from fhir_server.smart.introspect import introspect
from fhir_server.smart.refusal import OAuthRefusal
from fhir_server.smart.revoke import revoke
from fhir_server.smart.token import token

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#obtain-access-token")]
BACK = "https://app.example/back"
VERIFIER = "a-verifier-that-is-long-enough-for-the-rule-of-43"
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ALL = "openid fhirUser launch/patient offline_access patient/*.rs"
Response = dict[str, Any]
GetCode = Callable[..., Awaitable[str]]


@pytest.fixture
def get_code(world: Authorization) -> GetCode:
    async def get(scope: str = ALL, user_id: str = "pat", client_id: str = "app") -> str:
        user = await world.users.get(user_id)
        assert user is not None
        session = await world.sessions.get(await world.sessions.begin(user, "local"))
        assert session is not None
        pairs = {
            "response_type": "code",
            "client_id": client_id,
            "redirect_uri": BACK,
            "scope": scope,
            "aud": world.base_url,
            "nonce": "n-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        }
        asked = await parse(world, pairs.items())
        location = await allow(world, asked, session, user, asked.offered(user))
        return parse_qs(urlsplit(location).query)["code"][0]

    return get


def code_form(text: str, **changes: str | None) -> list[tuple[str, str]]:
    fields: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "code": text,
        "redirect_uri": BACK,
        "client_id": "app",
        "code_verifier": VERIFIER,
        **changes,
    }
    return [(name, value) for name, value in fields.items() if value is not None]


def refresh_form(refresh_token: str, **changes: str) -> list[tuple[str, str]]:
    fields = {"grant_type": "refresh_token", "refresh_token": refresh_token, "client_id": "app"}
    return list({**fields, **changes}.items())


async def refused(authorization: Authorization, pairs: list[tuple[str, str]], header: str = "") -> str:
    with pytest.raises(OAuthRefusal) as caught:
        await token(authorization, pairs, header)
    return caught.value.error


async def is_live(authorization: Authorization, response: Response) -> bool:
    try:
        await Bearer(authorization).grant(f"Bearer {response['access_token']}")
    except NoBearer:
        return False
    return True


async def test_a_patient_gets_a_token_for_his_own_record(world: Authorization, get_code: GetCode) -> None:
    response = await token(world, code_form(await get_code()))
    assert response["patient"] == "1"
    assert response["expires_in"] == 3600
    assert response["scope"] == ALL
    grant = await Bearer(world).grant(f"Bearer {response['access_token']}")
    assert (grant.kind, grant.actor, grant.patient_id, grant.user_id) == ("patient", "Patient/1", "1", "pat")
    assert (grant.client_id, grant.display) == ("app", "Pat Durand")
    assert [scope.context for scope in grant.scopes] == ["patient"]


async def test_a_professional_gets_a_token_in_his_name(world: Authorization, get_code: GetCode) -> None:
    response = await token(world, code_form(await get_code("user/*.rs", "doc")))
    assert "patient" not in response
    assert "id_token" not in response
    assert "refresh_token" not in response
    grant = await Bearer(world).grant(f"Bearer {response['access_token']}")
    assert (grant.kind, grant.actor, grant.profession) == ("professional", "Practitioner/1", "10")
    assert grant.organizations == ("Organization/1",)


@pytest.mark.spec("openid-connect-core-1_0.html#IDToken")
async def test_the_id_token_is_rs256_and_says_who_signed_in(
    world: Authorization, get_code: GetCode, clock: Any
) -> None:
    response = await token(world, code_form(await get_code()))
    keys = KeySet.import_key_set(world.keys.jwks())  # type: ignore[arg-type]
    decoded = jwt.decode(response["id_token"], keys, algorithms=["RS256"])
    assert decoded.header["alg"] == "RS256"
    now = int(clock().timestamp())
    assert decoded.claims == {
        "iss": "https://record.example",
        "sub": "pat",
        "aud": "app",
        "iat": now,
        "exp": now + 300,
        "auth_time": now,
        "nonce": "n-1",
        "fhirUser": "https://record.example/fhir/Patient/1",
    }


async def test_an_id_token_is_no_access_token(world: Authorization, get_code: GetCode) -> None:
    response = await token(world, code_form(await get_code()))
    with pytest.raises(NoBearer):
        await Bearer(world).grant(f"Bearer {response['id_token']}")


@pytest.mark.parametrize(
    "changes",
    [
        {"code": "unknown"},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": None},
        {"code_verifier": "another-verifier-that-is-long-enough-for-it-all"},
        {"code_verifier": None},
        {"code_verifier": "short"},
        {"code_verifier": CHALLENGE},
    ],
)
async def test_a_code_shown_wrongly_is_invalid_grant(
    world: Authorization, get_code: GetCode, changes: dict[str, str | None]
) -> None:
    assert await refused(world, code_form(await get_code(), **changes)) == "invalid_grant"


async def test_a_code_of_another_client_is_invalid_grant(
    world: Authorization, get_code: GetCode, app_client: Client
) -> None:
    await world.clients.register(msgspec.structs.replace(app_client, client_id="app-2"))
    assert await refused(world, code_form(await get_code(), client_id="app-2")) == "invalid_grant"


async def test_a_code_lives_sixty_seconds(world: Authorization, get_code: GetCode, clock: Any) -> None:
    code, other = await get_code(), await get_code()
    clock.advance(59)
    await token(world, code_form(code))
    clock.advance(1)
    assert await refused(world, code_form(other)) == "invalid_grant"


@pytest.mark.spec("rfc6749#section-4.1.2")
async def test_a_second_use_of_a_code_ends_the_tokens_of_the_first(world: Authorization, get_code: GetCode) -> None:
    code = await get_code()
    response = await token(world, code_form(code))
    assert await is_live(world, response)
    assert await refused(world, code_form(code)) == "invalid_grant"
    assert not await is_live(world, response)
    assert await refused(world, refresh_form(response["refresh_token"])) == "invalid_grant"


async def test_the_client_must_be_known(world: Authorization, get_code: GetCode) -> None:
    code = await get_code()
    assert await refused(world, code_form(code, client_id="nobody")) == "invalid_client"
    assert await refused(world, code_form(code, client_id=None)) == "invalid_client"
    assert await refused(world, code_form(code, client_id="lab")) == "invalid_client"


async def test_grant_types_are_checked(world: Authorization, get_code: GetCode) -> None:
    code = await get_code()
    assert await refused(world, code_form(code, grant_type="password")) == "unsupported_grant_type"
    assert await refused(world, code_form(code, grant_type=None)) == "invalid_request"
    assert await refused(world, code_form(code, grant_type="client_credentials")) == "unauthorized_client"


async def test_a_disabled_user_gets_no_token(world: Authorization, get_code: GetCode) -> None:
    code = await get_code()
    await world.users.disable("pat")
    assert await refused(world, code_form(code)) == "invalid_grant"


@pytest.fixture
async def secret_header(world: Authorization, app_client: Client) -> str:
    client = msgspec.structs.replace(app_client, client_id="web", kind="confidential-symmetric")
    secret = await world.clients.register(client)
    return "Basic " + base64.b64encode(f"web:{secret}".encode()).decode()


@pytest.mark.spec("smart-app-launch/STU2.2/client-confidential-symmetric.html")
async def test_a_confidential_client_authenticates_with_its_secret(
    world: Authorization, get_code: GetCode, secret_header: str
) -> None:
    code = await get_code(client_id="web")
    wrong = "Basic " + base64.b64encode(b"web:wrong").decode()
    assert await refused(world, code_form(code, client_id="web")) == "invalid_client"
    assert await refused(world, code_form(code, client_id=None), wrong) == "invalid_client"
    assert await refused(world, code_form(code, client_id=None), "Basic é") == "invalid_client"
    assert await refused(world, code_form(code, client_id="web", client_secret="x")) == "invalid_request"
    assert await refused(world, code_form(code, client_id="app"), secret_header) == "invalid_client"
    assert (await token(world, code_form(code, client_id=None), secret_header))["token_type"] == "Bearer"


@pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#refresh-access-token")
async def test_a_refresh_rotates(world: Authorization, get_code: GetCode, clock: Any) -> None:
    first = await token(world, code_form(await get_code()))
    clock.advance(4000)
    assert not await is_live(world, first)
    second = await token(world, refresh_form(first["refresh_token"]))
    assert second["refresh_token"] != first["refresh_token"]
    assert second["patient"] == "1"
    assert second["scope"] == ALL
    assert await is_live(world, second)


@pytest.mark.spec("rfc9700#section-4.14.2")
async def test_a_second_use_of_a_refresh_token_ends_the_family(world: Authorization, get_code: GetCode) -> None:
    first = await token(world, code_form(await get_code()))
    second = await token(world, refresh_form(first["refresh_token"]))
    assert await refused(world, refresh_form(first["refresh_token"])) == "invalid_grant"
    assert await refused(world, refresh_form(second["refresh_token"])) == "invalid_grant"
    assert not await is_live(world, second)


async def test_a_forged_refresh_token_changes_nothing(world: Authorization, get_code: GetCode) -> None:
    first = await token(world, code_form(await get_code()))
    family_id, _, mac = first["refresh_token"].split(".")
    for forged in (f"{family_id}.1.{mac}", f"{family_id}.0.{'0' * 64}", f"{family_id}.é.é", family_id, "x"):
        assert await refused(world, refresh_form(forged)) == "invalid_grant"
    assert (await token(world, refresh_form(first["refresh_token"])))["token_type"] == "Bearer"


async def test_a_refresh_token_is_bound_to_its_client(
    world: Authorization, get_code: GetCode, app_client: Client
) -> None:
    await world.clients.register(msgspec.structs.replace(app_client, client_id="app-2"))
    first = await token(world, code_form(await get_code()))
    assert await refused(world, refresh_form(first["refresh_token"], client_id="app-2")) == "invalid_grant"


@pytest.mark.spec("https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token")
async def test_a_public_app_need_not_name_itself_at_a_refresh(
    world: Authorization, get_code: GetCode, app_client: Client
) -> None:
    first = await token(world, code_form(await get_code()))
    second = await token(world, refresh_form(first["refresh_token"], client_id=""))
    forged = second["refresh_token"][:-1] + "x"
    assert await refused(world, refresh_form(forged, client_id="")) == "invalid_client"
    await world.clients.register(msgspec.structs.replace(app_client, kind="confidential-symmetric"), is_replacing=True)
    unproven = refresh_form(second["refresh_token"], client_id="")
    assert await refused(world, unproven) == "invalid_client"


async def test_a_refresh_may_narrow_and_never_widen(world: Authorization, get_code: GetCode) -> None:
    first = await token(world, code_form(await get_code("offline_access patient/Observation.rs")))
    for wider in ("patient/*.rs", "patient/Observation.cruds", "openid patient/Observation.rs", "user/*.rs"):
        assert await refused(world, refresh_form(first["refresh_token"], scope=wider)) == "invalid_scope"
    second = await token(world, refresh_form(first["refresh_token"], scope="patient/Observation.r"))
    assert second["scope"] == "patient/Observation.r"


async def test_a_refresh_ends_with_the_family(world: Authorization, get_code: GetCode, clock: Any) -> None:
    first = await token(world, code_form(await get_code()))
    clock.advance(world.settings.refresh_seconds - 60)
    second = await token(world, refresh_form(first["refresh_token"]))
    assert second["expires_in"] == 60
    clock.advance(60)
    assert await refused(world, refresh_form(second["refresh_token"])) == "invalid_grant"


async def test_a_refresh_follows_what_the_client_may_still_ask(
    world: Authorization, get_code: GetCode, app_client: Client
) -> None:
    first = await token(world, code_form(await get_code()))
    client = msgspec.structs.replace(app_client, scopes=("patient/Observation.rs",))
    await world.clients.register(client, is_replacing=True)
    second = await token(world, refresh_form(first["refresh_token"]))
    assert second["scope"] == "patient/Observation.rs"


@pytest.mark.spec("rfc7009")
@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
async def test_revoking_either_token_ends_both(world: Authorization, get_code: GetCode, name: str) -> None:
    response = await token(world, code_form(await get_code()))
    bearer = Bearer(world)
    await bearer.grant(f"Bearer {response['access_token']}")
    await revoke(world, [("token", response[name]), ("client_id", "app")])
    with pytest.raises(NoBearer):
        await bearer.grant(f"Bearer {response['access_token']}")
    assert await refused(world, refresh_form(response["refresh_token"])) == "invalid_grant"


@pytest.mark.spec("rfc7009#section-2.1")
async def test_only_its_client_may_revoke_a_token(world: Authorization, get_code: GetCode, app_client: Client) -> None:
    await world.clients.register(msgspec.structs.replace(app_client, client_id="app-2"))
    response = await token(world, code_form(await get_code()))
    with pytest.raises(OAuthRefusal) as caught:
        await revoke(world, [("token", response["access_token"]), ("client_id", "app-2")])
    assert caught.value.error == "invalid_grant"
    with pytest.raises(OAuthRefusal):
        await revoke(world, [("token", response["access_token"])])
    await revoke(world, [("token", "unknown"), ("client_id", "app")])
    assert await is_live(world, response)


@pytest.mark.spec("smart-app-launch/STU2.2/token-introspection.html")
async def test_introspection_tells_the_context(world: Authorization, get_code: GetCode, secret_header: str) -> None:
    response = await token(world, code_form(await get_code()))
    state = await introspect(world, [("token", response["access_token"])], secret_header)
    assert state["active"] is True
    assert (state["scope"], state["client_id"], state["patient"], state["sub"]) == (ALL, "app", "1", "pat")
    assert state["fhirUser"] == "https://record.example/fhir/Patient/1"
    assert state["iss"] == "https://record.example"
    by_bearer = await introspect(world, [("token", response["refresh_token"])], f"Bearer {response['access_token']}")
    assert by_bearer["active"] is True


@pytest.mark.spec("rfc7662#section-2.2")
async def test_a_dead_token_is_only_inactive(
    world: Authorization, get_code: GetCode, secret_header: str, clock: Any
) -> None:
    response = await token(world, code_form(await get_code()))
    newer = await token(world, refresh_form(response["refresh_token"]))
    dead = [response["refresh_token"], "unknown", response["id_token"]]
    assert [await introspect(world, [("token", text)], secret_header) for text in dead] == [{"active": False}] * 3
    clock.advance(3600)
    assert await introspect(world, [("token", newer["access_token"])], secret_header) == {"active": False}


@pytest.mark.spec("rfc7662#section-2.1")
async def test_introspection_is_protected(world: Authorization, get_code: GetCode, secret_header: str) -> None:
    response = await token(world, code_form(await get_code()))
    for pairs, header, error in (
        ([("token", response["access_token"])], "", "invalid_client"),
        ([("token", response["access_token"]), ("client_id", "app")], "", "invalid_client"),
        ([("token", response["access_token"])], "Bearer x", "invalid_token"),
        ([], secret_header, "invalid_request"),
    ):
        with pytest.raises(OAuthRefusal) as caught:
            await introspect(world, pairs, header)
        assert caught.value.error == error
