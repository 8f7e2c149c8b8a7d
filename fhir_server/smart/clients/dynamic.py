"""Dynamic client registration: an app registers itself, and an operator approves it.

Spec: https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc7592,
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr

Choice: a registration is worth nothing until an operator approves it, unless the server is a sandbox, which says so by
`is_registration_open`. Whoever registers himself is never an operator client, never a launch host, in no catalogue.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any

import msgspec

from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.smart.clients.client import GRANT_TYPES, Client, ClientKind
from fhir_server.smart.clients.redirects import parts_of
from fhir_server.smart.clients.register import Clients, is_secret_of
from fhir_server.smart.refusal import OAuthRefusal

_KINDS: dict[str, ClientKind] = {
    "none": "public",
    "client_secret_basic": "confidential-symmetric",
    "private_key_jwt": "confidential-asymmetric",
    "tls_client_auth": "confidential-tls",
    "self_signed_tls_client_auth": "confidential-tls",
}
_BY_SUBJECT = "tls_client_auth"
_PENDING_FOR = timedelta(days=30)
_MOST_PENDING = 200
_LONGEST = 2000
_CAUTIOUS_SCOPE = "openid fhirUser launch/patient patient/*.rs"
_SANDBOX_SCOPE = (
    "openid fhirUser launch launch/patient launch/encounter online_access offline_access patient/*.cruds user/*.cruds"
)
_BACKEND_SCOPE = "system/*.rs"


class Registration(msgspec.Struct, frozen=True):
    """The client metadata that we read; what else is sent is passed over, as RFC 7591 asks.

    `token_endpoint_auth_method`: as RFC 7591 defaults it. `client_id` and `client_secret` come with an update only.
    """

    client_id: str = ""
    client_secret: str = ""
    client_name: str = ""
    redirect_uris: tuple[str, ...] = ()
    token_endpoint_auth_method: str = "client_secret_basic"  # noqa: S105 - the name of a method
    grant_types: tuple[str, ...] = ("authorization_code",)
    response_types: tuple[str, ...] = ("code",)
    scope: str = ""
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    tls_client_auth_subject_dn: str = ""
    tls_client_certificate_bound_access_tokens: bool = False


async def register(clients: Clients, content: bytes, is_open: bool, now: datetime) -> dict[str, Any]:
    """Keep what an app tells of itself, and return its client information; raises OAuthRefusal."""
    registration = _read(content)
    if not is_open and len(await clients.pending()) >= _MOST_PENDING:
        raise OAuthRefusal("temporarily_unavailable", "Too many registrations wait for approval.", 429)
    token = secrets.token_urlsafe(32)
    client_id = secrets.token_urlsafe(16)
    client = Client(client_id, "", "public", (), registration_hash=_hash(token), registered_at=now)
    client = _told(client, registration, is_open)
    secret = await _keep(clients, client, is_open, now)
    return {**_information(client, secret), "registration_access_token": token}


async def read(clients: Clients, client_id: str, header: str) -> dict[str, Any]:
    """Return the client information to who shows its registration access token; raises OAuthRefusal (401)."""
    return _information(await own(clients, client_id, header))


async def update(clients: Clients, known: Client, content: bytes, is_open: bool, now: datetime) -> dict[str, Any]:
    """Replace what an app told of itself, and return its client information; raises OAuthRefusal.

    Choice: what an approved app changes waits for approval again, for the operator approved these addresses and scopes.
    """
    registration = _read(content)
    if registration.client_id != known.client_id:
        raise _wrong("client_id must be that of the client.")
    if registration.client_secret and not is_secret_of(known, registration.client_secret):
        raise _wrong("client_secret is not that of the client.")
    client = _told(known, registration, is_open)
    return _information(client, await _keep(clients, client, is_open, now, is_replacing=True))


def _told(client: Client, registration: Registration, is_open: bool) -> Client:
    """Return a client with what the app tells of itself; what the operator decided of it stays."""
    kind = _KINDS[registration.token_endpoint_auth_method]
    return msgspec.structs.replace(
        client,
        name=_name_of(registration),
        kind=kind,
        scopes=tuple(dict.fromkeys((registration.scope or _default_scope(registration, is_open)).split())),
        redirect_uris=registration.redirect_uris,
        grant_types=registration.grant_types,
        jwks=registration.jwks,
        jwks_uri=registration.jwks_uri,
        secret_hash=client.secret_hash if kind == "confidential-symmetric" else "",
        tls_subject_dn=registration.tls_client_auth_subject_dn,
        is_certificate_bound=registration.tls_client_certificate_bound_access_tokens,
        is_pending=not is_open,
    )


async def _keep(clients: Clients, client: Client, is_open: bool, now: datetime, *, is_replacing: bool = False) -> str:
    """Store a client, and return its secret when it is new; raises OAuthRefusal."""
    until = None if is_open else now + _PENDING_FOR
    try:
        return await clients.register(client, until=until, is_replacing=is_replacing)
    except Unprocessable as error:
        name = "invalid_redirect_uri" if "redirect" in str(error).lower() else "invalid_client_metadata"
        raise OAuthRefusal(name, str(error)) from error


async def delete(clients: Clients, client_id: str, header: str) -> None:
    """Forget a client that registered itself; its tokens end with the next check."""
    await clients.delete((await own(clients, client_id, header)).client_id)


async def own(clients: Clients, client_id: str, header: str) -> Client:
    """Return the client to who shows its registration access token; raises OAuthRefusal (401)."""
    scheme = header.partition(" ")[0]
    client = await clients.find(client_id)
    known = client.registration_hash if client is not None and not client.is_disabled else ""
    is_right = hmac.compare_digest(known, _hash(shown_token(header)))
    if client is None or scheme.lower() != "bearer" or not is_right:
        raise OAuthRefusal("invalid_token", "The registration access token does not fit this client.", 401)
    return client


def shown_token(header: str) -> str:
    """Return the token of an Authorization header."""
    return header.partition(" ")[2].strip()


def _read(content: bytes) -> Registration:
    try:
        registration = msgspec.json.decode(content, type=Registration)
        parse_scopes(registration.scope)
    except (ValueError, BadRequest) as error:
        raise _wrong(f"The client metadata cannot be read: {error}.") from error
    for is_wrong, reason in (
        (registration.token_endpoint_auth_method not in _KINDS, f"Authenticate with one of {', '.join(_KINDS)}."),
        (not set(registration.grant_types) <= set(GRANT_TYPES), f"Grant types are {', '.join(GRANT_TYPES)}."),
        (not set(registration.response_types) <= {"code"}, "The only response type is code."),
        (not _name_of(registration), "client_name is required: people read it when they decide."),
        (
            len(registration.client_name) > 120 or len(registration.scope) > _LONGEST,
            "client_name or scope is too long.",
        ),
        (len(registration.redirect_uris) > 20, "There are too many redirect URIs."),
        (bool(registration.jwks and registration.jwks_uri), "Give jwks or jwks_uri, not both."),
        (_lacks_subject(registration), "tls_client_auth, and nothing else, needs tls_client_auth_subject_dn."),
    ):
        if is_wrong:
            raise _wrong(reason)
    return registration


def _name_of(registration: Registration) -> str:
    """Return the name that people read: that of the app, or the host to which it sends them, which it cannot feign."""
    first = registration.redirect_uris[0] if registration.redirect_uris else ""
    return registration.client_name.strip() or parts_of(first).netloc


def _default_scope(registration: Registration, is_open: bool) -> str:
    """Return the most that an app may get that asked for nothing: a sandbox is there to try everything."""
    if "authorization_code" not in registration.grant_types:
        return _BACKEND_SCOPE
    return _SANDBOX_SCOPE if is_open else _CAUTIOUS_SCOPE


def _lacks_subject(registration: Registration) -> bool:
    is_by_subject = registration.token_endpoint_auth_method == _BY_SUBJECT
    return is_by_subject != bool(registration.tls_client_auth_subject_dn)


def _information(client: Client, secret: str = "") -> dict[str, Any]:
    """Return the client information; with the secret when it was just drawn, told this once."""
    methods = {kind: method for method, kind in _KINDS.items()}
    if client.tls_subject_dn:
        methods["confidential-tls"] = _BY_SUBJECT
    information: dict[str, Any] = {
        "client_id": client.client_id,
        "client_name": client.name,
        "redirect_uris": client.redirect_uris,
        "token_endpoint_auth_method": methods[client.kind],
        "grant_types": client.grant_types,
        "response_types": ["code"] if "authorization_code" in client.grant_types else [],
        "scope": " ".join(client.scopes),
        "status": "pending" if client.is_pending else "active",
    }
    if client.registered_at is not None:
        information["client_id_issued_at"] = int(client.registered_at.timestamp())
    more = {
        "jwks": client.jwks,
        "jwks_uri": client.jwks_uri,
        "tls_client_auth_subject_dn": client.tls_subject_dn,
        "tls_client_certificate_bound_access_tokens": client.is_certificate_bound,
        "client_secret": secret,
    }
    if secret:
        information["client_secret_expires_at"] = 0
    return information | {name: value for name, value in more.items() if value}


def _wrong(description: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_client_metadata", description)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
