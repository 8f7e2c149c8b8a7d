"""Answer: from a Response, or a refusal, to status, headers and body.

Spec: http.html#mime-type, http.html#general, binary.html#rest
"""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from fhir_server.asgi.headers import ALWAYS_SENT, CONTENT_TYPES, JSON, NATIVE, XML, negotiate_binary
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.dates import format_http_date
from fhir_server.foundation.operation_outcome import FhirError, InsufficientScope
from fhir_server.interactions.bundle.route import NoSuchMethod
from fhir_server.interactions.patching.formats import UnknownPatch
from fhir_server.interactions.request import Response

Headers = list[tuple[bytes, bytes]]
NO_BODY: Final = (204, 304)


class Manner(msgspec.Struct):
    """How one client wants its answers: `form` is JSON, XML or NATIVE; filled in as the request is understood."""

    request_id: str
    base_url: str
    form: str = JSON
    is_pretty: bool = False
    is_chosen: bool = False
    generic_type: bytes = b""
    """The Content-Type that stands for the form's own, when the client asked for a generic one."""
    wanted: tuple[bytes, str] = (b"", "")
    """Of a Binary whose form its content decides: the Accept header, and `_format`."""


class Answer(msgspec.Struct, gc=False):
    """What goes back over HTTP."""

    status: int
    headers: Headers
    body: bytes = b""


def answer(response: Response, manner: Manner) -> Answer:
    """Return a Response as HTTP; the stored bytes as they are when plain JSON is wanted."""
    body = response.content
    media_type = response.media_type.encode("latin-1")
    headers: Headers = []
    if not media_type:
        native = _native(body, manner) if manner.form is NATIVE and body else None
        if native is not None:
            body, headers = native
        elif manner.form is XML or manner.is_pretty:
            body, media_type = represent(body, manner), manner.generic_type or CONTENT_TYPES[manner.form]
        else:
            media_type = manner.generic_type or CONTENT_TYPES[JSON]
    if body and media_type:
        headers.append((b"content-type", media_type))
    headers.extend(_about(response, manner))
    return finish(Answer(response.status, headers, body), manner)


def _about(response: Response, manner: Manner) -> Iterator[tuple[bytes, bytes]]:
    """Yield the headers that tell which version of what an answer shows."""
    if response.version_id is not None:
        yield b"etag", b'W/"%d"' % response.version_id
    elif response.etag:
        yield b"etag", b'W/"%b"' % response.etag.encode()
    if response.last_updated is not None:
        yield b"last-modified", format_http_date(response.last_updated).encode()
    if response.location:
        yield b"location", f"{manner.base_url}/{response.location}".encode()


def refuse(refusal: FhirError, manner: Manner) -> Answer:
    """Return a refusal as an OperationOutcome in the client's format."""
    form = XML if manner.form is XML else JSON
    body = represent(fhir_json.format(refusal.outcome()), manner)
    headers: Headers = [(b"content-type", manner.generic_type or CONTENT_TYPES[form])]
    if isinstance(refusal, NoSuchMethod):
        headers.append((b"allow", allow(refusal.allowed, "OPTIONS")))
    if isinstance(refusal, UnknownPatch):
        headers.append((b"accept-patch", ", ".join(refusal.accepted).encode()))
    if refusal.status == 401:
        challenge: str = getattr(refusal, "www_authenticate", 'Bearer realm="fhir"')
        headers.append((b"www-authenticate", challenge.encode("latin-1")))
    if isinstance(refusal, InsufficientScope):
        headers.append((b"www-authenticate", b'Bearer realm="fhir", error="insufficient_scope"'))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return finish(Answer(refusal.status, headers, body), manner)


def allow(methods: tuple[str, ...], *more: str) -> bytes:
    """Return an Allow header: HEAD wherever GET is. Spec: RFC 9110, 10.2.1."""
    names = [name for method in methods for name in ((method, "HEAD") if method == "GET" else (method,))]
    return ", ".join((*names, *more)).encode()


def represent(content: bytes, manner: Manner) -> bytes:
    """Return FHIR JSON text in the client's format: the path that parses."""
    if not content:
        return content
    if manner.form is XML:
        text = fhir_xml.format(fhir_json.parse(content))
        return fhir_xml.pretty(text) if manner.is_pretty else text
    return fhir_json.pretty(content) if manner.is_pretty else content


def finish(reply: Answer, manner: Manner) -> Answer:
    """Add what every answer carries."""
    headers = reply.headers
    if reply.status not in NO_BODY:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    headers.append((b"x-request-id", manner.request_id.encode()))
    headers.extend(ALWAYS_SENT)
    return reply


def _native(content: bytes, manner: Manner) -> tuple[bytes, Headers] | None:
    """Return the bytes that a Binary holds, and what tells of them; None, with the form noted, for the resource.

    Raises NotAcceptable when the client accepts neither.
    """
    binary: dict[str, Any] = msgspec.json.decode(content)
    manner.form = negotiate_binary(*manner.wanted, binary["contentType"])
    if manner.form is not NATIVE:
        return None
    manner.form = JSON
    try:
        held = b64decode(binary.get("data", ""))
    except (binascii.Error, ValueError):
        return None
    return held, [(b"content-type", media_type_of(binary)), *_security_context(binary)]


def _security_context(binary: dict[str, Any]) -> Headers:
    """Return the header that stands for the element that the bytes alone would lose. Spec: binary.html#security."""
    reference = str(binary.get("securityContext", {}).get("reference", ""))
    is_safe = reference.isascii() and reference.isprintable() and reference
    return [(b"x-security-context", reference.encode())] if is_safe else []


def media_type_of(binary: dict[str, object]) -> bytes:
    """Return a Binary's contentType as a header value that cannot break out of its line."""
    text = str(binary.get("contentType", ""))
    is_safe = "/" in text and text.isascii() and text.isprintable()
    return text.encode() if is_safe else b"application/octet-stream"
