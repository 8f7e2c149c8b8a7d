"""The software of the demo: a client of each kind, with its secret or its key, and tokens to write test records with.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
"""

from pathlib import Path

import msgspec

from fhir_server.commands.identity.clients import Registration, client_of, write_private
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.backend_services import grant_system_token
from fhir_server.smart.clients.assertion import Proof

TOKEN_SECONDS = 24 * 3600
APP_SCOPES = (
    *("openid", "fhirUser", "launch", "launch/patient", "launch/encounter", "online_access", "offline_access"),
    *("patient/*.cruds", "user/*.cruds"),
)
REDIRECT_URIS = ("http://127.0.0.1:8765/callback", "http://localhost/callback")
"""The port of both is the app's own choice when it starts (RFC 8252)."""


class Software(msgspec.Struct, frozen=True):
    """A client of the demo; `secret` or the file `key` is how it proves itself, `token` one that it already has."""

    client_id: str
    name: str
    kind: str
    scope: str
    redirect_uris: tuple[str, ...] = ()
    secret: str = ""
    key: str = ""
    token: str = ""
    is_operator: bool = False
    is_launch_host: bool = False


LABORATORY = Registration(
    client_id="laboratoire-horizon",
    name="Logiciel du Laboratoire Horizon",
    scopes=("system/*.crs", "system/DocumentReference.cruds"),
    actor="Device/laboratoire-horizon",
)
APP = Registration("carnet", "Carnet (application référencée)", APP_SCOPES, REDIRECT_URIS)
WITH_SECRET = Registration("carnet-secret", "Carnet (site web)", APP_SCOPES, REDIRECT_URIS, is_confidential=True)
WITH_KEY = Registration("carnet-cle", "Carnet (site web, clé)", APP_SCOPES, REDIRECT_URIS, has_key=True)
HOST = Registration("logiciel-hote", "Logiciel du cabinet", (), is_confidential=True, is_launch_host=True)
SYSTEM = Registration("bac-a-sable", "Bac à sable", ("system/*.cruds",), is_operator=True)
SECOND_SYSTEM = Registration("bac-a-sable-2", "Bac à sable, second", ("system/*.cruds",), is_operator=True)
REGISTRATIONS = (LABORATORY, APP, WITH_SECRET, WITH_KEY, HOST, SYSTEM, SECOND_SYSTEM)


async def register_software(authorization: Authorization, folder: Path) -> tuple[Software, ...]:
    """Register every client, and return each with what it proves itself by; private keys are files of the folder."""
    return tuple([await _register(authorization, registration, folder) for registration in REGISTRATIONS])


async def _register(authorization: Authorization, registration: Registration, folder: Path) -> Software:
    client, private = client_of(registration)
    secret = await authorization.clients.register(client)
    key, token = "", ""
    if private is not None:
        key = str(folder / f"{client.client_id}.jwk.json")
        write_private(Path(key), private)
    if client.is_operator:
        token = (await grant_system_token(authorization, Proof(client), client.scopes, TOKEN_SECONDS))["access_token"]
    return Software(
        client_id=client.client_id,
        name=client.name,
        kind=client.kind,
        scope=" ".join(client.scopes),
        redirect_uris=client.redirect_uris,
        secret=secret,
        key=key,
        token=token,
        is_operator=client.is_operator,
        is_launch_host=client.is_launch_host,
    )
