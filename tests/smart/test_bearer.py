"""https://www.rfc-editor.org/rfc/rfc6750"""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey
from joserfc.jws import extract_compact

from fhir_server.access.decision import decide
from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import InsufficientScope
from fhir_server.search.match import match
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import CHECKED_EVERY_SECONDS, Bearer, NoBearer
from fhir_server.smart.clients.assertion import ASSERTION_TYPE
from fhir_server.smart.keys import ACCESS_TOKEN_ALGORITHM, RETIRED_FOR
from fhir_server.smart.token import token
from fhir_server.smart.tokens.access_token import Claims
from tests.access.world import subject_of

pytestmark = [pytest.mark.anyio, pytest.mark.spec("rfc6750")]


@pytest.fixture
async def access_token(world: Authorization, sign: Callable[..., str]) -> str:
    return await get_token(world, sign)


async def get_token(world: Authorization, sign: Callable[..., str]) -> str:
    pairs = {
        "grant_type": "client_credentials",
        "scope": "system/*.rs",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": sign(),
    }
    return str((await token(world, pairs.items()))["access_token"])


async def refused(bearer: Bearer, header: str) -> NoBearer:
    with pytest.raises(NoBearer) as caught:
        await bearer.grant(header)
    assert caught.value.status == 401
    return caught.value


async def test_a_live_token_is_asked_of_the_store_once(
    world: Authorization, access_token: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearer = Bearer(world)
    first = await bearer.grant(f"Bearer {access_token}")

    async def fail(*_: Any) -> None:
        raise AssertionError("the store was asked again")

    monkeypatch.setattr(world.store, "record", fail)
    assert await bearer.grant(f"Bearer {access_token}") is first
    assert first.expires_at is not None


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic YTpi", "token x"])
async def test_without_a_token_the_hint_names_the_scheme_only(world: Authorization, header: str) -> None:
    assert (await refused(Bearer(world), header)).www_authenticate == 'Bearer realm="fhir"'


async def test_a_bad_token_is_invalid_token(world: Authorization) -> None:
    for text in ("x", "a.b.c", "é", "e30.e30.e30"):
        error = await refused(Bearer(world), f"Bearer {text}")
        assert 'error="invalid_token"' in error.www_authenticate
        assert text not in error.www_authenticate or text == "x"


async def test_an_expired_token_is_refused_cached_or_not(world: Authorization, access_token: str, clock: Any) -> None:
    bearer = Bearer(world)
    await bearer.grant(f"Bearer {access_token}")
    clock.advance(300)
    await refused(bearer, f"Bearer {access_token}")
    await refused(Bearer(world), f"Bearer {access_token}")


async def forge(world: Authorization, access_token: str, token_type: str = "at+jwt", **changes: Any) -> str:
    claims = {**await world.keys.verify(ACCESS_TOKEN_ALGORITHM, access_token, "at+jwt"), **changes}
    return await world.keys.sign(ACCESS_TOKEN_ALGORITHM, claims, token_type)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://other.example"},
        {"aud": "https://other.example/fhir"},
        {"aud": ["https://record.example/fhir"]},
        {"exp": "later"},
        {"family": "unknown"},
        {"client_id": "unknown"},
        {"token_type": "JWT"},
    ],
)
async def test_a_token_for_something_else_is_refused(
    world: Authorization, access_token: str, changes: dict[str, Any]
) -> None:
    await refused(Bearer(world), f"Bearer {await forge(world, access_token, **changes)}")


async def test_a_token_of_another_signer_is_refused(world: Authorization, access_token: str) -> None:
    claims = await world.keys.verify(ACCESS_TOKEN_ALGORITHM, access_token, "at+jwt")
    stranger = ECKey.generate_key("P-256")
    kids = [key["kid"] for key in world.keys.jwks()["keys"]]
    for kid in [*kids, "unknown"]:
        forged = jwt.encode({"alg": "ES256", "kid": kid, "typ": "at+jwt"}, claims, stranger)
        await refused(Bearer(world), f"Bearer {forged}")


async def test_a_disabled_client_is_noticed_within_seconds(world: Authorization, access_token: str, clock: Any) -> None:
    bearer = Bearer(world)
    await bearer.grant(f"Bearer {access_token}")
    await world.clients.disable("lab")
    clock.advance(CHECKED_EVERY_SECONDS)
    await refused(bearer, f"Bearer {access_token}")


async def test_another_process_notices_a_revocation_within_seconds(
    world: Authorization, access_token: str, store: Any, clock: Any
) -> None:
    other = Authorization(store, world.base_url, clock, world.new_id, world.settings)
    await other.open()
    bearer = Bearer(other)
    await bearer.grant(f"Bearer {access_token}")
    claims = await world.keys.verify(ACCESS_TOKEN_ALGORITHM, access_token, "at+jwt")
    await world.families.end(claims["family"])
    clock.advance(CHECKED_EVERY_SECONDS)
    await refused(bearer, f"Bearer {access_token}")


