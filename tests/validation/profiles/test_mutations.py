"""Twenty kinds of mistake in three resources of the French profiles, each found where it was made."""

import copy
import re
from pathlib import Path
from typing import Any, Final

import pytest

from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.packages import Packages
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from fhir_server.validation.texts import STRUCTURE

FR: Final = "https://hl7.fr/ig/fhir/core/StructureDefinition/"
PDSM: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/"
MOS: Final = "https://mos.esante.gouv.fr/NOS/"
FR_0203: Final = "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0203"
DROP: Final = object()

PATIENT: Final[dict[str, Any]] = {
    "resourceType": "Patient",
    "meta": {"profile": [FR + "fr-core-patient-ins"]},
    "extension": [
        {
            "url": "http://hl7.org/fhir/StructureDefinition/patient-birthPlace",
            "valueAddress": {
                "city": "Paris",
                "extension": [
                    {
                        "url": FR + "fr-core-address-insee-code",
                        "valueCoding": {"system": MOS + "TRE_R13-CommuneOM/FHIR/TRE-R13-CommuneOM", "code": "75056"},
                    }
                ],
            },
        },
        {
            "url": FR + "fr-core-identity-reliability",
            "extension": [
                {
                    "url": "identityStatus",
                    "valueCoding": {
                        "system": "https://hl7.fr/ig/fhir/core/CodeSystem/fr-core-cs-v2-0445",
                        "code": "VALI",
                    },
                }
            ],
        },
    ],
    "identifier": [
        {
            "use": "official",
            "type": {"coding": [{"system": FR_0203, "code": "INS-NIR"}]},
            "system": "urn:oid:1.2.250.1.213.1.4.8",
            "value": "260058815400233",
        }
    ],
    "name": [
        {
            "use": "official",
            "family": "DUPONT",
            "given": ["Anne"],
            "extension": [{"url": FR + "fr-core-patient-birth-list-given-name", "valueString": "Anne Zoé"}],
        }
    ],
    "telecom": [{"system": "phone", "value": "0102030405"}],
    "contact": [{"name": {"family": "DURAND"}}],
    "gender": "female",
    "birthDate": "1960-05-08",
}

OBSERVATION: Final[dict[str, Any]] = {
    "resourceType": "Observation",
    "meta": {"profile": [FR + "fr-core-observation-body-weight"]},
    "status": "final",
    "category": [
        {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}]}
    ],
    "code": {"coding": [{"system": "http://loinc.org", "code": "29463-7"}]},
    "subject": {"reference": "Patient/1"},
    "effectiveDateTime": "2024-03-01T10:00:00+01:00",
    "valueQuantity": {"value": 70, "unit": "kg", "system": "http://unitsofmeasure.org", "code": "kg"},
    "referenceRange": [{"low": {"value": 50}}],
    "component": [{"code": {"text": "x"}, "valueString": "y"}],
}


