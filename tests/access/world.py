"""A small record: one patient, one stranger, and those who want to see."""

from datetime import UTC, datetime
from typing import Any

import msgspec

from fhir_server.access.extract import access_rows
from fhir_server.access.grant import OPEN, App, Grant
from fhir_server.access.labels import VISIBILITY_SYSTEM
from fhir_server.access.rows import DOCUMENT, reference_row
from fhir_server.access.rules.notice import EMERGENCY_ACCESS, NOTICE_SYSTEM
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
    profession="10",
)
LABORATORY = Grant("system", "Device/laboratory", "laboratory", parse_scopes("system/*.cruds"))
OPERATOR = Grant("system", "Device/operator", "operator", parse_scopes("system/*.cruds"), is_operator=True)

PARENT = Grant(
    "representative", "RelatedPerson/parent", "portal", parse_scopes("patient/*.cruds"), patient_id="1", user_id="p"
)
TRACKER = App("Device/tracker", "prevention", True)
ENDS = datetime(2026, 11, 1, tzinfo=UTC)

ACTORS = {
    "parent": "RelatedPerson/parent",
    "guardian": "RelatedPerson/guardian",
    "another app": "Device/other",
    "app": "Device/tracker",
    "patient": "Patient/1",
    "doctor": "Practitioner/doctor",
    "his hospital": "Organization/hospital",
    "hospital": "Device/hospital",
    "laboratory": "Device/laboratory",
    "operator": "Device/operator",
}


BREAKING: dict[str, Any] = {
    "purpose_of_use": "bris_de_glace",
    "patient_id": "1",
    "reason": "unconscious",
    "expires_at": ENDS,
}
CALLING: dict[str, Any] = {
    "purpose_of_use": "centre_15",
    "patient_id": "1",
    "expires_at": ENDS,
    "is_regulator": True,
}
CHANGED: dict[str, tuple[Grant, dict[str, Any]]] = {
    "pharmacist": (DOCTOR, {"profession": "21"}),
    "dentist": (DOCTOR, {"profession": "40"}),
    "podiatrist": (DOCTOR, {"profession": "80"}),
    "social worker": (DOCTOR, {"profession": "41"}),
    "doctor doing research": (DOCTOR, {"purpose_of_use": "HRESCH"}),
    "doctor breaking the glass": (DOCTOR, BREAKING),
    "doctor breaking the glass without a reason": (DOCTOR, {**BREAKING, "reason": ""}),
    "doctor breaking the glass without an end": (DOCTOR, {**BREAKING, "expires_at": None}),
    "doctor breaking the glass of everybody": (DOCTOR, {**BREAKING, "patient_id": ""}),
    "emergency call doctor": (DOCTOR, CALLING),
    "doctor who is no regulator": (DOCTOR, {**CALLING, "is_regulator": False}),
    "emergency call nurse": (DOCTOR, {**CALLING, "profession": "60"}),
    "doctor in secret": (DOCTOR, {"is_secret": True}),
    "parent": (PARENT, {}),
    "guardian": (PARENT, {"actor": "RelatedPerson/guardian"}),
    "tracker app": (PATIENT, {"app": TRACKER}),
    "unlisted app": (PATIENT, {"app": App("Device/tracker", "prevention", False)}),
    "selling app": (PATIENT, {"app": App("Device/tracker", "marketing", True)}),
}


