"""Where the client's certificate comes from: the TLS layer of this server, or a trusted proxy's header.

Spec: https://www.rfc-editor.org/rfc/rfc8705, https://www.rfc-editor.org/rfc/rfc9440 (Client-Cert)

A header counts only when the connection comes from a proxy that the settings name, and that proxy verifies certificates
and drops the header from its own callers.
"""

import base64
import binascii
import ssl
from asyncio import Transport
from collections.abc import Collection, Iterable
from typing import Any
from urllib.parse import unquote

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhir_server.asgi.body import Receive
from fhir_server.asgi.server import App, Scope, Send
from fhir_server.smart.clients.certificate import PRESENTED


def protocol(header: str = "", proxies: Collection[str] = ()) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with the certificates of its connections; `header` "" believes no proxy."""
    name = header.lower().encode()

    class WithCertificate(HttpToolsProtocol):
        def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as uvicorn narrows it
            super().connection_made(transport)
            tls = transport.get_extra_info("ssl_object")
            certificate = tls.getpeercert(True) if tls is not None else None
            if certificate:
                self.app = presenting(self.app, certificate)
            elif name and self.client is not None and self.client[0] in proxies:
                self.app = believing(self.app, name)

    return WithCertificate


def presenting(app: App, certificate: bytes) -> App:
    """Return the application of a connection whose caller presented a certificate."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        PRESENTED.set(certificate)
        await app(scope, receive, send)

    return serve


def believing(app: App, name: bytes) -> App:
    """Return the application of a connection whose proxy tells the caller's certificate in a header."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        PRESENTED.set(told_by(scope.get("headers", ()), name))
        await app(scope, receive, send)

    return serve


def told_by(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes:
    """Return the certificate of a header as DER, b"" for none, several or an unreadable one.

    It is read as RFC 9440 writes it (`:base64:`), and as PEM, escaped as in an address (nginx, HAProxy).
    """
    values = [value.decode("latin-1").strip() for key, value in headers if key == name]
    if len(values) != 1 or not values[0]:
        return b""
    try:
        if values[0].startswith(":"):
            return base64.b64decode(values[0].strip(":"), validate=True)
        return ssl.PEM_cert_to_DER_cert(unquote(values[0]).strip())
    except (ValueError, binascii.Error):
        return b""


def tls_options(certificate: str, key: str, clients: str) -> dict[str, Any]:
    """Return uvicorn's options for files of a certificate and its key, and of the authorities of clients ("" none)."""
    if not certificate:
        return {}
    options: dict[str, Any] = {"ssl_certfile": certificate, "ssl_keyfile": key or None}
    if clients:
        options |= {"ssl_ca_certs": clients, "ssl_cert_reqs": ssl.CERT_OPTIONAL}
    return options
