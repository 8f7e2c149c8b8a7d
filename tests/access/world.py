"""A small record: one patient, one stranger, and those who want to see."""

from typing import Any

import msgspec

from fhir_server.access.extract import access_rows
from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.scopes import parse_scopes
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import IndexRow
from fhir_server.search.match import Subject

EXTRACTOR = Extractor()

PATIENT = Grant("patient", "Patient/1", "app", parse_scopes("patient/*.cruds"), patient_id="1")
DOCTOR = Grant(
    "professional",
    "Practitioner/doctor",
    "software",
    parse_scopes("user/*.cruds"),
    organizations=("Organization/hospital",),
)
LABORATORY = Grant("system", "Device/laboratory", "laboratory", parse_scopes("system/*.cruds"))
OPERATOR = Grant("system", "Device/operator", "operator", parse_scopes("system/*.cruds"), is_operator=True)

ACTORS = {
    "patient": "Patient/1",
    "doctor": "Practitioner/doctor",
    "his hospital": "Organization/hospital",
    "hospital": "Device/hospital",
    "laboratory": "Device/laboratory",
    "operator": "Device/operator",
}


def grant_of(caller: str) -> Grant:
    narrowed = {
        "allergy app": (PATIENT, "patient/AllergyIntolerance.rs", ""),
        "doctor in context": (DOCTOR, "patient/*.cruds", "1"),
        "operator reading": (OPERATOR, "system/*.rs", ""),
    }
    if caller in narrowed:
        grant, scopes, patient_id = narrowed[caller]
        return msgspec.structs.replace(grant, scopes=parse_scopes(scopes), patient_id=patient_id or grant.patient_id)
    nobody = Grant("nobody", "Practitioner/doctor", "app", parse_scopes("user/*.cruds patient/*.cruds system/*.cruds"))
    known = {"patient": PATIENT, "doctor": DOCTOR, "laboratory": LABORATORY, "operator": OPERATOR, "open": OPEN}
    return nobody if caller == "nobody" else known[caller]


SUBJECT_ELEMENT = {"AllergyIntolerance": "patient", "Consent": "patient"}


def resource_of(item: str, label: str, author: str) -> dict[str, Any]:
    resource_type, _, whose = item.partition(" ")
    resource: dict[str, Any] = {"resourceType": resource_type, "id": "1" if resource_type == "Patient" else "item"}
    patients = {"of a stranger": ["2"], "of both": ["1", "2"]}.get(whose, ["1"] if whose.startswith("of the p") else [])
    references = [{"reference": f"Patient/{one}"} for one in patients]
    if whose == "stranger":
        resource["id"] = "2"
    elif resource_type == "Group":
        resource["member"] = [{"entity": reference} for reference in references]
    elif resource_type == "AuditEvent":
        resource["entity"] = [{"what": reference} for reference in references]
    elif references:
        resource[SUBJECT_ELEMENT.get(resource_type, "subject")] = references[0]
        if len(references) > 1:
            resource["performer"] = references[1:]
    if resource_type == "PractitionerRole":
        resource["practitioner"] = {"reference": ACTORS["doctor"] if whose == "of the doctor" else "Practitioner/2"}
    if whose.endswith("naming the doctor"):
        resource["provision"] = {"actor": [{"reference": {"reference": ACTORS["doctor"]}}]}
    if label:
        resource["meta"] = {"security": [{"system": VISIBILITY_SYSTEM, "code": label}]}
    if author:
        resource["author"] = [{"reference": ACTORS[author]}]
    return resource


def subject_of(resource: dict[str, Any], depositor: str = "") -> Subject:
    rows: list[IndexRow] = EXTRACTOR.extract(resource) + access_rows(resource, depositor)
    return Subject(resource["resourceType"], resource["id"], 0, rows)