def grant_of(caller: str) -> Grant:
    narrowed = {
        "allergy app": (PATIENT, "patient/AllergyIntolerance.rs", ""),
        "laboratory viewer": (PATIENT, "patient/Observation.rs?category=laboratory", ""),
        "doctor in context": (DOCTOR, "patient/*.cruds", "1"),
        "operator reading": (OPERATOR, "system/*.rs", ""),
    }
    if caller in CHANGED:
        grant, changes = CHANGED[caller]
        return msgspec.structs.replace(grant, **changes)
    if caller in narrowed:
        grant, scopes, patient_id = narrowed[caller]
        return msgspec.structs.replace(grant, scopes=parse_scopes(scopes), patient_id=patient_id or grant.patient_id)
    nobody = Grant("nobody", "Practitioner/doctor", "app", parse_scopes("user/*.cruds patient/*.cruds system/*.cruds"))
    known = {"patient": PATIENT, "doctor": DOCTOR, "laboratory": LABORATORY, "operator": OPERATOR, "open": OPEN}
    return nobody if caller == "nobody" else known[caller]


SUBJECT_ELEMENT = dict.fromkeys(("AllergyIntolerance", "Consent", "ExplanationOfBenefit", "RelatedPerson"), "patient")
PARENT_OF = {
    "patient": {"reference": "Patient/1"},
    "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-RoleCode", "code": "MTH"}]}],
}


def resource_of(item: str, label: str, author: str) -> dict[str, Any]:
    resource_type, _, whose = item.partition(" ")
    resource: dict[str, Any] = {"resourceType": resource_type, "id": "1" if resource_type == "Patient" else "item"}
    patients = {"of a stranger": ["2"], "of both": ["1", "2"]}.get(whose, ["1"] if whose.startswith("of the p") else [])
    references = [{"reference": f"Patient/{one}"} for one in patients]
    if whose == "stranger":
        resource["id"] = "2"
    elif resource_type == "Group":
        resource["member"] = [{"entity": reference} for reference in references]
    elif whose.endswith("of the laboratory"):
        resource |= {"subject": references[0], "category": [{"coding": [{"system": "urn:c", "code": "laboratory"}]}]}
    elif resource_type == "Appointment":
        resource["participant"] = [{"actor": reference} for reference in references]
    elif resource_type == "AuditEvent":
        resource["entity"] = [{"what": reference} for reference in references]
    elif references:
        resource[SUBJECT_ELEMENT.get(resource_type, "subject")] = references[0]
        if len(references) > 1:
            resource["performer"] = references[1:]
    if resource_type == "PractitionerRole":
        resource["practitioner"] = {"reference": ACTORS["doctor"] if whose == "of the doctor" else "Practitioner/2"}
    if resource_type == "Communication" and "emergency" in whose:
        resource["category"] = [{"coding": [{"system": NOTICE_SYSTEM, "code": EMERGENCY_ACCESS}]}]
        resource["recipient"] = [{"reference": ACTORS["doctor"]}] if "doctor" in whose else []
    if whose.endswith("naming the doctor"):
        resource["provision"] = {"actor": [{"reference": {"reference": ACTORS["doctor"]}}]}
    if whose == "who is a parent":
        resource |= PARENT_OF
    if label:
        resource["meta"] = {"security": [{"system": VISIBILITY_SYSTEM, "code": label}]}
    if author:
        resource["author"] = [{"reference": ACTORS[author]}]
    return resource


def documented(resource: dict[str, Any], code: str) -> tuple[dict[str, Any], list[IndexRow]]:
    """Return a resource as, or converted from, a document of a type or (two digits) a class; and what it inherits."""
    element = "category" if code.isdigit() and len(code) == 2 else "type"
    concept = {"coding": [{"system": "urn:codes", "code": code}]}
    document = {"resourceType": "DocumentReference", element: [concept] if element == "category" else concept}
    if not code:
        return resource, []
    if resource["resourceType"] == "DocumentReference":
        return resource | document, []
    return resource, [*access_rows(document, ""), reference_row(DOCUMENT, "DocumentReference/source")]


def subject_of(resource: dict[str, Any], depositor: str = "", code: str = "") -> Subject:
    resource, inherited = documented(resource, code)
    rows: list[IndexRow] = EXTRACTOR.extract(resource) + access_rows(resource, depositor, inherited)
    return Subject(resource["resourceType"], resource["id"], 0, rows)
