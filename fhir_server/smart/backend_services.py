"""Backend services: a software without a user gets a token for its own proof.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients.assertion import Proof
from fhir_server.smart.granted_scopes import granted_scopes
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.family import Family
from fhir_server.storage.store import Transaction


async def client_credentials(
    authorization: Authorization, proof: Proof, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Return a token for the client itself, with `system/` scopes only and no refresh token."""
    scopes = granted_scopes(parameters.get("scope", ""), proof.client, "system")
    return await grant_system_token(authorization, proof, scopes, authorization.settings.system_token_seconds)


async def grant_system_token(
    authorization: Authorization, proof: Proof, scopes: tuple[str, ...], seconds: int
) -> dict[str, Any]:
    """Return the token response of a new token for a client itself, which lasts so many seconds; spend its proof.

    Only clients with a key or a certificate are registered for this grant.
    """
    client, expires_at = proof.client, authorization.now() + timedelta(seconds=seconds)
    family = Family(authorization.new_id(), client.client_id, scopes, expires_at, thumbprint=proof.thumbprint)

    async def work(transaction: Transaction) -> None:
        await proof.spend(transaction)
        await authorization.families.put(transaction, family)

    await authorization.store.transact(work)
    caller = access_token.claims_of_system(client)
    return await access_token.issue(authorization, family, scopes, caller, longest_seconds=seconds)
