"""Dynamic client registration: an app registers itself, and an operator approves it.

Spec: https://www.rfc-editor.org/rfc/rfc7591, https://www.rfc-editor.org/rfc/rfc7592 (read and delete),
https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr

Choice: a registration is worth nothing until an operator approves it, unless the server is a sandbox, which says so by
`is_registration_open`. Whoever registers himself is never an operator client, never a launch host, in no catalogue.
"""

import hashlib
import hmac
import secrets
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import msgspec

from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.smart.clients.client import GRANT_TYPES, Client, ClientKind
from fhir_server.smart.clients.register import Clients
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

    `token_endpoint_auth_method`: as RFC 7591 defaults it.
    """

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
    client = Client(
        client_id=secrets.token_urlsafe(16),
        name=_name_of(registration),
        kind=_KINDS[registration.token_endpoint_auth_method],
        scopes=tuple(dict.fromkeys((registration.scope or _default_scope(registration, is_open)).split())),
        redirect_uris=registration.redirect_uris,
        grant_types=registration.grant_types,
        jwks=registration.jwks,
        jwks_uri=registration.jwks_uri,
        tls_subject_dn=registration.tls_client_auth_subject_dn,
        is_certificate_bound=registration.tls_client_certificate_bound_access_tokens,
        is_pending=not is_open,
        registration_hash=_hash(token),
        registered_at=now,
    )
    try:
        secret = await clients.register(client, until=None if is_open else now + _PENDING_FOR)
    except Unprocessable as error:
        name = "invalid_redirect_uri" if "redirect" in str(error).lower() else "invalid_client_metadata"
        raise OAuthRefusal(name, str(error)) from error
    answer = {**_information(client), "registration_access_token": token}
    return answer | ({"client_secret": secret, "client_secret_expires_at": 0} if secret else {})


async def read(clients: Clients, client_id: str, header: str) -> dict[str, Any]:
    """Return the client information to who shows its registration access token; raises OAuthRefusal (401)."""
    return _information(await _own(clients, client_id, header))


async def delete(clients: Clients, client_id: str, header: str) -> None:
    """Forget a client that registered itself; its tokens end with the next check."""
    await clients.delete((await _own(clients, client_id, header)).client_id)


async def _own(clients: Clients, client_id: str, header: str) -> Client:
    scheme, _, token = header.partition(" ")
    client = await clients.find(client_id)
    known = client.registration_hash if client is not None and not client.is_disabled else ""
    is_right = hmac.compare_digest(known, _hash(token.strip()))
    if client is None or scheme.lower() != "bearer" or not is_right:
        raise OAuthRefusal("invalid_token", "The registration access token does not fit this client.", 401)
    return client


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
    return registration.client_name.strip() or urlsplit(first).netloc


def _default_scope(registration: Registration, is_open: bool) -> str:
    """Return the most that an app may get that asked for nothing: a sandbox is there to try everything."""
    if "authorization_code" not in registration.grant_types:
        return _BACKEND_SCOPE
    return _SANDBOX_SCOPE if is_open else _CAUTIOUS_SCOPE


def _lacks_subject(registration: Registration) -> bool:
    is_by_subject = registration.token_endpoint_auth_method == _BY_SUBJECT
    return is_by_subject != bool(registration.tls_client_auth_subject_dn)


def _information(client: Client) -> dict[str, Any]:
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
    }
    return information | {name: value for name, value in more.items() if value}


def _wrong(description: str) -> OAuthRefusal:
    return OAuthRefusal("invalid_client_metadata", description)


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
