"""The id_token: tells an app who signed in.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#IDToken,
https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

from typing import Any

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.keys import ID_TOKEN_ALGORITHM
from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User

ID_TOKEN_SECONDS = 300


async def id_token(authorization: Authorization, family: Family, user: User) -> str:
    """Return the signed id_token, with `fhirUser` when that scope was granted."""
    now_seconds = authorization.now_seconds()
    claims: dict[str, Any] = {
        "iss": authorization.issuer,
        "sub": user.user_id,
        "aud": family.client_id,
        "iat": now_seconds,
        "exp": now_seconds + ID_TOKEN_SECONDS,
    }
    if family.signed_in_at is not None:
        claims["auth_time"] = int(family.signed_in_at.timestamp())
    if family.nonce:
        claims["nonce"] = family.nonce
    if "fhirUser" in family.scopes:
        claims["fhirUser"] = f"{authorization.base_url}/{user.actor}"
    return await authorization.keys.sign(ID_TOKEN_ALGORITHM, claims, "JWT")
