"""Pro Santé Connect: the sign-in of French health professionals, and what its claims say of them.

Spec: https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect (OpenID Connect, scope_all)
"""

from collections.abc import Mapping
from typing import Any

from fhir_server.smart.outside import Kept, Outside
from fhir_server.smart.providers import SignInRefused
from fhir_server.smart.providers.directory_entry import activities, entry_of, exercises
from fhir_server.smart.providers.openid import OpenIdSettings
from fhir_server.smart.users import User

NAME = "pro-sante-connect"
_STRUCTURES = (
    "numeroFinessSite",
    "numeroFinessetablissementJuridique",
    "numeroSiretSite",
    "identifiantTechniqueDeLaStructure",
)


def pro_sante_connect(
    issuer: str, client_id: str, client_secret: str, discovery_url: str = "", *, is_directory_fed: bool = True
) -> OpenIdSettings:
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
        is_directory_fed=is_directory_fed,
    )


async def professional_of(claims: Mapping[str, Any], outside: Outside, *, is_directory_fed: bool = False) -> User:
    """Return the professional whom the claims name; raises SignInRefused when he is not in our directory.

    SubjectNameID is his national identifier (8 and the RPPS number), by which his Practitioner is found, or made when
    `is_directory_fed`, with the places where he works.
    Choice: who is added that way reaches no record by it: the care relation and the matrix decide.
    """
    national_id = str(claims.get("SubjectNameID", ""))
    kept = await _kept(claims, outside) if is_directory_fed else None
    if kept is None:
        actor = await outside.practitioner_of(national_id) if outside.practitioner_of and national_id else ""
        kept = Kept(actor, await _organizations(claims, outside))
    if not kept.actor:
        raise SignInRefused(reason="unknown_professional")
    names = (str(claims.get(name, "")).strip() for name in ("given_name", "family_name"))
    return User(
        user_id="",
        login=f"{NAME}:{national_id}",
        kind="professional",
        actor=kept.actor,
        display=" ".join(name for name in names if name) or national_id,
        profession=_profession(claims),
        organizations=(*kept.places, *kept.roles),
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
    codes = {str(practice.get("codeProfession", "")) for practice in exercises(claims)} - {""}
    return codes.pop() if len(codes) == 1 else ""


async def _kept(claims: Mapping[str, Any], outside: Outside) -> Kept | None:
    """Bring the directory up to date with the claims; None when they do not say who he is, or nothing keeps them."""
    entry = entry_of(claims)
    return await outside.keep_professional(entry) if entry is not None and outside.keep_professional else None


async def _organizations(claims: Mapping[str, Any], outside: Outside) -> tuple[str, ...]:
    if outside.organization_of is None:
        return ()
    chosen = str(claims.get("SubjectOrganizationID", ""))
    found = [await outside.organization_of(chosen)] if chosen else []
    for activity in (activity for practice in exercises(claims) for activity in activities(practice)):
        for identifier in (str(activity.get(name) or "") for name in _STRUCTURES):
            if identifier and (reference := await outside.organization_of(identifier)):
                found.append(reference)
                break
    return tuple(dict.fromkeys(reference for reference in found if reference))
