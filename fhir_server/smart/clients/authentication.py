"""How a client proves who it is at the token, introspection and revocation endpoints.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-2.3,
https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-symmetric.html
"""

import base64
from collections.abc import Mapping
from datetime import datetime
from urllib.parse import unquote_plus

import msgspec

from fhir_server.smart.clients import certificate
from fhir_server.smart.clients.assertion import ASSERTION_TYPE, Proof, prove, read_claimed
from fhir_server.smart.clients.client import Client
from fhir_server.smart.clients.jwks import ClientKeys
from fhir_server.smart.clients.register import Clients, is_secret_of
from fhir_server.smart.refusal import OAuthRefusal, invalid_client

METHODS = ("private_key_jwt", "client_secret_basic", "none")
"""What `token_endpoint_auth_methods_supported` tells; a secret in the body is refused, for bodies are logged."""

TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
"""What it tells besides where the certificates of clients are known (RFC 8705)."""


class Authentication:
    """The authentication of clients at the endpoints, whose assertions are all made for the token endpoint."""

    def __init__(self, clients: Clients, client_keys: ClientKeys, token_url: str) -> None:
        self._clients = clients
        self._keys = client_keys
        self._token_url = token_url

    async def authenticate(self, parameters: Mapping[str, str], authorization: str, now: datetime) -> Proof:
        """Return the proof of the client that asks; raises invalid_client (401).

        `authorization` is the header ("" for none). A public client only says its client_id: what protects it is PKCE.
        """
        assertion = parameters.get("client_assertion", "")
        is_basic = authorization[:6].lower() == "basic "
        if "client_secret" in parameters or (assertion and is_basic):
            raise OAuthRefusal(
                "invalid_request", "Use one way to authenticate, and none with client_secret in the body."
            )
        if assertion:
            if parameters.get("client_assertion_type") != ASSERTION_TYPE:
                raise invalid_client(f"client_assertion_type must be {ASSERTION_TYPE}.")
            proof = await prove(assertion, self._clients, self._keys, self._token_url, now)
        elif is_basic:
            proof = await self._secret(authorization[6:])
        else:
            proof = await self._named(parameters.get("client_id", ""), now)
        if parameters.get("client_id", proof.client.client_id) != proof.client.client_id:
            raise invalid_client("The client_id is not that of the client that authenticated.")
        return _bound(proof)

    async def _secret(self, credentials: str) -> Proof:
        client_id, secret = _read_basic(credentials)
        client = await self._clients.get(client_id)
        if client is None or client.kind != "confidential-symmetric" or not is_secret_of(client, secret):
            raise invalid_client("The client or its secret is wrong.")
        return Proof(client)

    async def _named(self, client_id: str, now: datetime) -> Proof:
        """Return the proof of a client that only names itself: a public one, or one that its connection proves."""
        client = await self._clients.get(client_id) if client_id else None
        if client is None or client.kind not in ("public", "confidential-tls"):
            raise invalid_client("The client is unknown, or must authenticate.")
        if client.kind == "confidential-tls" and not await self._is_proven_by_tls(client, now):
            raise invalid_client("The connection has no certificate of this client.")
        return Proof(client)

    async def _is_proven_by_tls(self, client: Client, now: datetime) -> bool:
        """Say whether the certificate is of the registered subject, or registered itself. Spec: RFC 8705, section 2."""
        if client.tls_subject_dn:
            return certificate.is_presented_by(client.tls_subject_dn, now)
        return certificate.is_one_of(await self._keys.key_set(client))


def claimed_client(assertion: str, credentials: str) -> str:
    """Return whom an assertion or Basic credentials claim to be, nothing of it proven; or what cannot be read."""
    try:
        return read_claimed(assertion)[0] if assertion else _read_basic(credentials)[0]
    except OAuthRefusal:
        return credentials


def _read_basic(credentials: str) -> tuple[str, str]:
    """Return the client_id and the secret of Basic credentials; raises invalid_client."""
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except ValueError as error:
        raise invalid_client("The Basic credentials cannot be read.") from error
    client_id, _, secret = (unquote_plus(part) for part in text.partition(":"))
    return client_id, secret


def _bound(proof: Proof) -> Proof:
    """Return a proof that says to which certificate the tokens are bound; raises invalid_request without one."""
    client = proof.client
    if not client.is_certificate_bound and client.kind != "confidential-tls":
        return proof
    thumbprint = certificate.thumbprint()
    if not thumbprint:
        raise OAuthRefusal("invalid_request", "The tokens of this client are bound to a certificate: connect with it.")
    return msgspec.structs.replace(proof, thumbprint=thumbprint)
