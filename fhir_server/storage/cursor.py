"""Cursor: the place where a page ended, sealed so that nobody can make one up.

It names the last resource of a page, which the caller has seen, never a row number: that would tell how much exists
that the caller may not see.
"""

import base64
import binascii
import hmac
from hashlib import blake2b
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest

_SEAL_BYTES: Final = 12


class Place(msgspec.Struct, array_like=True, frozen=True):
    """The last resource of a page and its sort values (for a history: instant and version)."""

    resource_type: str
    resource_id: str
    values: tuple[str | int | float | None, ...] = ()


_decode: Final = msgspec.json.Decoder(Place).decode
_encode: Final = msgspec.json.Encoder().encode


def seal(secret: bytes, purpose: Any, place: Place) -> str:
    """Return the opaque cursor of a place in the order that `purpose` describes."""
    content = _encode(place)
    return base64.urlsafe_b64encode(_mark(secret, purpose, content) + content).decode().rstrip("=")


def unseal(secret: bytes, purpose: Any, cursor: str) -> Place:
    """Return the place of a cursor; raises BadRequest unless `seal` made it for the same purpose."""
    try:
        sealed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        sealed = b""
    mark, content = sealed[:_SEAL_BYTES], sealed[_SEAL_BYTES:]
    if not hmac.compare_digest(mark, _mark(secret, purpose, content)):
        raise BadRequest("The page does not exist: follow the links of a searchset or history as they are.")
    return _decode(content)


def _mark(secret: bytes, purpose: Any, content: bytes) -> bytes:
    return blake2b(_encode(purpose) + b"\0" + content, key=secret, digest_size=_SEAL_BYTES, person=b"cursor").digest()
