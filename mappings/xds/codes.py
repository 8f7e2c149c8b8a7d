"""Codes in XDS metadata to Codings and back. Source: IHE ITI TF-3, 4.2.3.1.2 (classification with a codingScheme)."""

from collections.abc import Iterable

from mappings.cda.vocabulary import system_uri
from mappings.fhir import Json, compact
from mappings.xds.ebrim import Classification, RegistryObject
from mappings.xds.hl7v2 import oid_of

CODING_SCHEME = "codingScheme"


def coding_of(one: Classification) -> Json:
    """Convert a classification to a Coding; a scheme that is no OID is kept as it is written."""
    scheme = next(iter(one.slots.get(CODING_SCHEME, ())), "")
    return compact({"system": system_uri(scheme) or scheme, "code": one.code, "display": one.name})


def concepts_of(entry: RegistryObject, scheme: str) -> list[Json]:
    """Convert each classification of one scheme to a CodeableConcept."""
    return [{"coding": [coding_of(one)]} for one in entry.classified(scheme) if one.code]


def classification_of(scheme: str, coding: Json) -> Classification:
    """Write a Coding as a classification; the coding scheme is the OID when one is known."""
    system = coding.get("system", "")
    slots = {CODING_SCHEME: (oid_of(system) or system,)}
    return Classification(scheme, str(coding.get("code", "")), str(coding.get("display", "")), slots)


def classifications_of(scheme: str, concepts: Iterable[Json]) -> list[Classification]:
    """Write the first Coding of each CodeableConcept: XDS has no translations."""
    return [
        classification_of(scheme, concept["coding"][0])
        for concept in concepts
        if concept.get("coding") and "code" in concept["coding"][0]
    ]
