"""The bearer token of a request: verified once, then known by its hash until it expires or is revoked.

Spec: https://www.rfc-editor.org/rfc/rfc6750, https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#access-fhir-api
"""

from datetime import datetime, timedelta
from hashlib import sha256

import msgspec

from fhir_server.access.grant import App, Grant
from fhir_server.foundation.operation_outcome import Unauthenticated
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import Client
from fhir_server.smart.clients.certificate import is_held
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.access_token import Claims
from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User

CHECKED_EVERY_SECONDS = 15
"""Another process's revocation, or a disabled client or user, is noticed within so many seconds; our own at once."""

_KNOWN_AT_MOST = 20_000


class NoBearer(Unauthenticated):
    """There is no bearer token, or it does not hold: `www_authenticate` is the header to answer with."""

    def __init__(self, diagnostics: str, error: str = "") -> None:
        super().__init__(diagnostics)
        hint = f', error="{error}", error_description="{diagnostics}"' if error else ""
        self.www_authenticate = f'Bearer realm="fhir"{hint}'


class Live(msgspec.Struct, frozen=True):
    """What a token that holds stands for; `user` is None for a backend service."""

    claims: Claims
    family: Family
    client: Client
    user: User | None

    @property
    def display(self) -> str:
        """Return the caller's name."""
        return self.client.name if self.user is None else self.user.display

    @property
    def app(self) -> App | None:
        """Return the app of the catalogue that calls; None for other software, which no app's consent bounds."""
        client = self.client
        if self.user is None or not client.purpose:
            return None
        return App(client.actor or f"Device/{client.client_id}", client.purpose, client.catalogue == "application")


class Bearer:
    """The verifier of bearer tokens. Tokens are neither kept nor logged, only their SHA-256."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._now = authorization.now
        self._known: dict[bytes, tuple[datetime, Grant, str, str]] = {}
        self._ended = 0
        authorization.families.on_end.append(self._forget)

    async def grant(self, authorization_header: str) -> Grant:
        """Return what the Authorization header grants; raises NoBearer (401)."""
        key = sha256(authorization_header.encode()).digest()
        known = self._known.get(key)
        if known is not None and known[0] > self._now() and is_held(known[3]):
            return known[1]
        self._known.pop(key, None)
        return await self._verify(authorization_header, key)

    async def _verify(self, authorization_header: str, key: bytes) -> Grant:
        scheme, _, token = authorization_header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NoBearer("Send an access token: Authorization: Bearer ...")
        ended = self._ended
        live = await find_bearer(self._authorization, token.strip())
        if live is None:
            raise NoBearer("The access token is expired, revoked or not one of this server.", "invalid_token")
        grant = live.claims.grant(live.display, live.app)
        if ended == self._ended:  # else it may have been revoked while we asked the store
            self._keep(key, live, grant)
        return grant

    def _keep(self, key: bytes, live: Live, grant: Grant) -> None:
        while len(self._known) >= _KNOWN_AT_MOST:
            del self._known[next(iter(self._known))]
        until = self._now() + timedelta(seconds=CHECKED_EVERY_SECONDS)
        bound_to = live.claims.bound_to
        self._known[key] = (min(until, grant.expires_at or until), grant, live.family.family_id, bound_to)

    def _forget(self, family_id: str) -> None:
        self._ended += 1
        for key in [key for key, known in self._known.items() if known[2] == family_id]:
            del self._known[key]


async def find_bearer(authorization: Authorization, token: str) -> Live | None:
    """Verify an access token of who calls: live, and on a connection with the certificate to which it is bound."""
    live = await find_live(authorization, token)
    return live if live is not None and is_held(live.claims.bound_to) else None


async def find_live(authorization: Authorization, token: str) -> Live | None:
    """Verify an access token and that its family, client and user are live; None when it does not hold."""
    claims = await access_token.decode(authorization, token)
    if claims is None:
        return None
    family = await authorization.families.get(claims.family)
    client = await authorization.clients.get(claims.client_id)
    if family is None or client is None:
        return None
    user = await authorization.users.get(family.user_id) if family.user_id else None
    return None if family.user_id and user is None else Live(claims, family, client, user)
