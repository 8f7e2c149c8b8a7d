"""Twenty kinds of mistake in a vaccination, an appointment and a consent of R4; and what oracles of others say."""

import json
from pathlib import Path
from typing import Any, Final

import fhirkit
import pytest
from fhir.resources.R4B import get_fhir_model_class

from fhir_server.conformance.terminology import is_unit
from fhir_server.fhirpath.node import UCUM_URL
from fhir_server.foundation.packages import Packages
from fhir_server.terminology.terminology import Terminology
from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from tests.validation.profiles.test_mutations import CASES as OTHERS
from tests.validation.profiles.test_mutations import DROP, change

Resource = dict[str, Any]
UCUM: Final = "http://unitsofmeasure.org"
HL7: Final = "http://terminology.hl7.org/CodeSystem/"
LONG: Final = "http://hl7.org/fhir/StructureDefinition/"


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


IMMUNIZATION: Final[Resource] = {
    "resourceType": "Immunization",
    "identifier": [{"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.3.6.1"}],
    "status": "completed",
    "vaccineCode": {"text": "grippe"},
    "patient": {"reference": "Patient/1"},
    "occurrenceDateTime": "2024-10-10",
    "primarySource": True,
    "expirationDate": "2025-02-15",
    "site": concept(f"{HL7}v3-ActSite", "LA"),
    "doseQuantity": {"value": 5, "system": UCUM, "code": "mg"},
    "performer": [{"function": concept(f"{HL7}v2-0443", "AP"), "actor": {"reference": "Practitioner/1"}}],
    "note": [{"text": "sans réaction"}],
    "education": [{"documentType": "notice", "presentationDate": "2024-10-10"}],
    "protocolApplied": [{"doseNumberPositiveInt": 1, "seriesDosesPositiveInt": 2}],
}
APPOINTMENT: Final[Resource] = {
    "resourceType": "Appointment",
    "status": "booked",
    "priority": 5,
    "description": "suivi",
    "start": "2025-12-10T09:00:00Z",
    "end": "2025-12-10T09:30:00Z",
    "minutesDuration": 30,
    "created": "2025-10-10",
    "slot": [{"reference": "Slot/1"}],
    "requestedPeriod": [{"start": "2025-12-01", "end": "2025-12-31"}],
    "participant": [
        {"actor": {"reference": "Patient/1"}, "required": "required", "status": "accepted"},
        {"type": [concept(f"{HL7}v3-ParticipationType", "ATND")], "status": "needs-action"},
    ],
}
CONSENT: Final[Resource] = {
    "resourceType": "Consent",
    "status": "active",
    "scope": concept(f"{HL7}consentscope", "patient-privacy"),
    "category": [concept("http://loinc.org", "59284-0")],
    "patient": {"reference": "Patient/1"},
    "dateTime": "2025-05-11",
    "organization": [{"reference": "Organization/1"}],
    "sourceAttachment": {"contentType": "text/plain", "data": "b3Vp", "size": 3},
    "policyRule": concept(f"{HL7}v3-ActCode", "OPTIN"),
    "provision": {
        "type": "permit",
        "period": {"start": "2025-01-01", "end": "2026-01-01"},
        "actor": [
            {"role": concept(f"{HL7}v3-ParticipationType", "PRCP"), "reference": {"reference": "Practitioner/1"}}
        ],
        "data": [{"meaning": "instance", "reference": {"reference": "DocumentReference/1"}}],
    },
}
EXTENSION: Final = {"url": f"{LONG}patient-birthPlace", "valueAddress": {"city": "Paris"}}
CASES: Final[list[tuple[Resource, str, Any, str, str]]] = [
    (IMMUNIZATION, "status", DROP, "required", "Immunization.status"),
    (IMMUNIZATION, "status", "done", "code", "Immunization.status"),
    (IMMUNIZATION, "vaccineCode", DROP, "required", "Immunization.vaccineCode"),
    (IMMUNIZATION, "patient", DROP, "required", "Immunization.patient"),
    (IMMUNIZATION, "patient.reference", "Practitioner/1", "reference-target", "Immunization.patient.reference"),
    (IMMUNIZATION, "patient.reference", "Patient 1", "reference-form", "Immunization.patient.reference"),
    (IMMUNIZATION, "occurrenceDateTime", DROP, "required", "Immunization.occurrence"),
    (IMMUNIZATION, "occurrenceString", "hier", "choice-twice", "Immunization.occurrence"),
    (IMMUNIZATION, "occurrenceDateTime", "10/10/2024", "primitive", "Immunization.occurrence"),
    (IMMUNIZATION, "expirationDate", "2025-02-30", "primitive", "Immunization.expirationDate"),
    (IMMUNIZATION, "primarySource", "true", "primitive", "Immunization.primarySource"),
    (IMMUNIZATION, "site.coding[0].code", "XX", "code-unknown", "Immunization.site.coding[0].code"),
    (IMMUNIZATION, "site.coding[0].system", "ActSite", "system-relative", "Immunization.site.coding[0].system"),
    (IMMUNIZATION, "doseQuantity.code", "mcg", "code-unknown", "Immunization.doseQuantity.code"),
    (IMMUNIZATION, "doseQuantity.system", DROP, "invariant", "Immunization.doseQuantity"),
    (IMMUNIZATION, "doseQuantity.value", "5", "primitive", "Immunization.doseQuantity.value"),
    (IMMUNIZATION, "performer[0].actor", DROP, "required", "Immunization.performer[0].actor"),
    (IMMUNIZATION, "performer", {}, "no-array", "Immunization.performer"),
    (IMMUNIZATION, "note[0].text", DROP, "required", "Immunization.note[0].text"),
    (IMMUNIZATION, "note[0].text", "", "empty-string", "Immunization.note[0].text"),
    (IMMUNIZATION, "education[0].documentType", DROP, "invariant", "Immunization.education[0]"),
    (
        IMMUNIZATION,
        "protocolApplied[0].doseNumberPositiveInt",
        0,
        "primitive",
        "Immunization.protocolApplied[0].doseNumber",
    ),
    (IMMUNIZATION, "identifier[0].value", "1.3.6.1", "identifier-uri", "Immunization.identifier[0].value"),
    (IMMUNIZATION, "extension", [EXTENSION], "extension-context", "Immunization.extension[0]"),
    (IMMUNIZATION, "vaccinCode", "x", "unknown-element-near", "Immunization.vaccinCode"),
    (APPOINTMENT, "status", DROP, "required", "Appointment.status"),
    (APPOINTMENT, "status", "confirmed", "code", "Appointment.status"),
    (APPOINTMENT, "participant", DROP, "required", "Appointment.participant"),
    (APPOINTMENT, "participant", [], "empty-array", "Appointment.participant"),
    (APPOINTMENT, "participant[0].status", DROP, "required", "Appointment.participant[0].status"),
    (APPOINTMENT, "participant[0].required", "yes", "code", "Appointment.participant[0].required"),
    (APPOINTMENT, "participant[1].type", DROP, "invariant", "Appointment.participant[1]"),
    (
        APPOINTMENT,
        "participant[0].actor.reference",
        "Slot/1",
        "reference-target",
        "Appointment.participant[0].actor.reference",
    ),
    (APPOINTMENT, "end", DROP, "invariant", "Appointment"),
    (APPOINTMENT, "start", "2025-12-10", "primitive", "Appointment.start"),
    (APPOINTMENT, "start", "2025-12-10T09:00:00", "primitive", "Appointment.start"),
    (APPOINTMENT, "minutesDuration", 0, "primitive", "Appointment.minutesDuration"),
    (APPOINTMENT, "minutesDuration", 30.5, "primitive", "Appointment.minutesDuration"),
    (APPOINTMENT, "priority", -1, "primitive", "Appointment.priority"),
    (APPOINTMENT, "slot", {"reference": "Slot/1"}, "no-array", "Appointment.slot"),
    (APPOINTMENT, "slot[0].reference", "Schedule/1", "reference-target", "Appointment.slot[0].reference"),
    (APPOINTMENT, "requestedPeriod[0].end", "2025-11-01", "per-1", "Appointment.requestedPeriod[0]"),
    (APPOINTMENT, "requestedPeriod[0].until", "2025", "unknown-element", "Appointment.requestedPeriod[0].until"),
    (APPOINTMENT, "description", None, "json-null", "Appointment.description"),
    (APPOINTMENT, "description", ["suivi"], "not-repeating", "Appointment.description"),
    (APPOINTMENT, "cancelationReason", {"text": "grève"}, "invariant", "Appointment"),
    (
        APPOINTMENT,
        "participant[1].type[0].coding[0].code",
        "XX",
        "code-unknown",
        "Appointment.participant[1].type[0].coding[0].code",
    ),
    (APPOINTMENT, "contained", [{"resourceType": "Location"}], "dom-3", "Appointment.contained[0]"),
    (CONSENT, "status", DROP, "required", "Consent.status"),
    (CONSENT, "status", "signed", "code", "Consent.status"),
    (CONSENT, "scope", DROP, "required", "Consent.scope"),
    (CONSENT, "category", DROP, "required", "Consent.category"),
    (CONSENT, "category", concept("http://loinc.org", "59284-0"), "no-array", "Consent.category"),
    (CONSENT, "scope.coding[0].code", "privacy", "code-unknown", "Consent.scope.coding[0].code"),
    (
        CONSENT,
        "scope.coding[0].system",
        "http://hl7.org/fhir/ValueSet/consent-scope",
        "system-value-set",
        "Consent.scope.coding[0].system",
    ),
    (CONSENT, "patient.reference", "Group/1", "reference-target", "Consent.patient.reference"),
    (CONSENT, "patient.reference", "#p", "ref-1", "Consent.patient.reference"),
    (CONSENT, "dateTime", "2025-05-11T10:00", "primitive", "Consent.dateTime"),
    (CONSENT, "policyRule", DROP, "invariant", "Consent"),
    (CONSENT, "sourceAttachment.size", 4, "attachment-size", "Consent.source.size"),
    (CONSENT, "sourceAttachment.hash", "AAAA", "attachment-hash", "Consent.source.hash"),
    (CONSENT, "sourceAttachment.contentType", DROP, "invariant", "Consent.source"),
    (CONSENT, "sourceAttachment.data", "b3V", "primitive", "Consent.source.data"),
    (CONSENT, "sourceReference", {"reference": "Consent/1"}, "choice-twice", "Consent.source"),
    (CONSENT, "provision.type", "allow", "code", "Consent.provision.type"),
    (CONSENT, "provision.period.start", "2027-01-01", "per-1", "Consent.provision.period"),
    (CONSENT, "provision.actor[0].role", DROP, "required", "Consent.provision.actor[0].role"),
    (CONSENT, "provision.actor[0].reference", DROP, "required", "Consent.provision.actor[0].reference"),
    (CONSENT, "provision.data[0].meaning", "all", "code", "Consent.provision.data[0].meaning"),
    (CONSENT, "provision.data[0].reference", DROP, "required", "Consent.provision.data[0].reference"),
    (CONSENT, "provision.purpose", [{}], "ele-1", "Consent.provision.purpose[0]"),
    (CONSENT, "extension", [{"url": "http://example.org/x"}], "ext-1", "Consent.extension[0]"),
    (CONSENT, "modifierExtension", [EXTENSION], "extension-plain", "Consent.modifierExtension[0]"),
]


