"""The certificate of the connection: who calls by mutual TLS, and which tokens are his alone.

Spec: https://www.rfc-editor.org/rfc/rfc8705

Choice: a context variable, for the certificate belongs to the connection and not to a request's parameters; whoever
ends TLS sets it, and nothing is asked of who does not use it.
"""

import base64
import hashlib
from contextvars import ContextVar
from datetime import datetime
from typing import Any

from cryptography import x509

from fhir_server.foundation.operation_outcome import Unprocessable

PRESENTED: ContextVar[bytes] = ContextVar("certificate", default=b"")
"""The client's certificate as DER, verified by whoever ended TLS; empty without one."""


def thumbprint() -> str:
    """Return `x5t#S256` of the certificate of the connection, or "" without one."""
    certificate = PRESENTED.get()
    return base64.urlsafe_b64encode(hashlib.sha256(certificate).digest()).rstrip(b"=").decode() if certificate else ""


def is_held(bound_to: str) -> bool:
    """Say whether a token bound to a certificate ("" for none) comes with it."""
    return not bound_to or bound_to == thumbprint()


def is_presented_by(subject_dn: str, now: datetime) -> bool:
    """Say whether the connection's certificate is of this subject (RFC 4514) and valid now."""
    certificate = _loaded()
    if certificate is None or not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        return False
    return certificate.subject == parse_subject(subject_dn)


def is_one_of(jwks: dict[str, Any]) -> bool:
    """Say whether the connection's certificate is the first of an `x5c` of a JWK Set: a self-signed one, registered."""
    presented = PRESENTED.get()
    chains = [key.get("x5c") for key in jwks.get("keys", ()) if isinstance(key, dict)]
    registered = [chain[0] for chain in chains if isinstance(chain, list) and chain and isinstance(chain[0], str)]
    return bool(presented) and base64.b64encode(presented).decode() in registered


def parse_subject(subject_dn: str) -> x509.Name:
    """Parse a subject as RFC 4514 writes it, `CN=...,O=...,C=FR`; raises Unprocessable."""
    try:
        return x509.Name.from_rfc4514_string(subject_dn)
    except ValueError as error:
        raise Unprocessable(f"The subject {subject_dn!r} is not written as RFC 4514 asks: {error}.") from error


def _loaded() -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(PRESENTED.get()) if PRESENTED.get() else None
    except ValueError:
        return None
