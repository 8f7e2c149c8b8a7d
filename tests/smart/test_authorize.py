"""https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code"""

from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import allow, parse
from fhir_server.smart.clients import Client
from fhir_server.smart.refusal import PageRefusal, RedirectRefusal

pytestmark = [pytest.mark.anyio, pytest.mark.spec("smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code")]
BACK = "https://app.example/back"
VALID = {
    "response_type": "code",
    "client_id": "app",
    "redirect_uri": BACK,
    "scope": "openid fhirUser launch/patient patient/*.rs",
    "state": "st&te=1",
    "aud": "https://record.example/fhir",
    "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
    "code_challenge_method": "S256",
}


def changed(**changes: str | None) -> list[tuple[str, str]]:
    return [(name, value) for name, value in {**VALID, **changes}.items() if value is not None]


async def test_a_valid_request_is_understood(world: Authorization) -> None:
    asked = await parse(world, changed(nonce="n", prompt="login", max_age="60"))
    assert (asked.client.client_id, asked.redirect_uri, asked.nonce) == ("app", BACK, "n")
    assert asked.prompts == {"login"}
    assert asked.max_age_seconds == 60


async def test_resource_may_name_the_server_in_place_of_aud(world: Authorization) -> None:
    await parse(world, changed(aud=None, resource="https://record.example/fhir/"))


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/back"},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": BACK + "?x=1"},
        {"redirect_uri": "HTTPS://app.example/back"},
        {"redirect_uri": "https://app.example/back#fragment"},
    ],
)
async def test_no_redirect_to_an_address_that_was_not_registered(
    world: Authorization, changes: dict[str, str | None]
) -> None:
    with pytest.raises(PageRefusal):
        await parse(world, changed(**changes))


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"aud": None}, "invalid_request"),
        ({"aud": "https://other.example/fhir"}, "invalid_request"),
        ({"aud": "https://record.example"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c="}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": None}, "invalid_scope"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"request_uri": "https://app.example/r"}, "request_uri_not_supported"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "²"}, "invalid_request"),
    ],
)
async def test_other_refusals_go_back_to_the_client_with_state(
    world: Authorization, changes: dict[str, str | None], error: str
) -> None:
    with pytest.raises(RedirectRefusal) as caught:
        await parse(world, changed(**changes))
    assert caught.value.location.startswith(BACK + "?")
    query = parse_qs(urlsplit(caught.value.location).query)
    assert query["error"] == [error]
    assert query["state"] == ["st&te=1"]
    assert query["iss"] == ["https://record.example"]


async def test_a_repeated_parameter_is_refused(world: Authorization) -> None:
    with pytest.raises(PageRefusal):
        await parse(world, [*changed(), ("redirect_uri", "https://evil.example/")])


async def test_a_client_without_the_grant_type_is_refused(world: Authorization, app_client: Client) -> None:
    client = msgspec.structs.replace(app_client, grant_types=("refresh_token",))
    await world.clients.register(client, is_replacing=True)
    with pytest.raises(RedirectRefusal) as caught:
        await parse(world, changed())
    assert caught.value.error == "unauthorized_client"


@pytest.mark.parametrize(
    ("user_id", "asked", "granted"),
    [
        ("pat", "openid launch/patient patient/*.rs user/*.rs system/*.rs", "openid launch/patient patient/*.rs"),
        ("pat", "openid user/*.rs", "openid user/*.rs"),
        ("pat", "patient/Observation.rs user/*.rs", "patient/Observation.rs user/*.rs"),
        ("pat", "patient/*.rs user/Observation.r", "patient/*.rs"),
        ("doc", "openid launch/patient patient/*.rs user/*.rs system/*.rs", "openid user/*.rs"),
        ("pat", "patient/Observation.read patient/Immunization.*", "patient/Observation.read patient/Immunization.*"),
        ("doc", "user/*.*", "user/*.read"),
        ("doc", "user/*.cruds", "user/*.rs"),
        ("pat", "fhirUser unknown patient/*.rs", "fhirUser patient/*.rs"),
        ("pat", "patient/ActorDefinition.rs patient/*.rs user/Nonsense.cruds", "patient/*.rs"),
    ],
)
async def test_granted_is_asked_and_the_clients_and_the_users(
    world: Authorization, user_id: str, asked: str, granted: str
) -> None:
    user = await world.users.get(user_id)
    assert user is not None
    assert " ".join((await parse(world, changed(scope=asked))).offered(user)) == granted


@pytest.mark.parametrize("scope", ["system/*.rs", "unknown", "patient/Observation.sr", "patient/Observation.rs?a=b"])
async def test_scopes_that_cannot_be_granted_are_invalid_scope(world: Authorization, scope: str) -> None:
    user = await world.users.get("pat")
    assert user is not None
    asked = await parse(world, changed(scope=scope))
    with pytest.raises(RedirectRefusal) as caught:
        asked.offered(user)
    assert caught.value.error == "invalid_scope"


async def test_what_was_not_offered_cannot_be_chosen(world: Authorization) -> None:
    user = await world.users.get("pat")
    assert user is not None
    session = await world.sessions.get(await world.sessions.begin(user, "local"))
    assert session is not None
    asked = await parse(world, changed(scope="patient/Observation.rs"))
    with pytest.raises(RedirectRefusal) as caught:
        await allow(world, asked, session, user, {"patient/*.cruds", "openid"})
    assert caught.value.error == "access_denied"
