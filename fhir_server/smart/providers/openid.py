"""Sign in at an OpenID provider, with the authorization code flow, PKCE, state and nonce.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth, https://www.rfc-editor.org/rfc/rfc9700#section-2.1
"""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from fhir_server.smart.providers import Beginning, Proven, SignInRefused
from fhir_server.smart.providers.web import ProviderFailed, call
from fhir_server.smart.refusal import add_query
from fhir_server.smart.users import User

ALGORITHMS = ("RS256", "PS256", "ES256")
"""The signatures of id_tokens that we accept: public keys only, never `none` and never the client's secret."""

_CLOCK_SKEW_SECONDS = 30
_OLDEST_SECONDS = 600

Claims = dict[str, Any]
Recognise = Callable[[Claims], Awaitable[User]]
"""Turn the claims of a provider into a user of ours; raises SignInRefused when he is nobody here."""


class OpenIdSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Hold what the operator knows of an OpenID provider.

    `name` is its place in our addresses, `display` what people read on the button. `discovery_url` "" is the issuer's
    usual one. `acr_values` is asked for; an id_token with another `acr` is refused, and one without when
    `is_acr_required`. `is_directory_fed`: who signs in as a professional enters the directory with his places.
    """

    name: str
    display: str
    issuer: str
    client_id: str
    client_secret: str
    scope: str = "openid"
    acr_values: tuple[str, ...] = ()
    is_acr_required: bool = False
    discovery_url: str = ""
    is_directory_fed: bool = False


class _Kept(msgspec.Struct, frozen=True):
    """What the browser's cookie holds between leaving and coming back."""

    state: str
    nonce: str
    verifier: str
    callback_url: str


class OpenIdProvider:
    """One OpenID provider."""

    def __init__(self, settings: OpenIdSettings, now: Callable[[], datetime], recognise: Recognise) -> None:
        self.name = settings.name
        self.display = settings.display
        self._settings = settings
        self._now = now
        self._recognise = recognise
        self._metadata: dict[str, Any] = {}
        self._keys: KeySet | None = None

    async def begin(self, callback_url: str) -> Beginning:
        """Send the browser to the provider; raises SignInRefused when it cannot be reached."""
        kept = _Kept(_random(), _random(), _random(), callback_url)
        digest = hashlib.sha256(kept.verifier.encode()).digest()
        parameters = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": callback_url,
            "scope": self._settings.scope,
            "state": kept.state,
            "nonce": kept.nonce,
            "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self._settings.acr_values:
            parameters["acr_values"] = " ".join(self._settings.acr_values)
        endpoint = await self._endpoint("authorization_endpoint")
        return Beginning(add_query(endpoint, parameters), kept=urlencode(msgspec.structs.asdict(kept)))

    async def finish(self, answer: Mapping[str, str], kept: str) -> Proven:
        """Return the user whom the provider's answer proves; raises SignInRefused."""
        try:
            held = msgspec.convert(dict(parse_qsl(kept)), _Kept)
        except msgspec.ValidationError as error:
            raise SignInRefused(reason="not_recognised") from error
        is_ours = hmac.compare_digest(answer.get("state", "").encode(), held.state.encode())
        is_mixed_up = answer.get("iss", self._settings.issuer) != self._settings.issuer
        if not is_ours or is_mixed_up or "code" not in answer:
            raise SignInRefused(reason="not_recognised")
        try:
            claims, id_token = await self._claims(answer["code"], held)
            return Proven(await self._recognise(claims), id_token)
        except ProviderFailed as error:
            raise SignInRefused(reason="provider_failed") from error
        except (JoseError, ValueError) as error:
            raise SignInRefused(reason="not_recognised") from error

    async def leave(self, hint: str, back_url: str) -> str:
        """Return where the person signs out at the provider too, "" when it offers no such place.

        Spec: https://openid.net/specs/openid-connect-rpinitiated-1_0.html
        """
        endpoint = self._metadata.get("end_session_endpoint")
        if not isinstance(endpoint, str) or not hint:
            return ""
        parameters = {"id_token_hint": hint, "post_logout_redirect_uri": back_url}
        return add_query(endpoint, {**parameters, "client_id": self._settings.client_id})

    async def _claims(self, code: str, kept: _Kept) -> tuple[Claims, str]:
        settings = self._settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": kept.callback_url,
            "code_verifier": kept.verifier,
        }
        pair = f"{quote(settings.client_id, safe='')}:{quote(settings.client_secret, safe='')}"
        basic = {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}
        tokens = await call(await self._endpoint("token_endpoint"), basic, form)
        id_token = str(tokens.get("id_token", ""))
        proven = await self._prove(id_token, kept.nonce)
        bearer = {"Authorization": f"Bearer {tokens.get('access_token', '')}"}
        told = await call(await self._endpoint("userinfo_endpoint"), bearer)
        if told.get("sub") != proven["sub"]:
            raise ValueError("the UserInfo is of somebody else")
        return {**told, "iss": proven["iss"], "sub": proven["sub"]}, id_token

    async def _prove(self, id_token: str, nonce: str) -> Claims:
        """Return the claims of an id_token that was made for us, now, for this very sign-in; raises ValueError."""
        try:
            claims = jwt.decode(id_token, await self._key_set(), algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError):
            self._keys = None  # the provider may have changed its keys since
            claims = jwt.decode(id_token, await self._key_set(), algorithms=list(ALGORITHMS)).claims
        settings, now = self._settings, int(self._now().timestamp())
        required: dict[str, Any] = {name: {"essential": True} for name in ("iss", "sub", "aud", "exp", "iat", "nonce")}
        required["iss"] |= {"value": settings.issuer}
        required["nonce"] |= {"value": nonce}
        jwt.JWTClaimsRegistry(now=now, leeway=_CLOCK_SKEW_SECONDS, **required).validate(claims)
        audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
        party = claims.get("azp", settings.client_id if audiences == [settings.client_id] else None)
        acr = claims.get("acr")
        is_acr_good = not settings.is_acr_required if acr is None else acr in settings.acr_values
        for is_wrong, reason in (
            (settings.client_id not in audiences or party != settings.client_id, "made for another client"),
            (claims["iat"] < now - _OLDEST_SECONDS, "too old"),
            (not isinstance(claims["sub"], str) or not claims["sub"], "of nobody"),
            (bool(settings.acr_values) and not is_acr_good, "of another level of assurance"),
        ):
            if is_wrong:
                raise ValueError(f"the id_token is {reason}")
        return dict(claims)

    async def _endpoint(self, name: str) -> str:
        if not self._metadata:
            usual = self._settings.issuer.rstrip("/") + "/.well-known/openid-configuration"
            try:
                metadata = await call(self._settings.discovery_url or usual, {})
            except ProviderFailed as error:
                raise SignInRefused(reason="provider_failed") from error
            if metadata.get("issuer") != self._settings.issuer:
                raise SignInRefused(reason="provider_failed")
            self._metadata = metadata
        address = self._metadata.get(name)
        if not isinstance(address, str):
            raise SignInRefused(reason="provider_failed")
        return address

    async def _key_set(self) -> KeySet:
        if self._keys is None:
            found = await call(await self._endpoint("jwks_uri"), {})
            self._keys = KeySet.import_key_set(found)  # type: ignore[arg-type]
        return self._keys


def _random() -> str:
    return secrets.token_urlsafe(32)
