"""Body: read a request's bytes, within a bound of size and of time.

Spec: http.html#general
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from fhir_server.foundation.operation_outcome import BadRequest, FhirError, TooLarge
from fhir_server.interactions.request import Limits

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class TooSlow(FhirError):
    """The body did not arrive in time."""

    status, code = 408, "timeout"


class Disconnected(Exception):
    """The client left before its body was complete: nobody waits for an answer."""


async def read_body(receive: Receive, headers: dict[bytes, bytes], limits: Limits) -> bytes:
    """Return the whole body. Raises TooLarge as soon as it is known to be, TooSlow, and Disconnected."""
    length = headers.get(b"content-length")
    if length is not None:
        if not length.isdigit():
            raise BadRequest("Content-Length is not a number.")
        if int(length) > limits.body_bytes:
            raise _too_large(limits)
    try:
        async with asyncio.timeout(limits.body_seconds):
            return await _read(receive, limits)
    except TimeoutError:
        raise TooSlow(f"The body did not arrive within {limits.body_seconds:g} seconds.") from None


async def _read(receive: Receive, limits: Limits) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Disconnected
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limits.body_bytes:
            raise _too_large(limits)
        if not message.get("more_body"):
            return part if len(parts) == 1 else b"".join(parts)


def _too_large(limits: Limits) -> TooLarge:
    return TooLarge(f"The body is larger than {limits.body_bytes} bytes, the bound of this server.")
