"""Backend services: a software without a user gets a token for its own proof.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/backend-services.html#obtain-access-token
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients.assertion import Proof
from fhir_server.smart.granted_scopes import granted_scopes
from fhir_server.smart.refusal import OAuthRefusal
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.family import Family
from fhir_server.storage.store import Transaction


async def client_credentials(
    authorization: Authorization, proof: Proof, parameters: Mapping[str, str]
) -> dict[str, Any]:
    """Return a token for the client itself, with `system/` scopes only and no refresh token."""
    client = proof.client
    if not proof.spent_key:
        raise OAuthRefusal("unauthorized_client", "A backend service proves itself with a signed assertion.")
    scopes = granted_scopes(parameters.get("scope", ""), client, "system")
    expires_at = authorization.now() + timedelta(seconds=authorization.settings.system_token_seconds)
    family = Family(authorization.new_id(), client.client_id, scopes, expires_at)

    async def work(transaction: Transaction) -> None:
        await proof.spend(transaction)
        await authorization.families.put(transaction, family)

    await authorization.store.transact(work)
    return await access_token.issue(authorization, family, scopes, access_token.claims_of_system(client))
