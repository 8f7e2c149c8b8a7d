"""The resources that the worlds of the leak prover are made of; all of it is fictive."""

from typing import Any, Final

from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.relations.codes import RECORD_CONSENT_SYSTEM

Resource = dict[str, Any]
LOINC: Final = "http://loinc.org"
FORM: Final = "http://example.org/Questionnaire/form"


def observation(name: str, patient_id: str, code: str, value: int, **elements: Any) -> Resource:
    """Return a result; its value is its day in January 2025 too."""
    return {
        "resourceType": "Observation",
        "id": name,
        "text": _narrative(f"result {code} of {value}"),
        "status": "final",
        "identifier": [{"system": "urn:lab", "value": name}],
        "category": [{"coding": [{"system": "urn:category", "code": "laboratory"}]}],
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "performer": [{"reference": "Practitioner/other"}],
        "effectiveDateTime": f"2025-01-{value:02}",
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mg"},
        **elements,
    }


def document(name: str, patient_id: str, title: str, label: str = "", **elements: Any) -> Resource:
    """Return a document that points at a Binary and contains whom it was authenticated by."""
    labels = {"securityLabel": [{"coding": [{"system": VISIBILITY_SYSTEM, "code": label}]}]} if label else {}
    return {
        "resourceType": "DocumentReference",
        "id": name,
        "status": "current",
        "contained": [{"resourceType": "Practitioner", "id": "c", "name": [{"family": f"Contenu-{title}"}]}],
        "description": title,
        "subject": {"reference": f"Patient/{patient_id}"},
        "author": [{"reference": "Practitioner/other"}],
        "authenticator": {"reference": "#c"},
        "content": [{"attachment": {"contentType": "text/plain", "url": f"Binary/{name}-binary"}}],
        **labels,
        **elements,
    }


def with_document(name: str, patient_id: str, code: str, value: int, label: str = "") -> list[Resource]:
    """Return a document with all that comes with it: bytes, result, composition, provenance, submission set."""
    source = {"meta": {"source": f"DocumentReference/{name}"}}
    composition = {
        "resourceType": "Composition",
        "id": f"{name}-composition",
        "status": "final",
        "type": {"coding": [{"system": LOINC, "code": "11502-2"}]},
        "subject": {"reference": f"Patient/{patient_id}"},
        "date": f"2025-01-{value:02}",
        "author": [{"reference": "Practitioner/other"}],
        "title": code,
        "section": [{"title": "x", "entry": [{"reference": f"Observation/{name}-result"}]}],
    }
    return [
        document(name, patient_id, code, label),
        {"resourceType": "Binary", "id": f"{name}-binary", "contentType": "text/plain", "data": "AAAA"},
        observation(f"{name}-result", patient_id, code, value, **source),
        {**composition, **source},
        {
            "resourceType": "Provenance",
            "id": f"{name}-provenance",
            "target": [{"reference": f"DocumentReference/{name}"}, {"reference": f"Observation/{name}-result"}],
            "recorded": "2025-01-01T00:00:00Z",
            "agent": [{"who": {"reference": "Practitioner/other"}}],
        },
        {
            "resourceType": "List",
            "id": f"{name}-list",
            "status": "current",
            "mode": "working",
            "subject": {"reference": f"Patient/{patient_id}"},
            "entry": [{"item": {"reference": f"DocumentReference/{name}"}}],
        },
    ]


def answers(name: str, patient_id: str) -> Resource:
    """Return the answers of a patient to the questionnaire of every world, which they name by URL."""
    return {
        "resourceType": "QuestionnaireResponse",
        "id": name,
        "status": "completed",
        "questionnaire": f"{FORM}|1",
        "subject": {"reference": f"Patient/{patient_id}"},
    }


def patient(patient_id: str, name: str, **elements: Any) -> Resource:
    """Return a patient whose attending doctor is Practitioner/doctor."""
    return {
        "resourceType": "Patient",
        "id": patient_id,
        "identifier": [{"system": "urn:oid:1.2.250.1.213.1.4.8", "value": f"ins-{patient_id}"}],
        "name": [{"family": name}],
        "generalPractitioner": [{"reference": "Practitioner/doctor"}],
        **elements,
    }


def mother(name: str, patient_id: str) -> Resource:
    """Return who represents a patient while he is a minor."""
    role = {"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}
    return {
        "resourceType": "RelatedPerson",
        "id": name,
        "patient": {"reference": f"Patient/{patient_id}"},
        "relationship": [{"coding": [role]}],
    }


def care_team(name: str, patient_id: str, practitioner: str) -> Resource:
    """Return a care team of one member."""
    return {
        "resourceType": "CareTeam",
        "id": name,
        "status": "active",
        "subject": {"reference": f"Patient/{patient_id}"},
        "participant": [{"member": {"reference": practitioner}}],
    }


def block(name: str, patient_id: str, practitioner: str) -> Resource:
    """Return the consent by which a patient blocks a professional."""
    return {
        "resourceType": "Consent",
        "id": name,
        "status": "active",
        "scope": {"coding": [{"code": "patient-privacy"}]},
        "category": [{"text": "access"}],
        "patient": {"reference": f"Patient/{patient_id}"},
        "policyRule": {"text": "law"},
        "provision": {
            "type": "deny",
            "actor": [{"role": {"text": "professional"}, "reference": {"reference": practitioner}}],
        },
    }


def record_consent(name: str, patient_id: str, category: str, provision: Resource) -> Resource:
    """Return a consent about the whole record, by its category."""
    return {**block(name, patient_id, "Practitioner/other"), "category": [_coded(category)], "provision": provision}


def _coded(code: str) -> Resource:
    return {"coding": [{"system": RECORD_CONSENT_SYSTEM, "code": code}]}


def _narrative(words: str) -> Resource:
    return {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{words}</div>'}


POINTING: Final[Resource] = {
    "resourceType": "Composition",
    "id": "v-pointing",
    "status": "final",
    "type": {"coding": [{"system": LOINC, "code": "11502-2"}]},
    "subject": {"reference": "Patient/1"},
    "date": "2025-01-01",
    "author": [{"reference": "Practitioner/other"}],
    "title": "pointing",
    "section": [
        {"title": "x", "entry": [{"reference": "Observation/h-alone"}, {"reference": "Observation/v-document-result"}]}
    ],
}
"""A visible item that refers to a hidden one: what it refers to looks as if it did not exist."""

READS_MEASUREMENTS: Final = {
    "actor": [{"role": {"text": "app"}, "reference": {"reference": "Device/tracker"}}],
    "provision": [
        {
            "type": "permit",
            "action": [_coded("read")],
            "class": [{"system": RECORD_CONSENT_SYSTEM, "code": "measurements"}],
        }
    ],
}

COMMON: Final[list[Resource]] = [
    {"resourceType": "Practitioner", "id": "doctor", "name": [{"family": "Fictif"}]},
    {"resourceType": "Practitioner", "id": "other", "name": [{"family": "Autre"}]},
    {
        "resourceType": "Location",
        "id": "here",
        "name": "Ici",
        "position": {"latitude": 48.85, "longitude": 2.35},
    },
    {"resourceType": "Questionnaire", "id": "form", "status": "active", "url": FORM, "version": "1"},
    patient("1", "Martin"),
    care_team("team", "1", "Practitioner/doctor"),
]
"""What every world holds."""
