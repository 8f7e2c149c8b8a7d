"""Care dates: when what a resource tells of took place, which is not when it was written.

Spec: patient-operation-everything.html (start, end)
"""

from typing import Final

from fhir_server.access.decision import decide
from fhir_server.foundation.dates import microseconds
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.condition import Compare, Condition, OfType, all_of, any_of, none_of
from fhir_server.search.index_row import DATE
from fhir_server.search.meaning import Meaning
from fhir_server.search.parse import parse

CARE_DATES: Final = {
    "Appointment": "date",
    "AllergyIntolerance": "date",
    "CarePlan": "date",
    "CareTeam": "date",
    "ClinicalImpression": "date",
    "Communication": "sent",
    "Composition": "date",
    "Condition": "onset-date",
    "DiagnosticReport": "date",
    "DocumentReference": "period",
    "Encounter": "date",
    "EpisodeOfCare": "date",
    "FamilyMemberHistory": "date",
    "ImagingStudy": "started",
    "Immunization": "date",
    "List": "date",
    "MedicationAdministration": "effective-time",
    "MedicationDispense": "whenhandedover",
    "MedicationRequest": "authoredon",
    "MedicationStatement": "effective",
    "Observation": "date",
    "Procedure": "date",
    "QuestionnaireResponse": "authored",
    "RiskAssessment": "date",
    "ServiceRequest": "occurrence",
}
"""The date parameter that tells when care took place, by type."""


def within_period(request: Request, runtime: Runtime, start: str, end: str) -> Condition:
    """Return the condition that care took place in a period; "" leaves it open. Raises BadRequest.

    Choice: what has no care date is in every period: an allergy that nobody dated is not to be missed.
    """
    prefixed = [f"{prefix}{text}" for prefix, text in (("ge", start), ("le", end)) if text]
    meaning = Meaning(
        runtime.parameters,
        lambda resource_type: decide(request.grant, "search", resource_type),
        (request.base_url,),
        microseconds(runtime.now()),
    )
    dated = []
    for resource_type, code in CARE_DATES.items():
        query = parse(resource_type, [(code, text) for text in prefixed], runtime.parameters)
        is_in = any_of(meaning.condition(query), none_of(Compare(DATE, code)))
        dated.append(all_of(OfType((resource_type,)), is_in))
    return any_of(none_of(OfType(tuple(CARE_DATES))), *dated)
