"""Token introspection: what a token is worth, told to who may ask.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/token-introspection.html, https://www.rfc-editor.org/rfc/rfc7662
"""

from collections.abc import Iterable
from typing import Any

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import Live, find_bearer, find_live
from fhir_server.smart.launch.context import told
from fhir_server.smart.launch.style import STYLE_PATH
from fhir_server.smart.refusal import OAuthRefusal, invalid_client, required, single_values
from fhir_server.smart.tokens.family import split


async def introspect(
    authorization: Authorization, pairs: Iterable[tuple[str, str]], authorization_header: str = ""
) -> dict[str, Any]:
    """Return the state of a token, `{"active": false}` for any that does not hold; raises OAuthRefusal.

    Who may ask: a client that proves itself, or the bearer of a live access token, as SMART requires.
    """
    parameters = single_values(pairs)
    await _check_caller(authorization, parameters, authorization_header)
    token = required(parameters, "token")
    live = await find_live(authorization, token)
    if live is not None:
        return _access_token_state(authorization, live)
    return await _refresh_token_state(authorization, token)


async def _check_caller(authorization: Authorization, parameters: dict[str, str], header: str) -> None:
    scheme, _, token = header.partition(" ")
    if scheme.lower() == "bearer":
        if await find_bearer(authorization, token.strip()) is None:
            raise OAuthRefusal("invalid_token", "The bearer token is expired, revoked or not one of this server.", 401)
        return
    proof = await authorization.prove(parameters, header)
    if proof.client.kind == "public":
        raise invalid_client("A public client shows a bearer token to introspect.")


def _access_token_state(authorization: Authorization, live: Live) -> dict[str, Any]:
    claims = live.claims
    state: dict[str, Any] = {
        "active": True,
        "token_type": "Bearer",
        "scope": claims.scope,
        "client_id": claims.client_id,
        "exp": claims.exp,
        "iat": claims.iat,
        "iss": claims.iss,
        "sub": claims.sub,
        "aud": claims.aud,
        "jti": claims.jti,
    }
    if claims.cnf:
        state["cnf"] = claims.cnf
    family = live.family
    state |= told(family.context, claims.patient, tuple(claims.scope.split()), authorization.url(STYLE_PATH))
    if live.user is not None and "fhirUser" in family.scopes:
        state["fhirUser"] = f"{authorization.base_url}/{live.user.actor}"
    return state


async def _refresh_token_state(authorization: Authorization, token: str) -> dict[str, Any]:
    family = await authorization.families.get(split(token)[0])
    if family is None or family.generation_of(token) != family.generation:
        return {"active": False}
    return {
        "active": True,
        "scope": " ".join(family.scopes),
        "client_id": family.client_id,
        "exp": int(family.expires_at.timestamp()),
        "iss": authorization.issuer,
        "sub": family.user_id,
    }
