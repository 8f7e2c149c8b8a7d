"""Headers: what the client accepts, sends and prefers; and what every answer carries.

Spec: http.html#mime-type, http.html#prefer, http.html#concurrency
"""

from collections.abc import Collection
from functools import lru_cache
from typing import Final

from fhir_server.foundation.operation_outcome import NotAcceptable, UnsupportedMediaType
from fhir_server.interactions.patching.formats import PATCHES, UnknownPatch

JSON: Final = "json"
XML: Final = "xml"
FORM: Final = "form"
NATIVE: Final = "native"
"""No FHIR format was asked for: what a Binary answers as the bytes it holds."""

FORMATS: Final = {
    "json": JSON,
    "application/fhir+json": JSON,
    "application/json": JSON,
    "application/json+fhir": JSON,
    "text/json": JSON,
    "xml": XML,
    "application/fhir+xml": XML,
    "application/xml": XML,
    "application/xml+fhir": XML,
    "text/xml": XML,
}
FHIR_FOR_BINARY: Final = frozenset(FORMATS) - {"application/xml", "text/xml", "text/json"}
"""A Binary, or what an operation is given, may be other XML (a CDA document is): only these names mean a resource."""
GENERIC: Final = frozenset({"application/json", "text/json", "application/xml", "text/xml"})
AMBIGUOUS: Final = frozenset({"application/json"})
"""A Binary may hold other JSON too: what is sent under this name is looked at."""
ANY: Final = ("*/*", "application/*", "*")
CONTENT_TYPES: Final = {
    JSON: b"application/fhir+json;charset=utf-8",
    XML: b"application/fhir+xml;charset=utf-8",
}
CHARSETS: Final = ("", "utf-8", "utf8", "us-ascii")
VERSIONS: Final = ("", "4.0", "4.0.1")
ALWAYS_SENT: Final = (
    (b"x-content-type-options", b"nosniff"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'; sandbox"),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept, Accept-Encoding, Authorization, Prefer, Origin"),
)
OFFERED: Final = "The server speaks application/fhir+json and application/fhir+xml, of fhirVersion 4.0, in UTF-8."


def by_name(headers: Collection[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """Return headers by name; the values of those that come twice are one list, as RFC 9110 (5.3) has it."""
    named = dict(headers)
    if len(named) < len(headers):
        listed: dict[bytes, list[bytes]] = {}
        for name, value in headers:
            listed.setdefault(name, []).append(value)
        named = {name: b", ".join(values) for name, values in listed.items()}
    return named


@lru_cache(maxsize=512)
def negotiate(accept: bytes, format_parameter: str) -> str:
    """Return JSON or XML, as `_format` says, else as the Accept header prefers; JSON when anything will do.

    Raises NotAcceptable.
    """
    if format_parameter:
        name, options = _media_type(format_parameter.replace(" ", "+"))
        if name in FORMATS and _speaks(options):
            return FORMATS[name]
        raise NotAcceptable(f"_format={format_parameter[:100]} is not offered. {OFFERED}")
    for name, options in _preferred(accept):
        if name in ANY or name == "text/*":
            return JSON
        if name in FORMATS and _speaks(options):
            return FORMATS[name]
    if not accept.strip():
        return JSON
    raise NotAcceptable(f"Nothing of Accept: {accept[:100].decode('latin-1')} is offered. {OFFERED}")


@lru_cache(maxsize=512)
def generic_type(accept: bytes, format_parameter: str) -> bytes:
    """Return the Content-Type of an answer for whom accepts a generic name only (application/json ...), else b"".

    The name that was asked for comes back. Spec: http.html#mime-type.
    """
    if format_parameter:
        return b""
    for name, _ in _preferred(accept):
        if name in FORMATS:
            return b"%b;charset=utf-8" % name.encode() if name in GENERIC else b""
        if name in ANY:
            return b""
    return b""


@lru_cache(maxsize=512)
def negotiate_binary(accept: bytes, format_parameter: str, stored: str = "") -> str:
    """Return JSON or XML when the client names a FHIR format first, NATIVE for what the Binary holds.

    `stored` is the media type of what it holds, which a client may ask for by name; while it is "", which is before
    the Binary is read, all but a FHIR format is NATIVE. Raises NotAcceptable. Spec: binary.html#rest.
    """
    wanted = _preferred(format_parameter.replace(" ", "+").encode("latin-1", "replace") or accept)
    for name, options in wanted:
        if stored and _covers(name, stored):
            return NATIVE
        if name in FHIR_FOR_BINARY - AMBIGUOUS and _speaks(options):
            return FORMATS[name]
        if not stored:
            return NATIVE
        if name in FORMATS and _speaks(options):
            return FORMATS[name]
    if not wanted:
        return NATIVE
    raise NotAcceptable(f"The Binary holds {stored[:100]}: accept that, or application/fhir+json for the resource.")


def _covers(media_range: str, media_type: str) -> bool:
    main, _, part = media_type.partition(";")[0].strip().lower().partition("/")
    return media_range in ("*", "*/*", f"{main}/*", f"{main}/{part}")


@lru_cache(maxsize=512)
def binary_format(content_type: bytes) -> str:
    """Return JSON or XML for a body sent to Binary that may be the resource, NATIVE for what it shall hold."""
    name, _ = _media_type(content_type.decode("latin-1"))
    return JSON if name == "" else FORMATS[name] if name in FHIR_FOR_BINARY else NATIVE


@lru_cache(maxsize=512)
def body_format(content_type: bytes) -> str:
    """Return the format of a body: JSON, XML or FORM. JSON when no type is given. Raises UnsupportedMediaType."""
    name, options = _media_type(content_type.decode("latin-1"))
    if name == "application/x-www-form-urlencoded":
        return FORM
    if name == "" or (name in FORMATS and _speaks(options)):
        return FORMATS.get(name, JSON)
    raise UnsupportedMediaType(f"A body of type {content_type[:100].decode('latin-1')} is not read here. {OFFERED}")


@lru_cache(maxsize=512)
def patch_format(content_type: bytes) -> str:
    """Return XML for Parameters in XML, NATIVE for a patch that its own format reads. Raises UnknownPatch."""
    name, _ = _media_type(content_type.decode("latin-1"))
    if name in PATCHES or name == "":
        return NATIVE
    if name in FORMATS:
        return XML if body_format(content_type) is XML else NATIVE
    raise UnknownPatch(
        f"A body of type {content_type[:100].decode('latin-1')} is no patch: send {', '.join(UnknownPatch.accepted)}."
    )


@lru_cache(maxsize=512)
def operation_body_format(content_type: bytes) -> str:
    """Return XML or FORM when an operation's body is surely that, NATIVE for any other: the operation reads it."""
    name, _ = _media_type(content_type.decode("latin-1"))
    if name == "application/x-www-form-urlencoded":
        return FORM
    return XML if name in FHIR_FOR_BINARY and FORMATS[name] is XML else NATIVE


@lru_cache(maxsize=512)
def preferences(prefer: bytes) -> tuple[str, bool]:
    """Return Prefer's return (or "") and whether its handling is lenient. What is not understood is ignored."""
    chosen, is_lenient = "", False
    for part in prefer.decode("latin-1").replace(";", ",").split(","):
        name, _, value = part.strip().partition("=")
        value = value.strip().strip('"')
        if name.strip().lower() == "return" and value in ("minimal", "representation", "OperationOutcome"):
            chosen = value
        elif name.strip().lower() == "handling":
            is_lenient = value == "lenient"
    return chosen, is_lenient


@lru_cache(maxsize=512)
def language(accept_language: bytes) -> str:
    """Return "fr" or "en", as Accept-Language prefers; English when it asks for neither. Spec: RFC 9110, 12.5.4."""
    ranked = []
    for position, part in enumerate(accept_language.decode("latin-1").split(",")):
        name, options = _media_type(part)
        ranked.append((-_weight(options), position, name.partition("-")[0]))
    return next((name for weight, _, name in sorted(ranked) if weight < 0 and name in ("en", "fr")), "en")


def _preferred(accept: bytes) -> list[tuple[str, dict[str, str]]]:
    ranges = [_media_type(part) for part in accept.decode("latin-1").split(",") if part.strip()]
    weighed = [(_weight(options), name, options) for name, options in ranges]
    weighed.sort(key=lambda item: -item[0])
    return [(name, options) for weight, name, options in weighed if weight > 0]


def _weight(options: dict[str, str]) -> float:
    try:
        return float(options.get("q", "1"))
    except ValueError:
        return 0.0


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    name, *parts = text.split(";")
    options = {}
    for part in parts:
        key, _, value = part.partition("=")
        options[key.strip().lower()] = value.strip().strip('"').lower()
    return name.strip().lower(), options


def _speaks(options: dict[str, str]) -> bool:
    return options.get("charset", "") in CHARSETS and options.get("fhirversion", "") in VERSIONS
