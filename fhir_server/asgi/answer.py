"""Answer: from a Response, or a refusal, to status, headers and body.

Spec: http.html#mime-type, http.html#general, binary.html#rest
"""

import binascii
from base64 import b64decode
from typing import Final

import msgspec

from fhir_server.asgi.headers import ALWAYS_SENT, CONTENT_TYPES, JSON, NATIVE, XML
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.dates import format_http_date
from fhir_server.foundation.operation_outcome import FhirError
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


class Answer(msgspec.Struct, gc=False):
    """What goes back over HTTP."""

    status: int
    headers: Headers
    body: bytes = b""


def answer(response: Response, manner: Manner) -> Answer:
    """Return a Response as HTTP; the stored bytes as they are when plain JSON is wanted."""
    body = response.content
    media_type = response.media_type.encode("latin-1")
    if not media_type:
        form = manner.form
        if form is NATIVE:
            body, media_type = _native(body)
        elif form is XML or manner.is_pretty:
            body, media_type = represent(body, manner), CONTENT_TYPES[form]
        else:
            media_type = CONTENT_TYPES[JSON]
    headers: Headers = []
    if body:
        headers.append((b"content-type", media_type))
    if response.version_id is not None:
        headers.append((b"etag", b'W/"%d"' % response.version_id))
    if response.last_updated is not None:
        headers.append((b"last-modified", format_http_date(response.last_updated).encode()))
    if response.location:
        headers.append((b"location", f"{manner.base_url}/{response.location}".encode()))
    return finish(Answer(response.status, headers, body), manner)


def refuse(refusal: FhirError, manner: Manner) -> Answer:
    """Return a refusal as an OperationOutcome in the client's format."""
    form = XML if manner.form is XML else JSON
    body = represent(fhir_json.format(refusal.outcome()), manner)
    headers: Headers = [(b"content-type", CONTENT_TYPES[form])]
    if isinstance(refusal, NoSuchMethod):
        allowed = [name for method in refusal.allowed for name in ((method, "HEAD") if method == "GET" else (method,))]
        headers.append((b"allow", ", ".join(allowed).encode()))
    if isinstance(refusal, UnknownPatch):
        headers.append((b"accept-patch", ", ".join(refusal.accepted).encode()))
    if refusal.status == 401:
        challenge: str = getattr(refusal, "www_authenticate", 'Bearer realm="fhir"')
        headers.append((b"www-authenticate", challenge.encode("latin-1")))
    if refusal.status in (429, 503):
        headers.append((b"retry-after", b"1"))
    return finish(Answer(refusal.status, headers, body), manner)


def represent(content: bytes, manner: Manner) -> bytes:
    """Return FHIR JSON text in the client's format: the path that parses."""
    if not content:
        return content
    if manner.form is XML:
        return fhir_xml.format(fhir_json.parse(content))
    return fhir_json.pretty(content) if manner.is_pretty else content


def finish(reply: Answer, manner: Manner) -> Answer:
    """Add what every answer carries."""
    headers = reply.headers
    if reply.status not in NO_BODY:
        headers.append((b"content-length", b"%d" % len(reply.body)))
    headers.append((b"x-request-id", manner.request_id.encode()))
    headers.extend(ALWAYS_SENT)
    return reply


def _native(content: bytes) -> tuple[bytes, bytes]:
    binary = fhir_json.parse(content)
    if binary.get("resourceType") != "Binary":
        return content, CONTENT_TYPES[JSON]
    try:
        return b64decode(binary.get("data", "")), media_type_of(binary)
    except (binascii.Error, ValueError):
        return content, CONTENT_TYPES[JSON]


def media_type_of(binary: dict[str, object]) -> bytes:
    """Return a Binary's contentType as a header value that cannot break out of its line."""
    text = str(binary.get("contentType", ""))
    is_safe = "/" in text and text.isascii() and text.isprintable()
    return text.encode() if is_safe else b"application/octet-stream"
