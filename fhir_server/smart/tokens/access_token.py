"""The access token: a short-lived JWT that says who calls, for whom and with which scopes.

Spec: https://www.rfc-editor.org/rfc/rfc9068
"""

from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.access.grant import App, Grant, Scope
from fhir_server.access.scopes import parse_scopes
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import Client
from fhir_server.smart.keys import ACCESS_TOKEN_ALGORITHM
from fhir_server.smart.tokens.family import Family
from fhir_server.smart.users import User

_TYPE = "at+jwt"
THUMBPRINT = "x5t#S256"


class Claims(msgspec.Struct, frozen=True, omit_defaults=True):
    """The claims of an access token: `exp` and `iat` in seconds since 1970, `family` a family_id, `patient` an id."""

    iss: str
    aud: str
    sub: str
    client_id: str
    scope: str
    kind: str
    exp: int
    iat: int
    jti: str
    family: str
    actor: str = ""
    patient: str = ""
    profession: str = ""
    organizations: tuple[str, ...] = ()
    is_operator: bool = False
    purpose_of_use: str = ""
    reason: str = ""
    is_regulator: bool = False
    is_secret: bool = False
    cnf: dict[str, str] = {}

    @property
    def bound_to(self) -> str:
        """Return the thumbprint of the certificate that each use needs, "" for none. Spec: RFC 8705, section 3.1."""
        return self.cnf.get(THUMBPRINT, "")

    def grant(self, display: str, app: App | None = None) -> Grant:
        """Return what the token grants; `display` is the caller's name, which tokens do not carry."""
        return Grant(
            kind=self.kind,
            actor=self.actor,
            client_id=self.client_id,
            scopes=self._scopes(),
            user_id="" if self.kind == "system" else self.sub,
            patient_id=self.patient,
            organizations=self.organizations,
            profession=self.profession,
            is_operator=self.is_operator,
            expires_at=datetime.fromtimestamp(self.exp, UTC),
            display=display,
            purpose_of_use=self.purpose_of_use,
            reason=self.reason,
            is_regulator=self.is_regulator,
            is_secret=self.is_secret,
            app=app,
        )

    def _scopes(self) -> tuple[Scope, ...]:
        """Return the resource scopes; with `fhirUser`, also what reads the resource of the person himself.

        Choice: SMART lets the app learn about its user by that scope. A patient's own resource is no such thing: it is
        his record and his national identity, which he gives by a scope on Patient.
        """
        scopes = parse_scopes(self.scope)
        resource_type, _, resource_id = self.actor.partition("/")
        is_told = "fhirUser" in self.scope.split() and resource_type != "Patient"
        if not is_told or any(_covers_read(scope, resource_type) for scope in scopes):
            return scopes
        return (*scopes, Scope("user", resource_type, frozenset("r"), (("_id", resource_id),)))


def _covers_read(scope: Scope, resource_type: str) -> bool:
    return scope.resource_type in ("*", resource_type) and "r" in scope.interactions and not scope.query


def claims_of_user(family: Family, user: User) -> dict[str, Any]:
    """Return the claims that say which user calls."""
    return {
        "sub": user.user_id,
        "kind": user.kind,
        "actor": user.actor,
        "patient": family.patient_id,
        "profession": user.profession,
        "organizations": user.organizations,
        "purpose_of_use": family.context.purpose_of_use,
        "reason": family.context.reason,
        "is_regulator": user.is_regulator,
        "is_secret": family.context.is_secret,
    }


def claims_of_system(client: Client) -> dict[str, Any]:
    """Return the claims that say which backend service calls."""
    return {"sub": client.client_id, "kind": "system", "actor": client.actor, "is_operator": client.is_operator}


async def issue(
    authorization: Authorization,
    family: Family,
    scopes: tuple[str, ...],
    caller: dict[str, Any],
    longest_seconds: int = 0,
) -> dict[str, Any]:
    """Return the token response of a new access token, which ends with its family at the latest.

    `longest_seconds` 0: as the settings say for people's tokens.
    """
    now_seconds = authorization.now_seconds()
    left_seconds = int(family.expires_at.timestamp()) - now_seconds
    expires_in = min(longest_seconds or authorization.settings.access_token_seconds, left_seconds)
    claims = Claims(
        iss=authorization.issuer,
        aud=authorization.base_url,
        client_id=family.client_id,
        scope=" ".join(scopes),
        exp=now_seconds + expires_in,
        iat=now_seconds,
        jti=authorization.new_id(),
        family=family.family_id,
        cnf={THUMBPRINT: family.thumbprint} if family.thumbprint else {},
        **caller,
    )
    token = await authorization.keys.sign(ACCESS_TOKEN_ALGORITHM, msgspec.to_builtins(claims), _TYPE)
    return {"access_token": token, "token_type": "Bearer", "expires_in": expires_in, "scope": claims.scope}


async def decode(authorization: Authorization, token: str) -> Claims | None:
    """Return the claims of a token that we signed for this server and that did not expire, or None."""
    try:
        claims = msgspec.convert(await authorization.keys.verify(ACCESS_TOKEN_ALGORITHM, token, _TYPE), Claims)
    except ValueError:
        return None
    is_ours = claims.iss == authorization.issuer and claims.aud == authorization.base_url
    return claims if is_ours and claims.exp > authorization.now().timestamp() else None
