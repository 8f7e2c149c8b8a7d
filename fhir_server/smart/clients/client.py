"""A client: an app or a software that the operator registered, and the rules that a registration must meet.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr,
https://www.rfc-editor.org/rfc/rfc9700#section-2.1
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.clients.certificate import parse_subject
from fhir_server.smart.clients.redirects import check_redirect_uri, is_accepted, is_safe_web_address

ClientKind = Literal["public", "confidential-asymmetric", "confidential-symmetric", "confidential-tls"]
GRANT_TYPES = ("authorization_code", "refresh_token", "client_credentials")
_PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class Client(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what the operator knows of a client.

    `scopes` is the most it may ever get; `redirect_uris` are compared as `redirects` says. `jwks` is a JWK Set of
    public keys, `jwks_uri` an address of one. `actor` is the reference of the Device (or Organization) that it acts as.
    `catalogue` names where it was referenced: "application", "software" or "" when it was not. `purpose` is what an
    app of the catalogue is there for ("care"): with one, each patient's own consents bound it. `is_operator`: a
    system client that is trusted with every record. `is_launch_host`: a host software that launches apps.
    `is_pending`: it registered itself and no operator approved it yet; `registration_hash` is that of its own token.
    `tls_subject_dn` (RFC 4514) is whose certificate proves a confidential-tls client; without one it is self-signed and
    in `jwks` as x5c. `is_certificate_bound`: its tokens are good on connections with its certificate only.
    `state_systems` are further code systems of the states that the app keeps here.
    """

    client_id: str
    name: str
    kind: ClientKind
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    grant_types: tuple[str, ...] = ("authorization_code", "refresh_token")
    jwks: dict[str, Any] | None = None
    jwks_uri: str = ""
    secret_hash: str = ""
    actor: str = ""
    catalogue: Literal["", "application", "software"] = ""
    purpose: str = ""
    is_operator: bool = False
    is_launch_host: bool = False
    is_disabled: bool = False
    is_pending: bool = False
    registration_hash: str = ""
    registered_at: datetime | None = None
    state_systems: tuple[str, ...] = ()
    tls_subject_dn: str = ""
    is_certificate_bound: bool = False

    def accepts(self, redirect_uri: str) -> bool:
        """Say whether the client may be answered at an address."""
        return is_accepted(redirect_uri, self.redirect_uris)

    @property
    def can_be_remembered(self) -> bool:
        """Say whether a consent may hold for the next time: another app cannot pass for this one.

        Spec: https://www.rfc-editor.org/rfc/rfc8252#section-8.6
        """
        return self.kind != "public" or all(uri.startswith("https:") for uri in self.redirect_uris)


def check(client: Client) -> None:
    """Raise Unprocessable (422) when a registration is unsafe or contradicts itself."""
    is_tls = client.kind == "confidential-tls"
    has_key = client.kind == "confidential-asymmetric" or is_tls
    has_subject = is_tls and bool(client.tls_subject_dn)
    for is_wrong, reason in (
        (not 0 < len(client.client_id.strip()) <= 255, "A client needs a client_id of 1 to 255 characters."),
        (not client.name.strip(), "A client needs a name: people read it when they decide."),
        (not set(client.grant_types) <= set(GRANT_TYPES), f"Grant types are {', '.join(GRANT_TYPES)}."),
        ("authorization_code" in client.grant_types and not client.redirect_uris, "An app needs redirect URIs."),
        ("client_credentials" in client.grant_types and not has_key, "A backend service proves itself with a key."),
        (client.is_launch_host and client.kind == "public", "A host that launches apps proves who it is."),
        (client.is_operator and not has_key, "An operator client proves itself with a key."),
        (
            has_key and not (client.jwks or client.jwks_uri or has_subject),
            "A client with a key needs jwks or jwks_uri.",
        ),
        (bool(client.tls_subject_dn) and not is_tls, "A subject is that of a certificate: confidential-tls."),
        (client.jwks_uri and not is_safe_web_address(client.jwks_uri), "jwks_uri must be https, or on this machine."),
    ):
        if is_wrong:
            raise Unprocessable(reason)
    if has_subject:
        parse_subject(client.tls_subject_dn)
    for uri in client.redirect_uris:
        check_redirect_uri(uri)
    _check_jwks(client.jwks)


def _check_jwks(jwks: dict[str, Any] | None) -> None:
    if jwks is None:
        return
    keys = jwks.get("keys")
    if not isinstance(keys, list) or not keys:
        raise Unprocessable('jwks must be a JWK Set: {"keys": [...]}.')
    for key in keys:
        if not isinstance(key, dict) or not key.get("kid") or key.get("kty") not in ("RSA", "EC"):
            raise Unprocessable("Each key of jwks needs a kid, and a kty of RSA or EC.")
        if _PRIVATE_MEMBERS & set(key):
            raise Unprocessable(f"The key {key['kid']!r} is private: register its public half only.")
