"""Time-based one-time passwords.

Spec: https://www.rfc-editor.org/rfc/rfc6238, https://www.rfc-editor.org/rfc/rfc4226#section-5.3
"""

import base64
import hashlib
import hmac
import secrets
from urllib.parse import quote, urlencode

STEP_SECONDS = 30
_DIGITS = 6
_SECRET_BYTES = 20
_STEPS_APART = 1


def new_secret() -> str:
    """Draw a secret, in base32 as authenticator apps read it."""
    return base64.b32encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def code_at(secret: str, step: int) -> str:
    """Return the code of a time step."""
    mac = hmac.new(base64.b32decode(secret), step.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = mac[-1] & 15
    number = int.from_bytes(mac[offset : offset + 4], "big") & 0x7FFFFFFF
    return str(number % 10**_DIGITS).zfill(_DIGITS)


def step_of(secret: str, code: str, now_seconds: int, after_step: int) -> int | None:
    """Return the time step of which this is the code, or None; a step up to `after_step` was used before."""
    current = now_seconds // STEP_SECONDS
    for step in range(current - _STEPS_APART, current + _STEPS_APART + 1):
        if step > after_step and hmac.compare_digest(code_at(secret, step).encode(), code.encode()):
            return step
    return None


def address_of(secret: str, login: str, issuer: str) -> str:
    """Return the otpauth address that an authenticator app takes."""
    label = quote(f"{issuer}:{login}", safe="")
    return f"otpauth://totp/{label}?{urlencode({'secret': secret, 'issuer': issuer})}"
