"""The token endpoint: a code, a refresh token or a client's own proof becomes an access token.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-access-token,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#refresh-access-token

Choice: these grants are our own functions and not Authlib's, which are synchronous: each would need all that it may
ask preloaded, and could not decide inside the store's transaction, where single use and rotation are safe.
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any

import msgspec

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.backend_services import client_credentials
from fhir_server.smart.clients.assertion import Proof
from fhir_server.smart.clients.certificate import is_held
from fhir_server.smart.granted_scopes import granted_scopes, narrowed
from fhir_server.smart.launch.context import told
from fhir_server.smart.launch.emergencies import LONGEST_SECONDS, emergency_of, keep
from fhir_server.smart.launch.style import STYLE_PATH
from fhir_server.smart.refusal import OAuthRefusal, required, single_values
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.code import Code, find_code, put_code
from fhir_server.smart.tokens.family import Families, Family, new_refresh_key, split
from fhir_server.smart.tokens.id_token import id_token
from fhir_server.smart.users import User
from fhir_server.storage.store import Transaction

_BAD_CODE = "The code is unknown, expired, used, or was given to another request."
_BAD_REFRESH = "The refresh token is unknown, expired, used or revoked."


class _Misused(msgspec.Struct, frozen=True):
    """A code or refresh token that came a second time: whoever shows it, its family ends."""

    family_id: str


async def token(
    authorization: Authorization, pairs: Iterable[tuple[str, str]], authorization_header: str = ""
) -> dict[str, Any]:
    """Return the token response for form parameters; raises OAuthRefusal."""
    parameters = await _named(authorization, single_values(pairs), authorization_header)
    proof = await authorization.authentication.authenticate(parameters, authorization_header, authorization.now())
    grant_type = required(parameters, "grant_type")
    exchange = EXCHANGES.get(grant_type)
    if exchange is None:
        raise OAuthRefusal("unsupported_grant_type", f"grant_type must be one of {', '.join(EXCHANGES)}.")
    if grant_type not in proof.client.grant_types:
        raise OAuthRefusal("unauthorized_client", "The client is not registered for this grant_type.")
    return await exchange(authorization, proof, parameters)


async def exchange_code(authorization: Authorization, proof: Proof, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Exchange an authorization code for tokens; a second use of a code ends the tokens of the first."""
    text = required(parameters, "code")
    now, family_id, refresh_key = authorization.now(), authorization.new_id(), new_refresh_key()

    async def work(transaction: Transaction) -> Family | _Misused:
        await proof.spend(transaction)
        code = await find_code(transaction, text)
        if code is None:
            raise _bad_grant(_BAD_CODE)
        if code.family_id:
            return _Misused(code.family_id)
        shown = (parameters.get("redirect_uri", ""), parameters.get("code_verifier", ""))
        if code.expires_at <= now or not code.is_shown_rightly(proof.client.client_id, *shown):
            raise _bad_grant(_BAD_CODE)
        family = _family_of(authorization, code, family_id, refresh_key)
        family = msgspec.structs.replace(family, thumbprint=proof.thumbprint)
        await put_code(transaction, text, msgspec.structs.replace(code, family_id=family_id))
        await authorization.families.put(transaction, family)
        return family

    family = await _settled(authorization.families, await authorization.store.transact(work), _BAD_CODE)
    user = await _user_of(authorization, family)
    if family.context.purpose_of_use:
        await _open_emergency(authorization, family, user)
    response = await _response(authorization, family, user, family.scopes)
    if "openid" in family.scopes:
        response["id_token"] = await id_token(authorization, family, user)
    return response


