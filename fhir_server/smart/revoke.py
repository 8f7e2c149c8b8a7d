"""Token revocation: a client that no longer needs its tokens ends them, all that follow from that authorization.

Spec: https://www.rfc-editor.org/rfc/rfc7009
"""

from collections.abc import Iterable

from fhir_server.smart.authorization import Authorization
from fhir_server.smart.refusal import OAuthRefusal, required, single_values
from fhir_server.smart.tokens import access_token
from fhir_server.smart.tokens.family import Family, split


async def revoke(
    authorization: Authorization, pairs: Iterable[tuple[str, str]], authorization_header: str = ""
) -> None:
    """End the family of an access or refresh token; an unknown token is no error. Raises OAuthRefusal."""
    parameters = single_values(pairs)
    proof = await authorization.prove(parameters, authorization_header)
    family = await _family_of(authorization, required(parameters, "token"))
    if family is None:
        return
    if family.client_id != proof.client.client_id:
        raise OAuthRefusal("invalid_grant", "The token was given to another client.")
    await authorization.families.end(family.family_id)


async def _family_of(authorization: Authorization, token: str) -> Family | None:
    family = await authorization.families.get(split(token)[0])
    if family is not None:
        return family if family.generation_of(token) is not None else None
    claims = await access_token.decode(authorization, token)
    return None if claims is None else await authorization.families.get(claims.family)
