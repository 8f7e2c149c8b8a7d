"""`fhir-server client`: register and list the software that may ask for tokens, and get a token as one of them."""

import asyncio
import json
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey, JWKRegistry
from joserfc.jws import JWSRegistry
from rich.console import Console
from rich.table import Table

from fhir_server.app import new_id
from fhir_server.commands.local import authorization_of, opened
from fhir_server.settings import Settings
from fhir_server.smart.clients.client import Client, ClientKind

ALGORITHM = "ES384"


class Registration(msgspec.Struct, frozen=True):
    """What `client register` was told."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...] = ()
    jwks: Path | None = None
    actor: str = ""
    purpose: str = ""
    is_operator: bool = False
    is_confidential: bool = False
    is_launch_host: bool = False
    state_systems: tuple[str, ...] = ()
    tls_subject_dn: str = ""
    has_key: bool = False
    """An app with redirect URIs for which a key pair is made; software without any gets one in any case."""


def new_key(client_id: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the private JWK and the public JWK Set of a new P-384 key."""
    key = ECKey.generate_key("P-384", parameters={"kid": f"{client_id}-1", "use": "sig", "alg": ALGORITHM})
    return dict(key.as_dict(private=True)), {"keys": [dict(key.as_dict(private=False))]}


def client_of(registration: Registration) -> tuple[Client, dict[str, Any] | None]:
    """Return the client, and the private key that was made for one that needs a key and brought none."""
    is_app = bool(registration.redirect_uris)
    kind = _kind_of(registration)
    jwks, private = None, None
    if kind == "confidential-asymmetric" and registration.jwks is None:
        private, jwks = new_key(registration.client_id)
    elif registration.jwks is not None:
        jwks = json.loads(registration.jwks.read_text(encoding="utf-8"))
    backend = () if kind == "confidential-symmetric" else ("client_credentials",)
    client = Client(
        client_id=registration.client_id,
        name=registration.name,
        kind=kind,
        scopes=registration.scopes,
        redirect_uris=registration.redirect_uris,
        grant_types=("authorization_code", "refresh_token") if is_app else backend,
        jwks=jwks,
        actor=registration.actor or ("" if is_app else f"Device/{registration.client_id}"),
        catalogue="application" if is_app else "software",
        purpose=registration.purpose,
        is_operator=registration.is_operator,
        is_launch_host=registration.is_launch_host,
        state_systems=registration.state_systems,
        tls_subject_dn=registration.tls_subject_dn,
    )
    return client, private


def _kind_of(registration: Registration) -> ClientKind:
    """Return how the client proves itself: an app without a secret or a key does not, software always does."""
    if registration.tls_subject_dn:
        return "confidential-tls"
    if registration.is_confidential and registration.jwks is None:
        return "confidential-symmetric"
    has_key = registration.has_key or registration.jwks is not None or not registration.redirect_uris
    return "confidential-asymmetric" if has_key else "public"


def register(settings: Settings, registration: Registration, console: Console) -> None:
    """Register a client; write the private key that was made into the data folder, readable by its owner only."""
    client, private = client_of(registration)

    async def work() -> str:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).clients.register(client)

    secret = asyncio.run(work())
    console.print(f"Registered [bold]{client.client_id}[/bold] ({client.kind}) with {' '.join(client.scopes)}")
    if secret:
        console.print(f"Its secret, told this once: {secret}", soft_wrap=True, markup=False, highlight=False)
    if private is not None:
        file = Path(settings.data) / f"{client.client_id}.jwk.json"
        write_private(file, private)
        console.print(f"Its private key is in {file}; hand it over safely, and remove it here.", soft_wrap=True)


def write_private(file: Path, content: dict[str, Any]) -> None:
    """Write a secret as JSON, for its owner's eyes only; the file appears whole or not at all."""
    draft = file.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(content, indent=1), encoding="utf-8")
    draft.replace(file)


def show(settings: Settings, console: Console) -> None:
    """Print the registered clients."""

    async def work() -> list[Client]:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).clients.list()

    _table("Clients", asyncio.run(work()), console)


def show_pending(settings: Settings, console: Console) -> None:
    """Print the clients that registered themselves and wait for an approval."""

    async def work() -> list[Client]:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).clients.pending()

    _table("Waiting for an approval", asyncio.run(work()), console)


def approve(settings: Settings, client_id: str, console: Console) -> None:
    """Approve a client that waits; raises NotFound."""

    async def work() -> Client:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).clients.approve(client_id)

    client = asyncio.run(work())
    console.print(f"Approved [bold]{client.client_id}[/bold], {client.name}: {' '.join(client.scopes)}")


def _table(title: str, clients: list[Client], console: Console) -> None:
    table = Table("client", "name", "kind", "scopes", "acts as", "operator", title=title)
    for client in clients:
        operator = "yes" if client.is_operator else ""
        table.add_row(client.client_id, client.name, client.kind, " ".join(client.scopes), client.actor, operator)
    console.print(table)


def token(base_url: str, client_id: str, key_file: Path, scope: str) -> str:
    """Return an access token for a backend service, asked of a running server with a signed assertion.

    Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html
    """
    configuration = get_json(f"{base_url}/.well-known/smart-configuration")
    key = JWKRegistry.import_key(json.loads(key_file.read_text(encoding="utf-8")))
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": configuration["token_endpoint"],
        "exp": int(time.time()) + 240,
        "jti": new_id(),
    }
    header = {"alg": ALGORITHM, "kid": key.kid, "typ": "JWT"}
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[ALGORITHM])),
    }
    answer = get_json(configuration["token_endpoint"], urllib.parse.urlencode(form).encode())
    return str(answer["access_token"])


def get_json(url: str, body: bytes | None = None) -> dict[str, Any]:
    """Return the JSON object at an address, asked with GET, or with POST when there is a form; raises OSError."""
    if not url.startswith(("http://", "https://")):
        raise OSError(f"{url} is no web address.")
    with urllib.request.urlopen(url, body, timeout=10) as answer:  # noqa: S310 - the scheme was just checked
        content: dict[str, Any] = json.load(answer)
    return content
