"""The names of one system: the OID by which CDA and XDS know it, and the URL by which FHIR does.

Spec: terminologies-systems.html, namingsystem.html, https://mos.esante.gouv.fr/NOS (TRE)
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Final

from fhir_server.terminology.definitions import system_oids

OID: Final = "urn:oid:"
_TRE: Final = "https://mos.esante.gouv.fr/NOS/{0}/FHIR/{1}"
_FRENCH: Final = {
    "1.2.250.1.71.1.2.7": "TRE_G15-ProfessionSante",
    "1.2.250.1.71.4.2.4": "TRE_R02-SecteurActivite",
    "1.2.250.1.71.4.2.5": "TRE_R01-EnsembleSavoirFaire-CISIS",
    "1.2.250.1.213.1.1.4.5": "TRE_A02-ProfessionSavFaire-CISIS",
    "1.2.250.1.213.1.1.4.6": "TRE_A00-ProducteurDocNonPS",
    "1.2.250.1.213.1.1.4.9": "TRE_A01-CadreExercice",
    "1.2.250.1.213.1.1.4.12": "TRE_A05-TypeDocComplementaire",
    "1.2.250.1.213.1.1.4.13": "TRE_A07-StatutVisibiliteDocument",
}
"""French reference tables. Choice: those of documents alone are told here; NamingSystems that are stored add others."""
_SPECIFIED: Final = {
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.3": "http://hl7.org/fhir/sid/icd-10",
    "2.16.840.1.113883.6.8": "http://unitsofmeasure.org",
    "2.16.840.1.113883.6.73": "http://www.whocc.no/atc",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.6.254": "http://hl7.org/fhir/sid/icf",
    "2.16.840.1.113883.6.121": "urn:ietf:bcp:47",
    "1.2.840.10008.2.16.4": "http://dicom.nema.org/resources/ontology/DCM",
    "0.4.0.127.0.16.1.1.2.1": "http://standardterms.edqm.eu",
    "1.0.3166.1.2.2": "urn:iso:std:iso:3166",
}
"""Systems whose URL the specification tells (terminologies-systems.html), beside those that it defines itself."""


@cache
def known_systems() -> Mapping[str, str]:
    """Return OID -> URL of the systems that are known without any resource."""
    french = {oid: _TRE.format(name, name.replace("_", "-")) for oid, name in _FRENCH.items()}
    return {**system_oids(), **_SPECIFIED, **french}


def systems_of(naming_systems: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return OID -> URL as NamingSystem resources tell; the preferred URL when there are several."""
    found: dict[str, str] = {}
    for resource in naming_systems:
        names = resource.get("uniqueId", ())
        urls = [name for name in names if name.get("type") == "uri" and not name["value"].startswith(OID)]
        urls.sort(key=lambda name: name.get("preferred") is not True)
        for name in names:
            if name.get("type") == "oid" and urls:
                found[name["value"].removeprefix(OID)] = urls[0]["value"]
    return found


def systems_of_code_systems(code_systems: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """Return OID -> URL as the identifiers of CodeSystem resources tell."""
    return {
        identifier["value"].removeprefix(OID): resource["url"]
        for resource in code_systems
        for identifier in resource.get("identifier", ())
        if str(identifier.get("value", "")).startswith(OID) and "url" in resource
    }


def system_url(system: str, systems: Mapping[str, str] | None = None) -> str:
    """Return the URL of a system that is named by its OID, or the name as it is; a `|version` is kept."""
    if not system.startswith(OID):
        return system
    oid, bar, version = system.removeprefix(OID).partition("|")
    found = (systems or {}).get(oid) or known_systems().get(oid)
    return system if found is None else f"{found}{bar}{version}"
