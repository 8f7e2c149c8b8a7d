"""The authorization server: its clients, users, keys, sessions and tokens, made from a store, a clock and an address.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/
"""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
from argon2 import PasswordHasher

from fhir_server.smart.brands import default_brands
from fhir_server.smart.clients import Clients
from fhir_server.smart.clients.assertion import Proof
from fhir_server.smart.clients.authentication import Authentication
from fhir_server.smart.clients.jwks import ClientKeys
from fhir_server.smart.keys import Keys
from fhir_server.smart.launch.launches import Launches
from fhir_server.smart.limits.sign_in_attempts import SignInAttempts
from fhir_server.smart.outside import NOTHING_OUTSIDE, Outside
from fhir_server.smart.providers import Provider
from fhir_server.smart.providers.local import LocalProvider
from fhir_server.smart.second_factor.factors import Factors
from fhir_server.smart.second_factor.halfway import Halfway
from fhir_server.smart.second_factor.passkeys import Passkeys
from fhir_server.smart.sessions import Sessions
from fhir_server.smart.tokens.authorized_apps import AuthorizedApps
from fhir_server.smart.tokens.family import Families
from fhir_server.smart.users import Users
from fhir_server.storage.store import Store

_HOUR_SECONDS = 3600
_Seconds = Annotated[int, msgspec.Meta(ge=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]


class AuthorizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long things last, within SMART's bounds, and what hashing a password costs (Argon2id, by RFC 9106).

    `is_registration_open`: apps that register themselves need no operator's approval (for a sandbox).
    A signing key older than `key_days` gives way to a new one by itself.
    `sign_ins_a_minute` and `client_calls_a_minute` are what one address may do in one process; a hospital has one.
    `client_refusals_a_minute`: so often one client of an address may show what does not hold, before it waits.
    """

    code_seconds: Annotated[int, msgspec.Meta(ge=1, le=60)] = 60
    access_token_seconds: Annotated[int, msgspec.Meta(ge=1, le=_HOUR_SECONDS)] = _HOUR_SECONDS
    system_token_seconds: Annotated[int, msgspec.Meta(ge=1, le=300)] = 300
    key_days: Annotated[int, msgspec.Meta(ge=1)] = 90
    refresh_seconds: _Seconds = 90 * 24 * _HOUR_SECONDS
    session_seconds: _Seconds = _HOUR_SECONDS
    launch_seconds: Annotated[int, msgspec.Meta(ge=1, le=900)] = 300
    is_registration_open: bool = False
    sign_ins_a_minute: _Count = 120
    client_calls_a_minute: _Count = 3000
    client_refusals_a_minute: _Count = 120
    password_memory_kib: Annotated[int, msgspec.Meta(ge=32)] = 65_536
    password_rounds: Annotated[int, msgspec.Meta(ge=1)] = 3


DEFAULT_SETTINGS = AuthorizationSettings()


class Authorization:
    """The authorization server, without HTTP.

    `base_url` is the FHIR base ("https://host/fhir"), the audience of tokens; the issuer is what stands before "/fhir".
    `knows_certificates`: the transport tells the certificates of clients, so that mutual TLS is offered.
    """

    def __init__(
        self,
        store: Store,
        base_url: str,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        settings: AuthorizationSettings = DEFAULT_SETTINGS,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self.issuer = self.base_url.removesuffix("/fhir")
        self.store = store
        self.now = now
        self.new_id = new_id
        self.settings = settings
        hasher = PasswordHasher(settings.password_rounds, settings.password_memory_kib)
        self.keys = Keys(store, now, timedelta(days=settings.key_days))
        self.clients = Clients(store, now)
        self.users = Users(store, new_id, hasher)
        self.sessions = Sessions(store, now, settings.session_seconds)
        self.families = Families(store, now)
        self.apps = AuthorizedApps(store, now, self.clients, self.families)
        self.launches = Launches(store, now, settings.launch_seconds)
        self.outside = NOTHING_OUTSIDE
        self.knows_certificates = False
        self.brands = default_brands("FHIR server", self.base_url, now().isoformat(timespec="seconds"))
        self.authentication = Authentication(self.clients, ClientKeys(now), self.url("/oauth/token"))
        self.attempts = SignInAttempts(store, now)
        self.factors = Factors(store, now)
        self.halfway = Halfway(store, now)
        self.passkeys = Passkeys(store, now, self.issuer)
        local = LocalProvider(self.users, self.attempts)
        self.providers: Mapping[str, Provider] = {local.name: local}

    async def open(self) -> None:
        """Load or make the signing keys; the store is open."""
        await self.keys.open()

    def connect(self, outside: Outside) -> None:
        """Take what the composition root lends: pickers, and who is who."""
        self.outside = outside

    async def prove(self, parameters: Mapping[str, str], header: str) -> Proof:
        """Return the proof of the client that calls, its assertion spent; raises OAuthRefusal `invalid_client`."""
        proof = await self.authentication.authenticate(parameters, header, self.now())
        if proof.spent_key:
            await self.store.transact(proof.spend)
        return proof

    def url(self, path: str) -> str:
        """Return the absolute address of a path of ours, "/oauth/token"."""
        return self.issuer + path

    def now_seconds(self) -> int:
        """Return the time in seconds since 1970, as JWTs write it."""
        return int(self.now().timestamp())
