"""Submissions for tests: written by us, after PDSm 3.1.1."""

import base64
import copy
import hashlib
from typing import Any

Resource = dict[str, Any]
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
LIST_TYPES = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
SOURCE = {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}
IHE = "https://profiles.ihe.net/ITI/MHD/StructureDefinition"
INS = "urn:oid:1.2.250.1.213.1.4.8"
NUMBER = "279035121518989"
OTHER_NUMBER = "180015912300178"
RPPS = "https://rpps.esante.gouv.fr"
PDF = b"%PDF-1.7 Compte rendu de consultation"
VISIBILITY = "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
NORMAL = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "N"}]}


def label(code: str) -> Resource:
    return {"coding": [{"system": VISIBILITY, "code": code}]}


def patient(number: str = NUMBER, **more: Any) -> Resource:
    return {
        "resourceType": "Patient",
        "identifier": [{"use": "official", "system": INS, "value": number}],
        "active": True,
        "name": [{"use": "official", "family": "PATIENT", "given": ["Dominique"]}],
        "gender": "female",
        "birthDate": "1979-03-28",
        **more,
    }


def practitioner(number: str = "10101201234", family: str = "LECLERC", given: str = "Sophie") -> Resource:
    return {
        "resourceType": "Practitioner",
        "id": "auteur",
        "identifier": [{"system": RPPS, "value": number}],
        "name": [{"family": family, "given": [given]}],
    }


def source_patient(number: str = NUMBER) -> Resource:
    return {"resourceType": "Patient", "id": "source", "identifier": [{"system": INS, "value": number}]}


def document(unique_id: str, content: bytes = PDF, **more: Any) -> Resource:
    return {
        "resourceType": "DocumentReference",
        "meta": {"profile": [f"{PDSM}/pdsm-comprehensive-document-reference"]},
        "contained": [source_patient(), practitioner()],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:oid:{unique_id}"},
        "status": "current",
        "type": {"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        "subject": {"reference": f"Patient?identifier={INS}|{NUMBER}"},
        "date": "2026-06-12T10:00:00+02:00",
        "author": [{"reference": "#auteur"}],
        "authenticator": {"reference": "#auteur"},
        "securityLabel": [NORMAL],
        "content": [
            {
                "attachment": {
                    "contentType": "application/pdf",
                    "language": "fr-FR",
                    "url": "urn:uuid:aaaaaaaa-0000-4000-8000-000000000003",
                    "size": len(content),
                    "hash": base64.b64encode(hashlib.sha1(content).digest()).decode(),
                    "title": "Compte rendu de consultation",
                    "creation": "2026-06-12T10:00:00+02:00",
                }
            }
        ],
        "context": {
            "period": {"start": "2026-06-12T09:30:00+02:00", "end": "2026-06-12T10:00:00+02:00"},
            "facilityType": {"coding": [{"system": "urn:oid:1.2.250.1.71.4.2.4", "code": "SA07"}]},
            "practiceSetting": {"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.9", "code": "AMBULATOIRE"}]},
            "sourcePatientInfo": {"reference": "#source"},
        },
        **more,
    }


def submission_set(*items: str, **more: Any) -> Resource:
    return {
        "resourceType": "List",
        "meta": {"profile": [f"{PDSM}/pdsm-submissionset-comprehensive"]},
        "contained": [practitioner()],
        "extension": [
            {"url": f"{IHE}/ihe-designationType", "valueCodeableConcept": {"coding": [{"code": "10"}]}},
            {
                "url": f"{IHE}/ihe-sourceId",
                "valueIdentifier": {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"},
            },
        ],
        "status": "current",
        "mode": "working",
        "title": "Consultation du 12 juin",
        "code": {"coding": [{"system": LIST_TYPES, "code": "submissionset"}]},
        "subject": {"reference": f"Patient?identifier={INS}|{NUMBER}"},
        "date": "2026-06-12T10:00:00+02:00",
        "source": {"reference": "#auteur"},
        "entry": [{"item": {"reference": item}} for item in items],
        **more,
    }


def folder(*items: str) -> Resource:
    made = submission_set(*items)
    del made["source"], made["contained"]
    made["meta"] = {"profile": [f"{PDSM}/pdsm-folder-comprehensive"]}
    made["extension"] = made["extension"][:1]
    made["code"] = {"coding": [{"system": LIST_TYPES, "code": "folder"}]}
    return made


def entry(number: int, resource: Resource, method: str = "POST", url: str = "") -> Resource:
    return {
        "fullUrl": f"urn:uuid:aaaaaaaa-0000-4000-8000-{number:012}",
        "resource": resource,
        "request": {"method": method, "url": url or resource["resourceType"]},
    }


def binary(content: bytes = PDF, content_type: str = "application/pdf") -> Resource:
    return {"resourceType": "Binary", "contentType": content_type, "data": base64.b64encode(content).decode()}


def url(number: int) -> str:
    return f"urn:uuid:aaaaaaaa-0000-4000-8000-{number:012}"


def bundle(*entries: Resource, profile: str = f"{PDSM}/pdsm-comprehensive-provide-document-bundle") -> Resource:
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [profile]},
        "type": "transaction",
        "entry": [copy.deepcopy(entry) for entry in entries],
    }


def submission(unique_id: str = "1.2.250.1.999.1", content: bytes = PDF, **more: Any) -> Resource:
    """One document: entry 0 is its submission set, 1 itself, 2 its Binary."""
    return bundle(
        entry(1, submission_set(url(2))),
        entry(2, document(unique_id, content, **more)),
        entry(3, binary(content)),
    )


def replacing(unique_id: str, old: str, content: bytes = b"%PDF-1.7 version 2", is_patched: bool = True) -> Resource:
    """A document that replaces a stored one, with the patch of the guide."""
    made = submission(unique_id, content, relatesTo=[{"code": "replaces", "target": {"reference": old}}])
    if is_patched:
        parts = [
            {"name": "type", "valueCode": "replace"},
            {"name": "path", "valueString": "DocumentReference.status"},
            {"name": "value", "valueCode": "superseded"},
        ]
        patch = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
        made["entry"].insert(2, entry(4, patch, "PATCH", old))
    return made
