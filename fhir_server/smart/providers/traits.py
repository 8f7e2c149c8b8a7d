"""The traits of an identity: by all of them, never by a name alone, a person who signs in elsewhere is a patient here.

Spec: INS (birth name, first birth given name, birth date, sex, INSEE code of the place of birth), RNIV 1;
https://openid.net/specs/openid-connect-core-1_0.html#StandardClaims, with FranceConnect's birthplace and birthcountry
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

import msgspec

BIRTH_PLACE = "http://hl7.org/fhir/StructureDefinition/patient-birthPlace"
INSEE_CODE = "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-address-insee-code"
INS_SYSTEMS = tuple(f"urn:oid:1.2.250.1.213.1.4.{arc}" for arc in (8, 9, 10, 11))
"""The national identifier: only a qualified identity carries it."""

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_PLACE = re.compile(r"[0-9][0-9AB][0-9]{3}", re.ASCII)


class Traits(msgspec.Struct, frozen=True):
    """The five traits, in the form in which they are compared; `birth_place` is an INSEE code."""

    family: str
    given: str
    birth_date: str
    gender: str
    birth_place: str


def traits_of_claims(claims: Mapping[str, Any]) -> Traits | None:
    """Return the traits that a provider tells; None when one is missing or unreadable.

    Who was born abroad has no birthplace but a birthcountry, which the INS takes for the place.
    """
    place = str(claims.get("birthplace") or claims.get("birthcountry") or "")
    return _traits(
        str(claims.get("family_name", "")),
        str(claims.get("given_name", "")).partition(" ")[0],
        str(claims.get("birthdate", "")),
        str(claims.get("gender", "")),
        place,
    )


def traits_of_patient(patient: Mapping[str, Any]) -> Traits | None:
    """Return the traits of a Patient with a qualified identity; None when one is missing."""
    if not any(one.get("system") in INS_SYSTEMS for one in patient.get("identifier", ())):
        return None
    name: dict[str, Any] = next((one for one in patient.get("name", ()) if one.get("use") == "official"), {})
    given = next(iter(name.get("given", ())), "")
    place = _birth_place(patient)
    return _traits(
        name.get("family", ""), given.partition(" ")[0], patient.get("birthDate", ""), patient.get("gender", ""), place
    )


def _traits(family: str, given: str, birth_date: str, gender: str, birth_place: str) -> Traits | None:
    traits = Traits(_plain(family), _plain(given), birth_date, gender, birth_place.upper())
    is_whole = traits.family and traits.given and gender in ("female", "male")
    is_readable = _DATE.fullmatch(birth_date) is not None and _PLACE.fullmatch(traits.birth_place) is not None
    return traits if is_whole and is_readable else None


def _plain(name: str) -> str:
    """Return a name as the INS compares it: capitals without accents, words parted by a space."""
    decomposed = unicodedata.normalize("NFKD", name.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae"))
    letters = "".join(letter for letter in decomposed if not unicodedata.combining(letter))
    return " ".join(re.sub(r"[^A-Z]+", " ", letters.upper()).split())


def _birth_place(patient: Mapping[str, Any]) -> str:
    for extension in patient.get("extension", ()):
        if extension.get("url") != BIRTH_PLACE:
            continue
        for inner in extension.get("valueAddress", {}).get("extension", ()):
            if inner.get("url") == INSEE_CODE:
                return str(inner.get("valueCoding", {}).get("code", ""))
    return ""
