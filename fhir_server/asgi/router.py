"""Router: from a route, a query string, headers and a body to a Request.

Spec: http.html#general, http.html#search, binary.html#rest
"""

import contextlib
from base64 import b64encode
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.asgi.answer import Manner
from fhir_server.asgi.headers import (
    FORM,
    JSON,
    NATIVE,
    XML,
    binary_format,
    body_format,
    generic_type,
    language,
    negotiate,
    negotiate_binary,
    operation_body_format,
    patch_format,
    preferences,
)
from fhir_server.foundation import fhir_xml
from fhir_server.foundation.dates import parse_http_date
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, UnsupportedMediaType
from fhir_server.interactions.bundle.route import Route
from fhir_server.interactions.request import Limits, Request

Parameters = tuple[tuple[str, str], ...]
BODILESS: Final = frozenset({"read", "vread", "history", "delete", "capabilities"})
READABLE: Final = frozenset({"read", "vread"})
WRITABLE: Final = frozenset({"create", "update"})


class Named(msgspec.Struct):
    """What of a JSON text tells whether it is a Binary."""

    resource_type: str = msgspec.field(name="resourceType")


class Call(msgspec.Struct, gc=False):
    """One HTTP request, before its meaning: `headers` by lower-case name."""

    method: str
    route: Route
    parameters: Parameters
    headers: dict[bytes, bytes]
    body: bytes = b""


def decode_parameters(text: bytes, limits: Limits) -> Parameters:
    """Return the pairs of a query string or form, in order. Raises BadRequest when there are too many."""
    if not text:
        return ()
    try:
        pairs = parse_qsl(text.decode("latin-1"), keep_blank_values=True, max_num_fields=limits.query_parameters)
    except ValueError:
        raise BadRequest(f"More than {limits.query_parameters} parameters are not read.") from None
    return tuple(pairs)


def choose_form(manner: Manner, call: Call) -> None:
    """Note how the client wants its answer. Raises NotAcceptable."""
    format_parameter = ""
    for name, value in call.parameters:
        if name == "_format":
            format_parameter = value
        elif name == "_pretty":
            manner.is_pretty = value == "true"
    route = call.route
    is_binary = route.resource_type == "Binary" and route.interaction in READABLE
    accept = call.headers.get(b"accept", b"")
    if is_binary:
        manner.wanted = (accept, format_parameter)
        manner.form = negotiate_binary(accept, format_parameter)
    else:
        manner.form = negotiate(accept, format_parameter)
        manner.generic_type = generic_type(accept, format_parameter)
    manner.is_chosen = manner.form is not NATIVE


def accept_refusal(manner: Manner, headers: dict[bytes, bytes], query: bytes, limits: Limits) -> None:
    """Note how a client wants a refusal that came before `choose_form`; JSON when nothing it accepts is offered."""
    if not manner.is_chosen:
        with contextlib.suppress(FhirError):
            named = dict(decode_parameters(query, limits)).get("_format", "")
            manner.form = negotiate(headers.get(b"accept", b""), named)


def needs_body(call: Call) -> bool:
    """Say whether the request carries a body that its interaction reads."""
    return call.method != "GET" and call.route.interaction not in BODILESS


def understand(call: Call, grant: Grant, manner: Manner, limits: Limits) -> Request:
    """Return the Request that the call means. Raises BadRequest, Unparsable and UnsupportedMediaType."""
    route, get = call.route, call.headers.get
    of_address = call.parameters
    resource, content = _read_body(call, limits) if call.body or _is_empty_binary(call) else (None, b"")
    if call.parameters is not of_address:
        choose_form(manner, call)  # A form can say _format too.
    wanted, is_lenient = preferences(get(b"prefer", b""))
    since = get(b"if-modified-since")
    criteria = get(b"if-none-exist")
    return Request(
        interaction=route.interaction,
        grant=grant,
        resource_type=route.resource_type,
        resource_id=route.resource_id,
        version_id=route.version_id,
        parameters=call.parameters,
        content=content,
        media_type=get(b"content-type", b"").decode("latin-1"),
        resource=resource,
        if_match=get(b"if-match", b"").decode("latin-1"),
        if_none_match=get(b"if-none-match", b"").decode("latin-1"),
        if_modified_since=parse_http_date(since.decode("latin-1")) if since else None,
        if_none_exist=criteria.decode("latin-1") if criteria is not None else None,
        prefer_return=wanted,
        is_lenient=is_lenient,
        base_url=manner.base_url,
        language=language(get(b"accept-language", b"")),
        source=call.body if resource is not None and route.interaction[0] == "$" else b"",
        request_id=manner.request_id,
        languages=get(b"accept-language", b"").decode("latin-1"),
        compartment=route.compartment,
        is_get=route.is_get,
    )


def _read_body(call: Call, limits: Limits) -> tuple[dict[str, Any] | None, bytes]:
    """Return the resource when the body had to be parsed for its form, and the bytes when they are FHIR JSON."""
    headers, route = call.headers, call.route
    content_type = headers.get(b"content-type", b"")
    if route.resource_type == "Binary" and route.interaction in WRITABLE and not _is_binary_resource(call, limits):
        return _binary(call, content_type), b""
    is_operation = route.interaction[0] == "$"
    form = _form_of(route, content_type)
    if route.interaction == "search" and form is not FORM:
        raise UnsupportedMediaType("A search is posted as application/x-www-form-urlencoded.")
    if form is JSON or form is NATIVE:
        return None, call.body
    if form is XML:
        return fhir_xml.parse(call.body, max_depth=limits.depth), b""
    if route.interaction != "search" and not is_operation:
        raise UnsupportedMediaType("A form is read by searches only; send application/fhir+json.")
    call.parameters += decode_parameters(call.body, limits)
    return None, b""


def _form_of(route: Route, content_type: bytes) -> str:
    if route.interaction[0] == "$":
        return operation_body_format(content_type)
    return patch_format(content_type) if route.interaction == "patch" else body_format(content_type)


def _is_empty_binary(call: Call) -> bool:
    """Say whether an empty body is the content of a Binary: a file may hold nothing."""
    route, content_type = call.route, call.headers.get(b"content-type", b"")
    is_write = route.resource_type == "Binary" and route.interaction in WRITABLE
    return is_write and not call.body and binary_format(content_type) is NATIVE


def _is_binary_resource(call: Call, limits: Limits) -> bool:
    """Say whether a body sent to Binary is the resource; anything else, also FHIR, is what it shall hold.

    Choice: what says to be FHIR and cannot be parsed is refused, as a Binary resource that was cut short would look so.
    Raises Unparsable. Spec: binary.html#rest.
    """
    content_type = call.headers.get(b"content-type", b"")
    form = binary_format(content_type)
    if form is XML:
        return bool(fhir_xml.parse(call.body, max_depth=limits.depth)["resourceType"] == "Binary")
    if form is NATIVE:
        return False
    try:
        named = msgspec.json.decode(call.body, type=Named)
    except ValueError:
        return b"fhir" in content_type.lower()
    return named.resource_type == "Binary"


def _binary(call: Call, content_type: bytes) -> dict[str, Any]:
    binary: dict[str, Any] = {"resourceType": "Binary"}
    if call.route.resource_id:
        binary["id"] = call.route.resource_id
    binary["contentType"] = content_type.decode("latin-1") or "application/octet-stream"
    context = call.headers.get(b"x-security-context")
    if context:
        binary["securityContext"] = {"reference": context.decode("latin-1")}
    if call.body:
        binary["data"] = b64encode(call.body).decode("ascii")
    return binary