async def test_a_token_revoked_while_it_is_verified_is_not_kept(world: Authorization, access_token: str) -> None:
    bearer = Bearer(world)
    claims = await world.keys.verify(ACCESS_TOKEN_ALGORITHM, access_token, "at+jwt")
    client_get = world.clients.get

    async def end_meanwhile(client_id: str) -> Any:
        await world.families.end(claims["family"])
        return await client_get(client_id)

    world.clients.get = end_meanwhile  # type: ignore[method-assign]
    await bearer.grant(f"Bearer {access_token}")
    await refused(bearer, f"Bearer {access_token}")


async def test_what_is_kept_is_bounded(
    world: Authorization, access_token: str, sign: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhir_server.smart.bearer._KNOWN_AT_MOST", 1)
    bearer = Bearer(world)
    first = await bearer.grant(f"Bearer {access_token}")
    await bearer.grant(f"Bearer {await get_token(world, sign)}")
    again: Grant = await bearer.grant(f"Bearer {access_token}")
    assert again == first
    assert again is not first


async def test_tokens_outlive_a_rotation_of_keys(world: Authorization, access_token: str, sign: Any) -> None:
    await world.keys.rotate()
    assert len(world.keys.jwks()["keys"]) == 4
    await Bearer(world).grant(f"Bearer {access_token}")
    await Bearer(world).grant(f"Bearer {await get_token(world, sign)}")


async def test_a_process_learns_the_keys_that_another_made(
    world: Authorization, store: Any, clock: Any, sign: Any
) -> None:
    other = Authorization(store, world.base_url, clock, world.new_id, world.settings)
    await other.open()
    await world.keys.rotate()
    clock.advance(11)
    await Bearer(other).grant(f"Bearer {await get_token(world, sign)}")
    kids = {key["kid"] for key in other.keys.jwks()["keys"]}
    assert kids == {key["kid"] for key in world.keys.jwks()["keys"]}
    clock.advance(RETIRED_FOR.total_seconds())
    await get_token(other, sign)
    assert len(other.keys.jwks()["keys"]) == 2


async def test_an_old_key_gives_way_by_itself_and_breaks_no_token(world: Authorization, clock: Any, sign: Any) -> None:
    made = min(stored.created for stored in world.keys.stored())
    clock.advance(90 * 86_400 - 60 - (clock() - made).total_seconds())
    before = await get_token(world, sign)
    clock.advance(61)
    after = await get_token(world, sign)
    await Bearer(world).grant(f"Bearer {before}")
    await Bearer(world).grant(f"Bearer {after}")
    assert len({kid_of(before), kid_of(after)}) == 2
    assert len([stored for stored in world.keys.stored() if stored.algorithm == "ES256"]) == 2


async def test_a_second_rotation_does_not_keep_a_retired_key_alive(world: Authorization, clock: Any) -> None:
    first = {stored.kid for stored in world.keys.stored()}
    await world.keys.rotate()
    clock.advance(RETIRED_FOR.total_seconds() - 60)
    await world.keys.rotate()
    clock.advance(61)
    await world.keys.refresh()
    assert not first & {stored.kid for stored in world.keys.stored()}
    assert len(world.keys.stored()) == 4


async def test_a_stolen_key_is_forgotten_at_once_by_every_process(
    world: Authorization, access_token: str, store: Any, clock: Any
) -> None:
    other = Authorization(store, world.base_url, clock, world.new_id, world.settings)
    await other.open()
    await Bearer(other).grant(f"Bearer {access_token}")
    await world.keys.rotate(is_at_once=True)
    await refused(Bearer(world), f"Bearer {access_token}")
    clock.advance(61)
    await refused(Bearer(other), f"Bearer {access_token}")


def kid_of(token: str) -> str:
    return str(extract_compact(token.encode()).headers()["kid"])


async def test_published_keys_are_public(world: Authorization) -> None:
    keys = world.keys.jwks()["keys"]
    assert {key["alg"] for key in keys} == {"ES256", "RS256"}
    assert all(not {"d", "p", "q", "k"} & set(key) and key["use"] == "sig" and key["kid"] for key in keys)


@pytest.mark.spec(
    "smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data (fhirUser)"
)
async def test_the_person_that_fhir_user_names_can_be_read() -> None:
    claims = Claims("i", "a", "u", "app", "fhirUser patient/Observation.rs", "professional", 9, 1, "j", "f")
    doctor = msgspec.structs.replace(claims, actor="Practitioner/1", patient="7").grant("Dr")
    for resource_id, is_reached in (("1", True), ("2", False)):
        subject = subject_of({"resourceType": "Practitioner", "id": resource_id})
        assert match(decide(doctor, "read", "Practitioner"), subject) is is_reached
    for grant, interaction, resource_type in (
        (doctor, "search", "Practitioner"),
        (doctor, "update", "Practitioner"),
        (doctor, "read", "Patient"),
        (
            msgspec.structs.replace(claims, kind="patient", actor="Patient/7", patient="7").grant("Pat"),
            "read",
            "Patient",
        ),
        (msgspec.structs.replace(claims, scope="patient/Observation.rs").grant("Dr"), "read", "Practitioner"),
    ):
        with pytest.raises(InsufficientScope):
            decide(grant, interaction, resource_type)
    wide = msgspec.structs.replace(claims, scope="fhirUser user/*.rs", actor="Practitioner/1")
    assert wide.grant("Dr").scopes == parse_scopes("user/*.rs"), "what is wider stays as it is"
