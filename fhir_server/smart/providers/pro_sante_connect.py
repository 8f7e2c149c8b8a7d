"""Pro Santé Connect: the sign-in of French health professionals, and what its claims say of them.

Spec: https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect (OpenID Connect, scope_all)
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.smart.outside import Outside
from fhir_server.smart.providers import SignInRefused
from fhir_server.smart.providers.openid import OpenIdSettings
from fhir_server.smart.users import User

NAME = "pro-sante-connect"
_STRUCTURES = (
    "numeroFinessSite",
    "numeroFinessetablissementJuridique",
    "numeroSiretSite",
    "identifiantTechniqueDeLaStructure",
)


def pro_sante_connect(issuer: str, client_id: str, client_secret: str, discovery_url: str = "") -> OpenIdSettings:
    """Return the settings of Pro Santé Connect; an id_token without `acr` counts as eidas1, any other is refused."""
    return OpenIdSettings(
        name=NAME,
        display="Pro Santé Connect",
        issuer=issuer,
        client_id=client_id,
        client_secret=client_secret,
        scope="openid scope_all",
        acr_values=("eidas1",),
        discovery_url=discovery_url,
    )


async def professional_of(claims: Mapping[str, Any], outside: Outside) -> User:
    """Return the professional whom the claims name; raises SignInRefused when he is not in our directory.

    SubjectNameID is his national identifier (8 and the RPPS number), by which his Practitioner is found.
    """
    national_id = str(claims.get("SubjectNameID", ""))
    actor = await outside.practitioner_of(national_id) if outside.practitioner_of and national_id else ""
    if not actor:
        raise SignInRefused(reason="unknown_professional")
    organizations = await _organizations(claims, outside)
    names = (str(claims.get(name, "")).strip() for name in ("given_name", "family_name"))
    return User(
        user_id="",
        login=f"{NAME}:{national_id}",
        kind="professional",
        actor=actor,
        display=" ".join(name for name in names if name) or national_id,
        profession=_profession(claims),
        organizations=organizations,
        national_id=national_id,
        sector=str(claims.get("Secteur_Activite", "")).partition("^")[0],
        is_regulator=str(claims.get("Acces_Regulation_Medicale", "")).upper() == "VRAI",
    )


def _profession(claims: Mapping[str, Any]) -> str:
    """Return the profession that was chosen at sign-in (SubjectRole), or the only one that he practises."""
    roles = claims.get("SubjectRole")
    first = roles[0] if isinstance(roles, list) and roles else roles
    if isinstance(first, str) and first:
        return first.partition("^")[0]
    codes = {str(practice.get("codeProfession", "")) for practice in _practices(claims)} - {""}
    return codes.pop() if len(codes) == 1 else ""


async def _organizations(claims: Mapping[str, Any], outside: Outside) -> tuple[str, ...]:
    if outside.organization_of is None:
        return ()
    chosen = str(claims.get("SubjectOrganizationID", ""))
    found = [await outside.organization_of(chosen)] if chosen else []
    for activity in (activity for practice in _practices(claims) for activity in _list(practice, "activities")):
        for identifier in (str(activity.get(name) or "") for name in _STRUCTURES):
            if identifier and (reference := await outside.organization_of(identifier)):
                found.append(reference)
                break
    return tuple(dict.fromkeys(reference for reference in found if reference))


def _practices(claims: Mapping[str, Any]) -> list[dict[str, Any]]:
    known = claims.get("SubjectRefPro")
    return _list(known, "exercices") if isinstance(known, dict) else []


def _list(holder: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    items = holder.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
