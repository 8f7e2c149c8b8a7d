"""FR-Reference-item-plan-traitement to CarePlan. Source: FRCarePlanLMCDAFHIR. Spec: careplan.html.

Choice: the table writes MedicationRequests in activity.reference; a line of the plan may also be a statement or a
request of another kind, so a request is an activity and anything else supporting information, with the document that
holds it.
"""

from mappings.cda.datatypes import identifiers
from mappings.cda.dates import date_time
from mappings.cda.vocabulary import act_status
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.entries.care.external_reference import external_documents
from mappings.entries.clinical_statement import comments, is_negated, read
from mappings.entries.medication.product import medication
from mappings.entries.related import loose
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, compact
from mappings.header.parties import party

TEMPLATE_IDS = ("1.3.6.1.4.1.19376.1.9.1.3.10",)

_REQUESTS = ("MedicationRequest", "ServiceRequest", "DeviceRequest")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the mention of a line of a treatment plan, with the lines that it holds."""
    if is_about_other(element, context):
        return []
    read(element, context)
    context.imply(element, "code")
    state = context.take(element, "statusCode")
    stated = act_status("Request", state.get("code")) if state is not None else None
    consumable = context.take(element, "consumable")
    product = medication(consumable, context) if consumable is not None else None
    author = context.take(element, "author")
    lines = loose(element, context)
    asked = [line for line in lines if context.resources[line["reference"]]["resourceType"] in _REQUESTS]
    others = [line for line in lines if line not in asked]
    resource = {
        "resourceType": "CarePlan",
        "identifier": identifiers(context.take_all(element, "id")),
        # Choice: the mention does not tell what became of the plan.
        "status": "revoked" if is_negated(element) else stated or "unknown",
        "intent": "plan",
        "subject": context.patient,
        "created": date_time(child(author, "time"), context) if author is not None else None,
        "author": party(child(author, "assignedAuthor"), context) if author is not None else None,
        "supportingInfo": [*([product] if product else []), *others, *external_documents(element, context)],
        "activity": [{"reference": line} for line in asked],
        "note": comments(element, context),
    }
    return [context.add_at(compact(resource), element)]
