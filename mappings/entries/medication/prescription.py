"""FR-Traitement-prescrit, FR-Prescription and FR-Reference-item-prescription to MedicationRequest.

Source: FRMedicationRequestLMCDAFHIR. Choice: the answers that the table makes reasons or extensions (long illness,
work accident, prevention, off label, not reimbursed) are Observations: the first three are reasons, the others
supporting information, so that each keeps its id, its date and whether it says yes or no. Choice: in an intent,
completed says that the order is written, not that it was carried out: it is active.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, pq_to_quantity
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.vocabulary import act_status
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import comments, has_template, inner_acts, is_negated, read, status
from mappings.entries.internal_reference import internal_references
from mappings.entries.medication.dosage import dosages, instruction, treatment_times
from mappings.entries.medication.product import medication, required_medication
from mappings.entries.related import attach
from mappings.fhir import Json, compact, extension
from mappings.header.parties import party

PRESCRIPTIONS = frozenset(("1.2.250.1.213.1.1.3.44", "1.3.6.1.4.1.19376.1.5.3.1.4.7.3", "2.16.840.1.113883.10.20.1.34"))
ITEMS = frozenset(("1.2.250.1.213.1.1.3.90", "1.3.6.1.4.1.19376.1.9.1.3.11"))
TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.83",
    "1.2.250.1.213.1.1.3.84",
    *sorted(ITEMS),
    *sorted(PRESCRIPTIONS),
    "1.3.6.1.4.1.19376.1.9.1.3.2",
)
QUANTITIES = frozenset(("1.2.250.1.213.1.1.3.86", "1.3.6.1.4.1.19376.1.9.1.3.8"))
SUBSTITUTIONS = frozenset(("1.2.250.1.213.1.1.3.87", "1.3.6.1.4.1.19376.1.9.1.3.9"))
DISPENSER_INSTRUCTIONS = frozenset(
    ("1.2.250.1.213.1.1.3.34", "1.2.250.1.213.1.1.3.207", "1.3.6.1.4.1.19376.1.5.3.1.4.3.1")
)
REASONS = frozenset(f"1.2.250.1.213.1.1.3.48.{number}" for number in (13, 14, 34, 224))
DISPENSER_INSTRUCTION = (
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationRequest.dispenseRequest.dispenserInstruction"
)

_REQUESTERS = ("Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a prescribed treatment, or the mention of a prescription that lies elsewhere."""
    if element.tag == HL7 + "supply" or has_template(element, ITEMS):
        return [prescription_of(element, {}, context)]
    read(element, context)
    context.imply(element, "code")
    resource = {
        "resourceType": "MedicationRequest",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": status(element, "MedicationRequest", context) or "unknown",
        "intent": "order",
        "doNotPerform": True if is_negated(element) else None,
        **required_medication(context.take(element, "consumable"), context),
        "subject": context.patient,
        **_requester(element, context),
        "note": comments(element, context),
        "dosageInstruction": dosages(element, context),
        "dispenseRequest": _dispense(element, context),
        "substitution": _substitution(element, context),
    }
    converted = compact(resource)
    internal_references(converted, element, context)
    _reasons(converted, element, context)
    beside = attach(converted, element, context)
    return [context.add_at(converted, element), *beside]


def prescription_of(element: Element, product: Json, context: Context) -> Json:
    """Convert the mention of a prescription inside another act; its product is that of the act when it names none."""
    read(element, context)
    context.imply(element, "code")
    code = context.take(element, "statusCode")
    stated = act_status("MedicationRequest", code.get("code")) if code is not None else None
    consumable = context.take(element, "consumable")
    own = medication(consumable, context) if consumable is not None else None
    chosen = {"medicationReference": own} if own else product or required_medication(consumable, context)
    quantity = pq_to_quantity(context.take(element, "quantity"), context)
    who = [party(child(found, "assignedEntity"), context) for found in context.take_all(element, "performer")]
    organizations = [one for one in who if one and _resource_type(one, context) == "Organization"]
    resource = {
        "resourceType": "MedicationRequest",
        "identifier": identifiers([*context.take_all(element, "id"), *_documents(element, context)]),
        # Choice: the mention does not tell what became of the prescription.
        "status": stated or "unknown",
        "intent": "order",
        **chosen,
        "subject": context.patient,
        **_requester(element, context),
        "performer": next((one for one in who if one and one not in organizations), None),
        "note": [*comments(element, context), *_dispenser_notes(element, context)],
        "dispenseRequest": compact({"quantity": quantity, "performer": next(iter(organizations), None)}),
    }
    return context.add_at(compact(resource), element)


def _dispenser_notes(element: Element, context: Context) -> list[Json]:
    acts = [act for _, act in inner_acts(element) if has_template(act, DISPENSER_INSTRUCTIONS)]
    return [{"text": text} for act in acts if (text := instruction(act, context))]


def _documents(element: Element, context: Context) -> list[Element]:
    """Find the ids of the documents that hold the prescription."""
    found: list[Element] = []
    for reference in context.take_all(element, "reference"):
        document = child(reference, "externalDocument")
        found += children(document, "id") if document is not None else []
    return found


def _requester(element: Element, context: Context) -> Json:
    author = context.take(element, "author")
    if author is None:
        return {}
    who = party(child(author, "assignedAuthor"), context)
    kind = _resource_type(who, context) if who else None
    moment = date_time(child(author, "time"), context)
    return compact({"requester": who if kind in _REQUESTERS else None, "authoredOn": moment})


def _resource_type(reference: Json, context: Context) -> str:
    found: str = context.resources[reference["reference"]]["resourceType"]
    return found


def _dispense(element: Element, context: Context) -> Json:
    repeat = context.take(element, "repeatNumber")
    literal = (repeat.get("value") or "").strip() if repeat is not None else ""
    notes = [extension(DISPENSER_INSTRUCTION, valueAnnotation=note) for note in _dispenser_notes(element, context)]
    found = {
        "extension": notes,
        "validityPeriod": _validity(element, context),
        "numberOfRepeatsAllowed": int(literal) if literal.isdecimal() and len(literal) < 10 else None,
        "quantity": _quantity(element, context),
    }
    return compact(found)


def _validity(element: Element, context: Context) -> Json:
    """Choice: the period of the act is how long the prescription is to be carried out."""
    periods = [ivl_ts_to_period(time, context) for time in treatment_times(element)]
    return next((period for period in periods if period), {})


def _quantity(element: Element, context: Context) -> Json:
    for _, act in inner_acts(element):
        if has_template(act, QUANTITIES):
            read(act, context)
            context.imply(act, "independentInd", "code", "id")
            return pq_to_quantity(context.take(act, "quantity"), context)
    return {}


def _substitution(element: Element, context: Context) -> Json:
    for _, act in inner_acts(element):
        if has_template(act, SUBSTITUTIONS):
            read(act, context)
            context.imply(act, "statusCode")
            code = cd_to_codeable_concept(context.take(act, "code"), context)
            return {"allowedCodeableConcept": code} if code else {}
    return {}


def _reasons(resource: Json, element: Element, context: Context) -> None:
    for _, act in inner_acts(element):
        if has_template(act, REASONS):
            resource.setdefault("reasonReference", []).extend(context.convert_act(act, context))
