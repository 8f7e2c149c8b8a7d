"""Encoding: bodies that travel as gzip, both ways.

Choice: zlib at its quickest level: it makes an eighth of a page of 50 resources at some 100 MB/s; level 6 takes three
times as long to make a twelfth of it. Spec: RFC 9110 (8.4 Content-Encoding, 12.5.3 Accept-Encoding).
"""

import asyncio
import zlib
from functools import lru_cache
from typing import Final

from fhir_server.asgi.answer import NO_BODY, Answer
from fhir_server.foundation.operation_outcome import BadRequest, TooLarge, UnsupportedMediaType
from fhir_server.interactions.request import Limits

SMALLEST_BYTES: Final = 1024
"""A smaller answer fits into one packet as it is."""
ASIDE_BYTES: Final = 256 * 1024
"""More than this is done in a thread, so that nobody else waits for it."""
LEVEL: Final = 1
GZIP: Final = 31
"""The window bits that mean the gzip format."""
NAMES: Final = ("gzip", "x-gzip")
TEXTS: Final = (b"application/fhir+", b"application/json", b"application/xml", b"application/fhir", b"text/")


async def compress(reply: Answer, accepted: bytes) -> None:
    """Compress the body of an answer when the client accepts that and it is worth it."""
    body = reply.body
    if len(body) <= SMALLEST_BYTES or reply.status in NO_BODY or not accepts_gzip(accepted):
        return
    headers = dict(reply.headers)
    if not headers.get(b"content-type", b"").startswith(TEXTS):
        return
    reply.body = _compress(body) if len(body) <= ASIDE_BYTES else await asyncio.to_thread(_compress, body)
    reply.headers = [pair for pair in reply.headers if pair[0] != b"content-length"]
    reply.headers += [(b"content-encoding", b"gzip"), (b"content-length", b"%d" % len(reply.body))]


async def decompress(body: bytes, encoding: bytes, limits: Limits) -> bytes:
    """Return a request's body without its Content-Encoding.

    Raises TooLarge as soon as it grows beyond the bound, BadRequest, and UnsupportedMediaType for another encoding.
    """
    name = encoding.decode("latin-1").strip().lower()
    if name in ("", "identity"):
        return body
    if name not in NAMES:
        raise UnsupportedMediaType(f"Content-Encoding: {name[:50]} is not read here: send gzip, or the body as it is.")
    if len(body) <= ASIDE_BYTES // 16:
        return _decompress(body, limits.body_bytes)
    return await asyncio.to_thread(_decompress, body, limits.body_bytes)


@lru_cache(maxsize=128)
def accepts_gzip(accepted: bytes) -> bool:
    """Say whether an Accept-Encoding header takes gzip."""
    for part in accepted.decode("latin-1").lower().split(","):
        name, _, weight = part.partition(";")
        if name.strip() in (*NAMES, "*"):
            return weight.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _compress(body: bytes) -> bytes:
    return zlib.compress(body, LEVEL, wbits=GZIP)


def _decompress(body: bytes, most_bytes: int) -> bytes:
    parts: list[bytes] = []
    size = 0
    while body:
        inflating = zlib.decompressobj(wbits=GZIP)
        try:
            part = inflating.decompress(body, most_bytes + 1 - size)
        except zlib.error:
            raise BadRequest("The body is no gzip, as its Content-Encoding says.") from None
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise TooLarge(f"The body inflates to more than {most_bytes} bytes, the bound of this server.")
        if not inflating.eof:
            raise BadRequest("The body is gzip that stops before its end.")
        body = inflating.unused_data
    return b"".join(parts)
