"""The SOAP addresses of the XDS.b face: a registry and a repository beside the FHIR API.

Spec: IHE ITI TF-2 Appendix V (web services); https://www.w3.org/TR/soap12-part2/#soapinhttp
"""

import secrets
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.asgi.body import Disconnected, Receive, read_body
from fhir_server.asgi.server import App, Scope, Send
from fhir_server.asgi.soap.mtom import XOP, Headers, format_parts, parameters_of, parse_parts
from fhir_server.foundation.operation_outcome import FhirError, Unauthenticated
from fhir_server.interactions.request import Runtime
from fhir_server.xds import Call, answer
from fhir_server.xds.call import Element, SenderFault
from fhir_server.xds.envelope import Envelope, format_envelope, format_fault, parse_envelope

PATHS: Final = ("/xds/registry", "/xds/repository")
SOAP_TYPE: Final = "application/soap+xml"
DESCRIPTIONS: Final = Path(__file__).parent / "wsdl"


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer."""

    status: int
    content_type: str
    content: bytes


NOWHERE: Final = Answer(404, "text/plain", b"There is nothing at this address.")

GrantOfAssertion = Callable[[Element | None], Awaitable[Grant]]
"""Who calls, by the SAML assertion of a message (None: it has none). Raises Unauthenticated."""


class Face(msgspec.Struct, frozen=True):
    """What the XDS.b face is made of; `repository` is the OID of this server, `origin` its address without a path."""

    runtime: Runtime
    grant_of: GrantOfAssertion
    repository: str
    origin: str
    base_url: str


def soap_app(face: Face, otherwise: App | None) -> App:
    """Return an ASGI application that answers at the XDS addresses, and leaves the rest to `otherwise`."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_ours = scope["type"] == "http" and scope["path"] in PATHS
        if not is_ours and otherwise is not None:
            await otherwise(scope, receive, send)
            return
        try:
            reply = await _reply(face, scope, receive) if is_ours else NOWHERE
        except Disconnected:
            return
        headers = [(b"content-type", reply.content_type.encode()), (b"content-length", b"%d" % len(reply.content))]
        headers.append((b"cache-control", b"no-store"))
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.content})

    return serve


async def _reply(face: Face, scope: Scope, receive: Receive) -> Answer:
    if scope["method"] in ("GET", "HEAD") and scope["query_string"].lower() == b"wsdl":
        return _description(face, scope["path"])
    if scope["method"] != "POST":
        return Answer(405, "text/plain", f"POST a SOAP 1.2 message, or GET {scope['path']}?wsdl.".encode())
    message_id = ""
    try:
        headers: dict[bytes, bytes] = dict(scope["headers"])
        content_type = parameters_of(headers.get(b"content-type", b"").decode("latin-1"))
        envelope, attachments = _read(await read_body(receive, headers, face.runtime.limits), content_type)
        message_id = envelope.message_id
        return await _answer(face, envelope, attachments)
    except SenderFault as fault:
        return _fault(400, fault, message_id)
    except Unauthenticated as refusal:
        return _fault(401, SenderFault(str(refusal), "FailedAuthentication"), message_id)
    except FhirError as refusal:
        return _fault(refusal.status, SenderFault(str(refusal)), message_id)


def _fault(status: int, fault: SenderFault, message_id: str) -> Answer:
    return Answer(status, f"{SOAP_TYPE}; charset=utf-8", format_fault(fault, message_id))


def _read(content: bytes, content_type: Headers) -> tuple[Envelope, dict[str, bytes]]:
    media_type = content_type[""]
    if media_type == "multipart/related":
        if content_type.get("type", XOP).lower() != XOP:
            raise SenderFault(f"The type of multipart/related must be {XOP}.")
        root, attachments = parse_parts(content, content_type)
        return parse_envelope(root, content_type.get("action", "")), attachments
    if media_type != SOAP_TYPE:
        raise SenderFault(f"Send {SOAP_TYPE} (SOAP 1.2), or multipart/related with {XOP}.")
    return parse_envelope(content, content_type.get("action", "")), {}


async def _answer(face: Face, envelope: Envelope, attachments: dict[str, bytes]) -> Answer:
    call = Call(
        action=envelope.action,
        body=envelope.body,
        grant=await face.grant_of(envelope.assertion),
        runtime=face.runtime,
        repository=face.repository,
        base_url=face.base_url,
        attachments=attachments,
        request_id=face.runtime.new_id(),
    )
    reply = await answer(call)
    action = f"{envelope.action}Response"
    content = format_envelope(reply.body, action, envelope.message_id)
    if not reply.attachments:
        return Answer(200, f'{SOAP_TYPE}; charset=utf-8; action="{action}"', content)
    content_type, parts = format_parts(content, reply.attachments, secrets.token_hex(24))
    return Answer(200, content_type, parts)


def _description(face: Face, path: str) -> Answer:
    text = (DESCRIPTIONS / f"{path.rpartition('/')[2]}.wsdl").read_text("utf-8")
    return Answer(200, "text/xml; charset=utf-8", text.replace("ADDRESS", f"{face.origin}{path}").encode())