async def refresh(authorization: Authorization, proof: Proof, parameters: Mapping[str, str]) -> dict[str, Any]:
    """Exchange a refresh token for the next one; a second use of one ends the family."""
    text, client = required(parameters, "refresh_token"), proof.client
    asked, now = parameters.get("scope", ""), authorization.now()

    async def work(transaction: Transaction) -> Family | _Misused:
        await proof.spend(transaction)
        family = await authorization.families.find(transaction, split(text)[0])
        generation = None if family is None else family.generation_of(text)
        is_his = family is not None and family.client_id == client.client_id and is_held(family.thumbprint)
        if family is None or generation is None or not is_his:
            raise _bad_grant(_BAD_REFRESH)
        if generation < family.generation:
            return _Misused(family.family_id)
        narrowed(asked, family.scopes)
        if family.session_key and not await authorization.sessions.is_live(transaction, family.session_key):
            raise _bad_grant("The session ended in which this access was given.")
        family = msgspec.structs.replace(family, generation=generation + 1, used_at=now)
        await authorization.families.put(transaction, family)
        return family

    family = await _settled(authorization.families, await authorization.store.transact(work), _BAD_REFRESH)
    user = await _user_of(authorization, family)
    contexts = [*family.scopes, *(["launch/patient"] if family.patient_id else [])]
    scopes = granted_scopes(" ".join(narrowed(asked, family.scopes)), client, user.kind, contexts)
    return await _response(authorization, family, user, scopes)


async def _named(authorization: Authorization, parameters: dict[str, str], header: str) -> dict[str, str]:
    """Return the parameters with the client_id of a refresh that names no client: that of its token.

    Choice: SMART's table of refresh parameters has no client_id, and public apps (fhirclient) send none. The token says
    whose it is; only a public client gets on without a proof of its own.
    """
    if header or parameters.get("grant_type") != "refresh_token" or {"client_id", "client_assertion"} & set(parameters):
        return parameters
    text = parameters.get("refresh_token", "")
    family = await authorization.families.get(split(text)[0])
    is_ours = family is not None and family.generation_of(text) is not None
    return {**parameters, "client_id": family.client_id} if family is not None and is_ours else parameters


Exchange = Callable[[Authorization, Proof, Mapping[str, str]], Awaitable[dict[str, Any]]]
EXCHANGES: Mapping[str, Exchange] = {
    "authorization_code": exchange_code,
    "refresh_token": refresh,
    "client_credentials": client_credentials,
}
"""The grant types that are offered, and the function of each."""


def _family_of(authorization: Authorization, code: Code, family_id: str, refresh_key: str) -> Family:
    settings = authorization.settings
    is_offline = "offline_access" in code.scopes
    is_online = "online_access" in code.scopes and not is_offline
    seconds = settings.access_token_seconds
    if is_offline or is_online:
        seconds = settings.refresh_seconds if is_offline else settings.session_seconds
    if code.context.purpose_of_use:
        seconds = min(settings.access_token_seconds, LONGEST_SECONDS)
    return Family(
        family_id=family_id,
        client_id=code.client_id,
        scopes=code.scopes,
        expires_at=authorization.now() + timedelta(seconds=seconds),
        user_id=code.user_id,
        patient_id=code.patient_id,
        signed_in_at=code.signed_in_at,
        nonce=code.nonce,
        refresh_key=refresh_key if is_offline or is_online else "",
        session_key=code.session_key if is_online else "",
        context=code.context,
        granted_at=authorization.now(),
        used_at=authorization.now(),
    )


async def _open_emergency(authorization: Authorization, family: Family, user: User) -> None:
    """Keep and tell the opening before a token of it exists."""
    emergency = emergency_of(family, user, authorization.now())
    await keep(authorization.store, emergency)
    if authorization.outside.tell_emergency is not None:
        await authorization.outside.tell_emergency(emergency)


async def _settled(families: Families, result: Family | _Misused, description: str) -> Family:
    if isinstance(result, _Misused):
        await families.end(result.family_id)
        raise _bad_grant(description)
    return result


async def _user_of(authorization: Authorization, family: Family) -> User:
    user = await authorization.users.get(family.user_id)
    if user is None:
        await authorization.families.end(family.family_id)
        raise OAuthRefusal("invalid_grant", "The user may no longer sign in.")
    return user


async def _response(
    authorization: Authorization, family: Family, user: User, scopes: tuple[str, ...]
) -> dict[str, Any]:
    response = await access_token.issue(authorization, family, scopes, access_token.claims_of_user(family, user))
    response |= told(family.context, family.patient_id, scopes, authorization.url(STYLE_PATH))
    if family.refresh_key:
        response["refresh_token"] = family.refresh_token()
    return response


def _bad_grant(description: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_grant", description)
