"""`fhir-server serve`: bind the port, say where the server is and how safe it is, then serve."""

import os
import socket
from typing import Literal

import msgspec
import uvicorn
from rich.console import Console
from rich.panel import Panel
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.supervisors import Multiprocess

from fhir_server.app import DEPLOYMENT_VARIABLE, Deployment, create
from fhir_server.asgi.certificate import protocol, tls_options
from fhir_server.asgi.server import App
from fhir_server.settings import Settings, shown_store

BACKLOG = 2048


def bind(settings: Settings) -> socket.socket:
    """Return a listening socket, whose callers wait until the server is ready; raises OSError when it is taken."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((settings.host, settings.port))
    listener.listen(BACKLOG)
    listener.set_inheritable(True)
    return listener


def deployment_of(settings: Settings, listener: socket.socket) -> Deployment:
    """Return the settings with the address that clients use."""
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    scheme = "https" if settings.tls_certificate else "http"
    return Deployment(settings, settings.public_url or f"{scheme}://{host}:{listener.getsockname()[1]}")


def announce(deployment: Deployment, console: Console) -> None:
    """Say where the server listens, and loudly when it asks nobody who he is."""
    base = f"{deployment.origin}/fhir"
    console.print(
        f"[bold]FHIR R4[/bold] at [link={base}]{base}[/link]  store: {shown_store(deployment.settings)}", soft_wrap=True
    )
    if deployment.settings.open:
        console.print(
            Panel(
                "NO AUTHORIZATION: everyone on this machine reads and writes everything.\n"
                "AUCUNE AUTORISATION : chacun sur cette machine lit et écrit tout.",
                title="--open",
                style="bold red",
            )
        )


def run(deployment: Deployment, listener: socket.socket) -> None:
    """Serve until told to stop."""
    settings = deployment.settings
    if settings.workers == 1:
        uvicorn.Server(_config(settings, create(deployment))).run(sockets=[listener])
        return
    os.environ[DEPLOYMENT_VARIABLE] = msgspec.json.encode(deployment).decode()
    config = _config(settings, "fhir_server.app:create_from_environment")
    Multiprocess(config, sockets=[listener]).run()


def _config(settings: Settings, application: App | str) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        factory=isinstance(application, str),
        workers=settings.workers,
        loop="uvloop",
        http=_protocol(settings),
        ws="none",
        lifespan="on",
        access_log=False,
        server_header=False,
        log_level="warning" if settings.log_level == "info" else settings.log_level,
        timeout_graceful_shutdown=10,
        backlog=BACKLOG,
        **tls_options(settings.tls_certificate, settings.tls_key, settings.tls_clients),
    )


def _protocol(settings: Settings) -> type[HttpToolsProtocol] | Literal["httptools"]:
    """Return uvicorn's own protocol, or ours where certificates of clients are asked for."""
    if not settings.tls_clients and not settings.certificate_header:
        return "httptools"
    return protocol(settings.certificate_header, settings.certificate_proxies)
