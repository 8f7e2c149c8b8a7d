"""What Pro Santé Connect tells of a professional, as FHIR: who he is, and where and as what he works.

Spec: https://industriels.esante.gouv.fr/produits-et-services/pro-sante-connect (UserInfo),
https://hl7.fr/ig/fhir/core/ (fr-core-practitioner, fr-core-organization, fr-core-practitioner-role)
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

Resource = dict[str, Any]

PROFESSIONALS = "urn:oid:1.2.250.1.71.4.2.1"
RPPS = "https://rpps.esante.gouv.fr"
STRUCTURES = "urn:oid:1.2.250.1.71.4.2.2"
FINESS = "https://finess.esante.gouv.fr"
SIRET = "https://sirene.fr"
_TYPES = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
_PROFESSION = "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
_SPECIALTY = "https://mos.esante.gouv.fr/NOS/TRE_R38-SpecialiteOrdinale/FHIR/TRE-R38-SpecialiteOrdinale"
_NATIONAL = re.compile(r"8\d{11}|0[0-9A-Z]{9}", re.ASCII)
_RPPS_ID = re.compile(r"8\d{11}", re.ASCII)
_STRUCTURE = re.compile(r"[0-9A-Z]{5,40}", re.ASCII)

_KEYS: Mapping[str, Callable[[Resource], object]] = {
    "identifier": lambda one: (one.get("system"), one.get("value")),
    "name": lambda one: (str(one.get("family", "")).upper(), one.get("given", [])[:1]),
    "qualification": lambda one: [coding.get("code") for coding in one.get("code", {}).get("coding", ())],
}
"""By what two items of a list say the same, whatever else they say."""


class Practice(msgspec.Struct, frozen=True):
    """Where and as what he works: `role` has no references yet, `organization` is None when the place is not told."""

    role: Resource
    organization: Resource | None


class DirectoryEntry(msgspec.Struct, frozen=True):
    """A professional as the directory keeps him; every resource has an identifier by which it is found again.

    `roles_system` is the system of the identifiers of roles that this provider told.
    """

    practitioner: Resource
    practices: tuple[Practice, ...]
    roles_system: str


def professional_identifiers(national_id: str) -> list[Resource]:
    """Return the identifiers of a professional by his national number, IdNat_PS: 8 and the RPPS, 0 and the ADELI."""
    found = [_identifier("IDNPS", PROFESSIONALS, national_id)]
    if _RPPS_ID.fullmatch(national_id):
        found.append(_identifier("RPPS", RPPS, national_id[1:]))
    return found


def entry_of(claims: Mapping[str, Any]) -> DirectoryEntry | None:
    """Return what the claims say of the professional; None when his number is neither RPPS nor ADELI.

    Choice: these two are of persons whom the national directory knows; other numbers are those of structures.
    """
    national_id = str(claims.get("SubjectNameID", ""))
    if not _NATIONAL.fullmatch(national_id):
        return None
    practices = tuple(_practices(claims, national_id))
    professions = dict.fromkeys(code for one in exercises(claims) if (code := str(one.get("codeProfession") or "")))
    practitioner: Resource = {
        "resourceType": "Practitioner",
        "identifier": professional_identifiers(national_id),
        "active": True,
        "name": _names(claims),
        "qualification": [{"code": _concept(_PROFESSION, code)} for code in professions],
    }
    told = {name: value for name, value in practitioner.items() if value}
    return DirectoryEntry(told, practices, str(claims.get("iss", "")))


def exercises(claims: Mapping[str, Any]) -> list[Resource]:
    """Return his professional practices, `SubjectRefPro.exercices`."""
    known = claims.get("SubjectRefPro")
    return _list(known, "exercices") if isinstance(known, dict) else []


def merged(known: Resource, wanted: Resource) -> Resource:
    """Return a stored resource with what is wanted and it does not say; of a PractitionerRole all that is wanted."""
    if known["resourceType"] == "PractitionerRole":
        return {**known, **wanted}
    grown = {
        name: [*known.get(name, ()), *(one for one in items if not _is_said(known, name, one))]
        for name, items in wanted.items()
        if isinstance(items, list)
    }
    return {**wanted, **known, **grown}


def _is_said(known: Resource, name: str, item: Resource) -> bool:
    return any(_KEYS[name](one) == _KEYS[name](item) for one in known.get(name, ()))


def activities(exercise: Mapping[str, Any]) -> list[Resource]:
    """Return where he practises a profession, `activities`."""
    return _list(exercise, "activities")


def _practices(claims: Mapping[str, Any], national_id: str) -> Iterator[Practice]:
    told = set()
    for exercise in exercises(claims):
        for activity in activities(exercise):
            identifiers = _structure_identifiers(activity)
            place = str(identifiers[0]["value"]) if identifiers else ""
            profession = str(exercise.get("codeProfession") or "")
            value = f"{national_id}/{profession}/{place}"
            if value in told:
                continue
            told.add(value)
            role = _role(exercise, profession, _identifier("", str(claims.get("iss", "")), value))
            yield Practice(role, _organization(activity, identifiers, claims) if identifiers else None)


def _role(exercise: Resource, profession: str, identifier: Resource) -> Resource:
    specialty = str(exercise.get("codeSavoirFaire") or "")
    role: Resource = {"resourceType": "PractitionerRole", "identifier": [identifier], "active": True}
    if profession:
        role["code"] = [_concept(_PROFESSION, profession)]
    if specialty.startswith("SM"):
        role["specialty"] = [_concept(_SPECIALTY, specialty)]
    return role


def _organization(activity: Resource, identifiers: list[Resource], claims: Mapping[str, Any]) -> Resource:
    chosen = str(claims.get("SubjectOrganizationID") or "")
    is_chosen = chosen in {str(one["value"]) for one in identifiers} or not chosen
    name = str(activity.get("raisonSocialeSite") or (claims.get("SubjectOrganization") if is_chosen else "") or "")
    organization: Resource = {"resourceType": "Organization", "identifier": identifiers, "active": True}
    return {**organization, "name": name.strip()} if name.strip() else organization


def _structure_identifiers(activity: Resource) -> list[Resource]:
    """Return the identifiers of a place: by FINESS, else by SIRET, else the directory's own number."""
    finess = str(activity.get("numeroFinessSite") or activity.get("numeroFinessetablissementJuridique") or "")
    siret, technical = (
        str(activity.get(name) or "") for name in ("numeroSiretSite", "identifiantTechniqueDeLaStructure")
    )
    found = []
    if _STRUCTURE.fullmatch(finess):
        found += [_identifier("FINEG", FINESS, finess), _identifier("IDNST", STRUCTURES, f"1{finess}")]
    if _STRUCTURE.fullmatch(siret):
        found += [_identifier("SIRET", SIRET, siret), _identifier("IDNST", STRUCTURES, f"3{siret}")]
    if not found and _STRUCTURE.fullmatch(technical):
        found.append(_identifier("IDNST", STRUCTURES, technical))
    return found


def _names(claims: Mapping[str, Any]) -> list[Resource]:
    family, given = (str(claims.get(name) or "").strip() for name in ("family_name", "given_name"))
    name: Resource = {"use": "official", "family": family, "given": [given] if given else []}
    return [{part: value for part, value in name.items() if value}] if family or given else []


def _identifier(code: str, system: str, value: str) -> Resource:
    kind = {"type": {"coding": [{"system": _TYPES, "code": code}]}} if code else {}
    return {"use": "official", **kind, "system": system, "value": value}


def _concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def _list(holder: Mapping[str, Any], name: str) -> list[Resource]:
    items = holder.get(name)
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []
