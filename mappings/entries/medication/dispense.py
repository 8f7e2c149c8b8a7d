"""FR-Traitement-dispense to MedicationDispense. Source: FRMedicationDispenseLMCDAFHIR. Spec: medicationdispense.html.

Choice: who dispensed is the author of the document when the act names nobody; it is not written twice.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, pq_to_quantity
from mappings.cda.dates import date_time
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.entries.clinical_statement import comments, has_template, inner_acts, read, status
from mappings.entries.medication.dosage import PATIENT_INSTRUCTIONS, dosage, instruction
from mappings.entries.medication.prescription import DISPENSER_INSTRUCTIONS, ITEMS, prescription_of
from mappings.entries.medication.product import required_medication
from mappings.entries.related import attach
from mappings.fhir import Json, compact
from mappings.header.parties import party

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.204", "1.3.6.1.4.1.19376.1.9.1.3.4", "2.16.840.1.113883.10.20.22.4.18")
DOSINGS = frozenset(("1.2.250.1.213.1.1.3.42", "1.3.6.1.4.1.19376.1.9.1.3.6"))
SUBSTITUTED = frozenset(("1.2.250.1.213.1.1.3.206", "1.3.6.1.4.1.19376.1.9.1.3.9.2"))


def convert(element: Element, context: Context) -> list[Json]:
    """Convert what was handed over, with the prescription that it answers."""
    read(element, context)
    product = required_medication(context.take(element, "product"), context)
    orders = [prescription_of(act, product, context) for _, act in inner_acts(element) if has_template(act, ITEMS)]
    resource = {
        "resourceType": "MedicationDispense",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": status(element, "MedicationDispense", context) or "completed",
        **product,
        "subject": context.patient,
        "performer": _performers(element, context),
        "authorizingPrescription": orders,
        "quantity": pq_to_quantity(context.take(element, "quantity"), context),
        "whenHandedOver": date_time(context.take(element, "effectiveTime"), context),
        "note": [*comments(element, context), *_notes(element, context)],
        "dosageInstruction": _dosing(element, context),
        "substitution": _substitution(element, context),
    }
    converted = compact(resource)
    beside = attach(converted, element, context)
    return [context.add_at(converted, element), *beside]


def _performers(element: Element, context: Context) -> list[Json]:
    entities = [child(found, "assignedEntity") for found in context.take_all(element, "performer")]
    entities += [child(found, "assignedAuthor") for found in context.take_all(element, "author")]
    return [{"actor": who} for entity in entities if (who := party(entity, context))]


def _notes(element: Element, context: Context) -> list[Json]:
    acts = [act for _, act in inner_acts(element) if has_template(act, DISPENSER_INSTRUCTIONS)]
    return [{"text": text} for act in acts if (text := instruction(act, context))]


def _dosing(element: Element, context: Context) -> list[Json]:
    """Convert the dosing act under a dispense; the instruction to the patient belongs to it."""
    texts = [
        instruction(act, context) or "" for _, act in inner_acts(element) if has_template(act, PATIENT_INSTRUCTIONS)
    ]
    words = {"patientInstruction": " ".join(filter(None, texts))} if any(texts) else {}
    found: list[Json] = []
    for _, act in inner_acts(element):
        if has_template(act, DOSINGS):
            read(act, context)
            context.imply(act, "id", "statusCode", "consumable", "code")
            found.append(
                compact({"text": context.referenced_text(child(act, "text")), **dosage(act, context, is_whole=True)})
            )
    if words:
        found = [words | item for item in found] or [words]
    return [item for item in found if item]


def _substitution(element: Element, context: Context) -> Json:
    for _, act in inner_acts(element):
        if has_template(act, SUBSTITUTED):
            read(act, context)
            context.imply(act, "statusCode")
            kind = cd_to_codeable_concept(context.take(act, "code"), context)
            return {"wasSubstituted": True, "type": kind}
    return {}