@pytest.fixture(scope="module")
def core(shared: Path) -> Environment:
    packages = Packages([shared / "data/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"])
    terminology = Terminology(packages.resolve, {UCUM_URL: is_unit})
    return Environment(Profiles(packages.resolve), terminology.contains, terminology.validate_in_system)


def errors(resource: Resource, environment: Environment) -> list[tuple[str, str]]:
    issues = validate_profiles(resource, [], environment)
    return [(issue.message_id, issue.expression[0]) for issue in issues if issue.severity == "error"]


@pytest.mark.parametrize("resource", [IMMUNIZATION, APPOINTMENT, CONSENT], ids=lambda one: str(one["resourceType"]))
def test_the_resources_are_right_to_start_with(core: Environment, resource: Resource) -> None:
    assert errors(resource, core) == []
    assert sum(case[0] is resource for case in CASES) >= 20
    assert refusals(resource) == set()


@pytest.mark.parametrize(("resource", "place", "value", "message_id", "expression"), CASES)
def test_a_mistake_is_found_where_it_is(
    core: Environment, resource: Resource, place: str, value: Any, message_id: str, expression: str
) -> None:
    assert (message_id, expression) in errors(change(resource, place, value), core)


def refusals(resource: Resource) -> set[str]:
    """Which of two oracles refuse a resource."""
    found = set()
    try:
        get_fhir_model_class(resource["resourceType"]).model_validate(resource)
    except ValueError:
        found.add("fhir.resources")
    try:
        issues = fhirkit.validate(json.dumps(resource))
    except ValueError:
        found.add("fhirkit")
    else:
        if any(issue.severity == "error" for issue in issues):
            found.add("fhirkit")
    return found


MISSED_BY_ALL: Final = frozenset(
    {
        *("code-unknown", "system-relative", "system-value-set", "identifier-uri", "reference-form"),
        *("reference-target", "attachment-size", "attachment-hash", "extension-context", "extension-plain"),
        *("invariant", "dom-3", "ref-1", "per-1", "ele-1", "ext-1", "code", "primitive", "choice-twice"),
    }
)
"""Kinds that no oracle finds somewhere: they look at types and cardinalities, not at codes, rules and references."""


def test_oracles_find_no_mistake_that_is_not_one_and_miss_what_they_do_not_look_at() -> None:
    unseen = {
        message_id for resource, place, value, message_id, _ in CASES if not refusals(change(resource, place, value))
    }
    assert unseen <= MISSED_BY_ALL
    seen = [case for case in (*CASES, *OTHERS) if refusals(change(case[0], case[1], case[2]))]
    assert len(seen) > 50
