"""Acts: what a patient decides on his page, as the Consents and labels that any other client would write.

Spec: consent.html, CSP R.1111-46, R.1111-49
"""

from typing import Any, Final

from fhir_server.access.grant import Grant
from fhir_server.access.labels import HIDDEN_FROM_PROFESSIONALS, VISIBILITY_SYSTEM, VISIBILITY_SYSTEMS
from fhir_server.access.relations.codes import GROUNDS, RECORD_CONSENT_SYSTEM
from fhir_server.access.relations.ground import blockable
from fhir_server.access.rows import local_reference
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime

Resource = dict[str, Any]
_ROLE: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType", "code": "PRCP"}
_SCOPE: Final = {"system": "http://terminology.hl7.org/CodeSystem/consentscope", "code": "patient-privacy"}
_LAW: Final = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "OPTOUT"}
_PRIVACY: Final = {"system": "http://loinc.org", "code": "59284-0"}


def block_of(patient_id: str, actor: str) -> Resource:
    """Return the Consent by which a patient blocks a professional, a representative or an app.

    Raises BadRequest for anything else: a denial whose actor is not understood blocks everyone.
    """
    if local_reference(actor) != actor or not blockable([actor]):
        raise BadRequest(f"{actor[:80]!r} is nobody whom a patient can block.")
    named = [{"role": {"coding": [_ROLE]}, "reference": {"reference": actor}}]
    return _consent(patient_id, _PRIVACY, {"type": "deny", "actor": named})


def decision_of(patient_id: str, category: str) -> Resource:
    """Return the Consent by which a patient decides about his whole record. Raises BadRequest."""
    if category not in GROUNDS:
        raise BadRequest(f"A decision about the whole record is one of {', '.join(GROUNDS)}.")
    return _consent(patient_id, {"system": RECORD_CONSENT_SYSTEM, "code": category}, {"type": "deny"})


def _consent(patient_id: str, category: Resource, provision: Resource) -> Resource:
    return {
        "resourceType": "Consent",
        "status": "active",
        "scope": {"coding": [_SCOPE]},
        "category": [{"coding": [category]}],
        "patient": {"reference": f"Patient/{patient_id}"},
        "policyRule": {"coding": [_LAW]},
        "provision": provision,
    }


async def decide_by(consent: Resource, grant: Grant, runtime: Runtime) -> None:
    """Save a new Consent as the patient, dated now. Raises FhirError as a create does."""
    dated = {**consent, "dateTime": runtime.now().isoformat(timespec="seconds")}
    await dispatch(Request("create", grant, "Consent", content=fhir_json.format(dated)), runtime)


async def withdraw(reference: str, grant: Grant, runtime: Runtime) -> None:
    """End a Consent: it stays, inactive, with its history. Raises FhirError as an update does."""
    consent = await _read(reference, "Consent", grant, runtime)
    await _update({**consent, "status": "inactive"}, grant, runtime)


async def mask(reference: str, grant: Grant, runtime: Runtime, *, is_masked: bool) -> None:
    """Mask a document from professionals, or show it again. Raises FhirError as an update does."""
    document = await _read(reference, "DocumentReference", grant, runtime)
    labels = [concept for concept in document.get("securityLabel", ()) if not _is_mask(concept)]
    if is_masked:
        labels.append({"coding": [{"system": VISIBILITY_SYSTEM, "code": HIDDEN_FROM_PROFESSIONALS}]})
    rest = {name: value for name, value in document.items() if name != "securityLabel"}
    await _update(rest | ({"securityLabel": labels} if labels else {}), grant, runtime)


def _is_mask(concept: Resource) -> bool:
    codings = concept.get("coding", ())
    return any(
        one.get("code") == HIDDEN_FROM_PROFESSIONALS and one.get("system") in VISIBILITY_SYSTEMS for one in codings
    )


async def _read(reference: str, resource_type: str, grant: Grant, runtime: Runtime) -> Resource:
    named, _, resource_id = reference.partition("/")
    if named != resource_type:
        raise BadRequest(f"{reference[:80]!r} is no {resource_type}.")
    response = await dispatch(Request("read", grant, resource_type, resource_id), runtime)
    return fhir_json.parse(response.content)


async def _update(resource: Resource, grant: Grant, runtime: Runtime) -> None:
    content = fhir_json.format(resource)
    await dispatch(Request("update", grant, resource["resourceType"], resource["id"], content=content), runtime)