def coded(name: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": f"{MOS}{name}/FHIR/{name.replace('_', '-')}", "code": code}]}


DOCUMENT: Final[dict[str, Any]] = {
    "resourceType": "DocumentReference",
    "meta": {"profile": [PDSM + "pdsm-comprehensive-document-reference"]},
    "contained": [
        {
            "resourceType": "Patient",
            "id": "p",
            "identifier": [{"system": "urn:oid:1.2.3", "value": "1"}],
            "name": [{"family": "DUPONT"}],
        }
    ],
    "masterIdentifier": {
        "use": "usual",
        "system": "urn:ietf:rfc:3986",
        "value": "urn:uuid:12345678-abcd-1234-abcd-1234567890ab",
    },
    "status": "current",
    "type": {"coding": [{"system": "http://loinc.org", "code": "34133-9"}]},
    "category": [coded("TRE_A03-ClasseDocument", "10")],
    "subject": {"reference": "Patient/1"},
    "date": "2025-04-29T12:00:00+01:00",
    "author": [{"reference": "#p"}],
    "custodian": {"reference": "Organization/1"},
    "securityLabel": [coded("TRE_A07-StatusVisibiliteDocument", "N")],
    "content": [
        {
            "attachment": {
                "contentType": "application/pdf",
                "language": "fr-FR",
                "url": "Binary/6789",
                "size": 345678,
                "hash": "2jmj7l5rSw0yVb/vlWAYkK/YBwk=",
                "title": "CR",
                "creation": "2025-04-25T09:30:00+01:00",
            },
            "format": coded("TRE_A11-IheFormatCode", "urn:ihe:lab:xd-lab:2008")["coding"][0],
        }
    ],
    "context": {
        "period": {"start": "2025-04-20T08:00:00+01:00"},
        "facilityType": coded("TRE_R02-SecteurActivite", "SA01"),
        "practiceSetting": coded("TRE_A01-CadreExercice", "ETABLISSEMENT"),
        "sourcePatientInfo": {"reference": "#p"},
    },
}


def change(resource: dict[str, Any], place: str, value: Any) -> dict[str, Any]:
    """Return a copy with a value put at a place such as `name[0].family`, or with that place dropped."""
    changed = copy.deepcopy(resource)
    *steps, last = [int(step) if step.isdigit() else step for step in re.findall(r"\w+", place)]
    node: Any = changed
    for step in steps:
        node = node[step]
    if value is DROP:
        del node[last]
    elif isinstance(node, list) and last == len(node):
        node.append(value)
    else:
        node[last] = value
    return changed


CASES: Final[list[tuple[dict[str, Any], str, Any, str, str]]] = [
    (PATIENT, "birthDate", DROP, "minimum", "Patient.birthDate"),
    (PATIENT, "gender", DROP, "minimum", "Patient.gender"),
    (PATIENT, "name", DROP, "minimum", "Patient.name"),
    (PATIENT, "identifier", DROP, "minimum", "Patient.identifier"),
    (PATIENT, "extension[0]", DROP, "minimum", "Patient.extension"),
    (PATIENT, "name[0].use", "usual", "minimum", "Patient.name"),
    (PATIENT, "name[0].family", DROP, "minimum", "Patient.name[0].family"),
    (PATIENT, "name[0].given", DROP, "minimum", "Patient.name[0].given"),
    (PATIENT, "name[0].extension", DROP, "minimum", "Patient.name[0].extension"),
    (PATIENT, "identifier[0].system", "urn:oid:1.2.3", "pattern", "Patient.identifier[0].system"),
    (PATIENT, "identifier[0].value", DROP, "minimum", "Patient.identifier[0].value"),
    (PATIENT, "identifier[0].use", "secondary", "invariant", "Patient"),
    (PATIENT, "identifier[0].use", DROP, "minimum", "Patient.identifier[0].use"),
    (PATIENT, "birthDate", "08/05/1960", "structure", "Patient.birthDate"),
    (PATIENT, "gender", "F", "structure", "Patient.gender"),
    (PATIENT, "telecom[0].system", DROP, "invariant", "Patient.telecom[0]"),
    (PATIENT, "contact[0].name", {"familyName": "x"}, "structure", "Patient.contact[0].name.familyName"),
    (PATIENT, "extension[0].valueAddress.extension", DROP, "minimum", "Patient.extension[0].value.extension"),
    (PATIENT, "extension[1].extension[0].url", "status", "extension-part", "Patient.extension[1].extension[0]"),
    (PATIENT, "extension[1].extension[0].valueCoding", DROP, "structure", "Patient.extension[1].extension[0]"),
    (PATIENT, "name[1]", {"use": "official", "family": "X", "given": ["Y"]}, "minimum", "Patient.name[1].extension"),
    (PATIENT, "contact[0]", {"gender": "female"}, "invariant", "Patient.contact[0]"),
    (
        PATIENT,
        "extension[2]",
        {"url": FR + "fr-core-address-insee-code", "valueCoding": {"code": "1"}},
        "extension-context",
        "Patient.extension[2]",
    ),
    (
        PATIENT,
        "generalPractitioner",
        [{"reference": "Patient/1"}],
        "structure",
        "Patient.generalPractitioner[0].reference",
    ),
    (PATIENT, "multipleBirthString", "x", "structure", "Patient.multipleBirthString"),
    (PATIENT, "meta.profile[0]", FR + "fr-core-observation-bp", "profile-other-type", "Patient"),
    (PATIENT, "nom", "x", "structure", "Patient.nom"),
    (OBSERVATION, "status", DROP, "structure", "Observation.status"),
    (OBSERVATION, "status", "done", "structure", "Observation.status"),
    (OBSERVATION, "category", DROP, "minimum", "Observation.category"),
    (OBSERVATION, "category[0].coding[0].code", "laboratory", "minimum", "Observation.category"),
    (OBSERVATION, "code", DROP, "structure", "Observation.code"),
    (OBSERVATION, "code.coding[0].code", "8480-6", "minimum", "Observation.code.coding"),
    (OBSERVATION, "code.coding[0].system", "urn:x", "minimum", "Observation.code.coding"),
    (OBSERVATION, "subject", DROP, "minimum", "Observation.subject"),
    (OBSERVATION, "subject.reference", "Group/1", "target-type", "Observation.subject"),
    (OBSERVATION, "subject.reference", "#p", "structure", "Observation.subject.reference"),
    (OBSERVATION, "effectiveDateTime", DROP, "minimum", "Observation.effective"),
    (OBSERVATION, "effectiveDateTime", "2024-13-01", "structure", "Observation.effective"),
    (OBSERVATION, "effectiveInstant", "2024-03-01T10:00:00Z", "structure", "Observation.effective"),
    (OBSERVATION, "valueQuantity.code", DROP, "minimum", "Observation.value.code"),
    (OBSERVATION, "valueQuantity.value", DROP, "minimum", "Observation.value.value"),
    (OBSERVATION, "valueQuantity.system", "urn:x", "fixed", "Observation.value.system"),
    (OBSERVATION, "valueString", "x", "structure", "Observation.value"),
    (OBSERVATION, "dataAbsentReason", {"text": "x"}, "invariant", "Observation"),
    (OBSERVATION, "referenceRange[0]", {"age": {"low": {"value": 1}}}, "invariant", "Observation.referenceRange[0]"),
    (OBSERVATION, "component[0].code", DROP, "structure", "Observation.component[0].code"),
    (OBSERVATION, "component[0].valueString", DROP, "invariant", "Observation.component[0]"),
    (OBSERVATION, "component[0].valueInteger", 1, "structure", "Observation.component[0].value"),
    (OBSERVATION, "performer", [{"reference": "Location/1"}], "structure", "Observation.performer[0].reference"),
    (OBSERVATION, "hasMember", [{"reference": "Patient/1"}], "structure", "Observation.hasMember[0].reference"),
    (
        OBSERVATION,
        "component[0].code.coding",
        [{"system": "http://loinc.org", "code": "29463-7"}],
        "invariant",
        "Observation",
    ),
    (OBSERVATION, "encounter", [{"reference": "Encounter/1"}], "structure", "Observation.encounter"),
    (DOCUMENT, "masterIdentifier", DROP, "minimum", "DocumentReference.masterIdentifier"),
    (DOCUMENT, "status", DROP, "structure", "DocumentReference.status"),
    (DOCUMENT, "status", "final", "structure", "DocumentReference.status"),
    (DOCUMENT, "docStatus", "final", "maximum", "DocumentReference.docStatus"),
    (DOCUMENT, "type", DROP, "minimum", "DocumentReference.type"),
    (DOCUMENT, "category", DROP, "minimum", "DocumentReference.category"),
    (
        DOCUMENT,
        "category[1]",
        {
            "coding": [
                {
                    "system": "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument",
                    "code": "11",
                }
            ]
        },
        "maximum",
        "DocumentReference.category[1]",
    ),
    (DOCUMENT, "subject", DROP, "minimum", "DocumentReference.subject"),
    (DOCUMENT, "subject.reference", "Group/1", "target-type", "DocumentReference.subject"),
    (DOCUMENT, "date", DROP, "minimum", "DocumentReference.date"),
    (DOCUMENT, "date", "2025-04-29", "structure", "DocumentReference.date"),
    (DOCUMENT, "author", DROP, "minimum", "DocumentReference.author"),
    (DOCUMENT, "author[0].reference", "Practitioner/1", "aggregation", "DocumentReference.author[0]"),
    (DOCUMENT, "author[0].reference", "#q", "structure", "DocumentReference.author[0].reference"),
    (DOCUMENT, "custodian", DROP, "minimum", "DocumentReference.custodian"),
    (DOCUMENT, "custodian.reference", "Patient/1", "structure", "DocumentReference.custodian.reference"),
    (DOCUMENT, "securityLabel", DROP, "minimum", "DocumentReference.securityLabel"),
    (DOCUMENT, "content[0].format", DROP, "minimum", "DocumentReference.content[0].format"),
    (DOCUMENT, "content[0].attachment.hash", DROP, "minimum", "DocumentReference.content[0].attachment.hash"),
    (DOCUMENT, "content[0].attachment.size", DROP, "minimum", "DocumentReference.content[0].attachment.size"),
    (DOCUMENT, "content[0].attachment.title", DROP, "minimum", "DocumentReference.content[0].attachment.title"),
    (DOCUMENT, "content[0].attachment.data", "AAAA", "maximum", "DocumentReference.content[0].attachment.data"),
    (DOCUMENT, "content[0].attachment.url", DROP, "minimum", "DocumentReference.content[0].attachment.url"),
    (DOCUMENT, "context", DROP, "minimum", "DocumentReference.context"),
    (DOCUMENT, "context.period", DROP, "minimum", "DocumentReference.context.period"),
    (DOCUMENT, "context.facilityType", DROP, "minimum", "DocumentReference.context.facilityType"),
    (DOCUMENT, "context.sourcePatientInfo", DROP, "minimum", "DocumentReference.context.sourcePatientInfo"),
    (PATIENT, "name[1]", PATIENT["name"][0], "maximum", "Patient.name[1]"),
    (DOCUMENT, "content[1]", DOCUMENT["content"][0], "maximum", "DocumentReference.content[1]"),
]


@pytest.fixture(scope="module")
def french(shared: Path) -> Environment:
    names = ("hl7.fhir.r4.core-4.0.1", "hl7.fhir.fr.core-2.2.0", "ans.fhir.fr.pdsm-3.1.1", "ans.fhir.fr.annuaire-1.2.0")
    folder = shared / "data/fhir-packages"
    paths = [path for name in names for path in folder.glob(f"{name}*.tgz")]
    return Environment(Profiles(Packages(paths).resolve))


def errors(resource: dict[str, Any], environment: Environment) -> list[tuple[str, str]]:
    issues = validate_profiles(resource, [], environment)
    return [(name_of(issue), issue.expression[0]) for issue in issues if issue.severity == "error"]


def name_of(issue: Issue) -> str:
    """The id of the message; "structure" for all that the door says."""
    return "structure" if issue.message_id in STRUCTURE else issue.message_id


@pytest.mark.parametrize(
    "resource", [PATIENT, OBSERVATION, DOCUMENT], ids=lambda resource: str(resource["resourceType"])
)
def test_the_resources_are_right_to_start_with(french: Environment, resource: dict[str, Any]) -> None:
    assert errors(resource, french) == []


@pytest.mark.parametrize(("resource", "place", "value", "message_id", "expression"), CASES)
def test_a_mistake_is_found_where_it_is(
    french: Environment, resource: dict[str, Any], place: str, value: Any, message_id: str, expression: str
) -> None:
    assert (message_id, expression) in errors(change(resource, place, value), french)
