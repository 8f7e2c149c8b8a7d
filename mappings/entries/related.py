"""The acts inside an act that are resources of their own: converted by their template, then tied to their owner.

Source: HL7 CDA R2, 4.3.8 (entryRelationship). Spec: workflow.html (supportingInfo, reasonReference).
"""

from mappings.cda.xml import Element
from mappings.context import Context
from mappings.entries.clinical_statement import inner_acts
from mappings.entries.participants import participants
from mappings.fhir import Json, extension

SUPPORTING = "http://hl7.org/fhir/StructureDefinition/workflow-supportingInfo"
REASON = "http://hl7.org/fhir/StructureDefinition/workflow-reasonReference"

_PROOFS = ("Condition", "Observation", "DiagnosticReport", "DocumentReference")
REASONS: dict[str, tuple[str, ...]] = {
    "Procedure": (*_PROOFS, "Procedure"),
    "Encounter": ("Condition", "Procedure", "Observation", "ImmunizationRecommendation"),
    "ServiceRequest": _PROOFS,
    "DeviceRequest": _PROOFS,
    "DeviceUseStatement": (*_PROOFS, "Media"),
    "MedicationRequest": ("Condition", "Observation"),
    "MedicationStatement": ("Condition", "Observation", "DiagnosticReport"),
    "MedicationAdministration": ("Condition", "Observation", "DiagnosticReport"),
    "Immunization": ("Condition", "Observation", "DiagnosticReport"),
}
_OPEN = {
    "ServiceRequest": "supportingInfo",
    "DeviceRequest": "supportingInfo",
    "MedicationRequest": "supportingInformation",
}
_PART_OF = (
    "Procedure",
    "Immunization",
    "ImagingStudy",
    "MedicationAdministration",
    "MedicationDispense",
    "MedicationStatement",
)
_SOURCES = ("DocumentReference", "ImagingStudy", "Media")


def attach(resource: Json, element: Element, context: Context) -> list[Json]:
    """Convert the acts that the converter of an act left inside it; give those to list beside it in the section."""
    beside: list[Json] = []
    if others := participants(element, context):
        resource["extension"] = [*resource.get("extension", []), *others]
    for kind, act in inner_acts(element):
        if act in context.taken:
            continue
        for reference in context.convert_act(act, context):
            if not _tie(resource, kind, reference, context):
                _tie_back(resource, element, reference, context)
                beside.append(reference)
    return beside


def loose(element: Element, context: Context) -> list[Json]:
    """Convert the acts that were left inside an act that is no resource itself."""
    left = [act for _, act in inner_acts(element) if act not in context.taken]
    return [reference for act in left for reference in context.convert_act(act, context)]


def _tie(resource: Json, kind: str, reference: Json, context: Context) -> bool:
    """Write the reference in the owner, where its type has an element for it."""
    owner, target = resource["resourceType"], context.resources[reference["reference"]]["resourceType"]
    if owner == "Observation":
        _tie_to_observation(resource, kind, reference, target)
    elif kind == "RSON" and target in REASONS.get(owner, ()):
        resource.setdefault("reasonReference", []).append(reference)
    elif owner in _OPEN:
        resource.setdefault(_OPEN[owner], []).append(reference)
    elif owner == "Condition":
        resource.setdefault("evidence", []).append({"detail": [reference]})
    elif owner == "Goal" and kind == "GEVL" and target == "Observation":
        resource.setdefault("outcomeReference", []).append(reference)
    else:
        return False
    return True


def _tie_to_observation(resource: Json, kind: str, reference: Json, target: str) -> None:
    """Choose by relation: a part is a member, a support is a source, a reason and the rest have R4's extensions."""
    if kind == "RSON":
        resource.setdefault("extension", []).append(extension(REASON, valueReference=reference))
    elif kind in ("COMP", "SUBJ") and target == "Observation":
        resource.setdefault("hasMember", []).append(reference)
    elif kind in ("SPRT", "COMP", "SUBJ") and target in (*_SOURCES, "Observation"):
        resource.setdefault("derivedFrom", []).append(reference)
    else:
        resource.setdefault("extension", []).append(extension(SUPPORTING, valueReference=reference))


def _tie_back(resource: Json, element: Element, reference: Json, context: Context) -> None:
    """Write in the inner resource what it belongs to, when the owner has no element that could name it."""
    target = context.resources[reference["reference"]]
    held = {"reference": f"urn:uuid:{resource['id']}"} if "id" in resource else None
    owner = held or context.reference_at(resource["resourceType"], element)
    if target["resourceType"] == "MedicationRequest":
        target.setdefault("supportingInformation", []).append(owner)
    if target["resourceType"] != "Observation":
        return
    if resource["resourceType"] in _PART_OF:
        target.setdefault("partOf", []).append(owner)
    elif resource["resourceType"] == "Encounter":
        target["encounter"] = owner
    else:
        target["focus"] = [*target.get("focus", []), owner]
