"""private_key_jwt: a client proves who it is with a JWT that it signed and that is good once.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#signature-verification,
https://www.rfc-editor.org/rfc/rfc7523#section-3
"""

import hashlib
from datetime import UTC, datetime
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry, extract_compact

from fhir_server.smart.clients.client import Client
from fhir_server.smart.clients.jwks import KEY_TYPES, ClientKeys
from fhir_server.smart.clients.register import Clients
from fhir_server.smart.refusal import invalid_client
from fhir_server.storage.store import Transaction

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
LONGEST_SECONDS = 300
_CLOCK_SKEW_SECONDS = 30
_KIND = "jti"
_registry = JWSRegistry(algorithms=list(KEY_TYPES))
_registry.max_header_length = 4096


class Proof(msgspec.Struct, frozen=True):
    """A client that proved who it is; `spent_key` names an assertion that must not come twice ("" for other proofs).

    `thumbprint` is the certificate to which its tokens are bound, "" for none.
    """

    client: Client
    spent_key: str = ""
    expires_at: datetime | None = None
    thumbprint: str = ""

    async def spend(self, transaction: Transaction) -> None:
        """Spend the assertion with what it was shown for; raises invalid_client when it was spent before."""
        if not self.spent_key:
            return
        if await transaction.record(_KIND, self.spent_key) is not None:
            raise invalid_client("The jti of the assertion was used before.")
        await transaction.put_record(_KIND, self.spent_key, b"1", self.expires_at)


async def prove(assertion: str, clients: Clients, client_keys: ClientKeys, audience: str, now: datetime) -> Proof:
    """Verify an assertion made for `audience`, the token endpoint; raises invalid_client (401)."""
    client_id, header = read_claimed(assertion)
    client = await clients.get(client_id)
    if client is None or client.kind != "confidential-asymmetric":
        raise invalid_client("The issuer of the assertion is no client that signs assertions.")
    key = await client_keys.pick(client, header)
    now_seconds = int(now.timestamp())
    registry = jwt.JWTClaimsRegistry(
        now=now_seconds,
        leeway=0,
        iss={"essential": True, "value": client_id},
        sub={"essential": True, "value": client_id},
        aud={"essential": True, "value": audience},
        exp={"essential": True},
        jti={"essential": True},
    )
    try:
        claims = jwt.decode(assertion, key, registry=_registry).claims
        registry.validate(claims)
    except (JoseError, ValueError) as error:
        raise invalid_client(f"The assertion does not hold: {error}.") from error
    return Proof(client, *_spending(client_id, claims, now_seconds))


def read_claimed(assertion: str) -> tuple[str, dict[str, Any]]:
    """Return the claimed issuer and the header, of which nothing is verified yet; raises invalid_client."""
    try:
        signature = extract_compact(assertion.encode(), registry=_registry)
        claims = msgspec.json.decode(signature.payload)
    except (JoseError, ValueError) as error:
        raise invalid_client("The assertion is no signed JWT.") from error
    issuer = claims.get("iss") if isinstance(claims, dict) else None
    if not isinstance(issuer, str) or not issuer:
        raise invalid_client("The assertion has no issuer.")
    return issuer, signature.headers()


def _spending(client_id: str, claims: dict[str, Any], now_seconds: int) -> tuple[str, datetime]:
    exp, jti = int(claims["exp"]), str(claims["jti"])
    if exp > now_seconds + LONGEST_SECONDS + _CLOCK_SKEW_SECONDS:
        raise invalid_client(f"The assertion must expire within {LONGEST_SECONDS} seconds.")
    key = hashlib.sha256(f"{client_id}\n{jti}".encode()).hexdigest()
    return key, datetime.fromtimestamp(exp + 1, UTC)
