"""FR-Traitement and its kin to MedicationStatement or MedicationAdministration.

Source: FRMedicationStatementLMCDAFHIR, FRMedicationAdministrationLMCDAFHIR,
FRImagingMedicationAdministrationLMCDAFHIR.

Choice: one model serves both resources. A product given in care (a fluid, an imaging product, a section of
administered treatments) is a MedicationAdministration; any other treatment is a MedicationStatement, intended when it
is a plan.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, required_concept
from mappings.cda.dates import date_time, ivl_ts_to_period, ts_to_date_time
from mappings.cda.values import observation_value
from mappings.cda.vocabulary import INTERNAL, absent_reason
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import act_code, comments, has_template, inner_acts, is_negated, read, status
from mappings.entries.internal_reference import internal_references
from mappings.entries.medication.dosage import dosages, treatment_times
from mappings.entries.medication.prescription import PRESCRIPTIONS, prescription_of
from mappings.entries.medication.product import required_medication
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, absent, compact, concept, extension
from mappings.header.parties import party

GIVEN = frozenset(
    (
        "1.2.250.1.213.1.1.3.26",
        "1.2.250.1.213.1.1.3.151",
        "1.2.250.1.213.1.1.3.173",
        "1.3.6.1.4.1.19376.1.5.3.1.1.13.3.2",
    )
)
TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.42",
    "1.2.250.1.213.1.1.3.13",
    *sorted(GIVEN),
    "1.3.6.1.4.1.19376.1.5.3.1.4.7",
    "1.3.6.1.4.1.19376.1.9.1.3.7",
    "2.16.840.1.113883.10.20.22.4.16",
)
ADMINISTERED_SECTIONS = ("18610-6", "57072-1", "29549-3")
# The IPS codes that say there is no treatment, or that nothing is known of it, stand where the product would.
ABSENT_OR_UNKNOWN = "2.16.840.1.113883.5.1150.1"
OCCURRENCE = "http://hl7.org/fhir/5.0/StructureDefinition/extension-MedicationAdministration.occurence"
ACT_CODES = "2.16.840.1.113883.5.4"

_ACTORS = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson", "Device")
_SOURCES = ("Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Organization")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a treatment; one of a relative is left to the report."""
    if element.tag != HL7 + "substanceAdministration" or is_about_other(element, context):
        return []
    read(element, context)
    resource = _administration(element, context) if _is_given(element) else _statement(element, context)
    internal_references(resource, element, context)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside, *_answers(element, context)]


def _is_given(element: Element) -> bool:
    if element.get("moodCode") != "EVN":
        return False
    section = next(element.iterancestors(HL7 + "section"), None)
    code = child(section, "code") if section is not None else None
    return has_template(element, GIVEN) or (code is not None and code.get("code") in ADMINISTERED_SECTIONS)


def _statement(element: Element, context: Context) -> Json:
    code = child(element, "code")
    product = _product(element, context)
    orders = [
        prescription_of(act, product, context) for _, act in inner_acts(element) if has_template(act, PRESCRIPTIONS)
    ]
    effective = _effective(element, context)
    stated = _stated(element, effective.get("effectivePeriod", {}), context)
    resource = {
        "resourceType": "MedicationStatement",
        "extension": act_code(element, context) if code not in context.taken else None,
        "identifier": identifiers(context.take_all(element, "id")),
        "basedOn": orders,
        "status": "not-taken" if is_negated(element) else stated,
        **product,
        "subject": context.patient,
        **effective,
        **_informed(element, context),
        "note": comments(element, context),
        "dosage": dosages(element, context, element),
    }
    return compact(resource)


def _stated(element: Element, period: Json, context: Context) -> str:
    """Choice: completed is the only status of the model; it says that the statement is made, not that all is taken.

    So the period tells: ended when it ends before the document, else active; without one, nobody knows.
    """
    stated = status(element, "MedicationStatement", context) or "unknown"
    if stated not in ("active", "completed"):
        return stated
    if element.get("moodCode") != "EVN":
        return "intended"
    time = child(context.document, "effectiveTime")
    written = ts_to_date_time(time.get("value") or "") if time is not None else None
    if "end" in period and written and period["end"][:10] <= written[:10]:
        return "completed"
    return "active" if period or stated == "active" else "unknown"


def _administration(element: Element, context: Context) -> Json:
    code = child(element, "code")
    done = status(element, "MedicationAdministration", context) or "unknown"
    product = _product(element, context)
    given = dosages(element, context, element)
    effective = _effective(element, context)
    if not effective.keys() & {"effectiveDateTime", "effectivePeriod"}:
        # Choice: R4 requires when; readers expect a value there, so a Period says why it is not known.
        effective = {"effectivePeriod": effective.get("_effectiveDateTime") or absent("unknown")}
    resource = {
        "resourceType": "MedicationAdministration",
        "extension": [*_cycle(given), *(act_code(element, context) if code not in context.taken else [])],
        "identifier": identifiers(context.take_all(element, "id")),
        "status": "not-done" if is_negated(element) else done,
        **product,
        "subject": context.patient,
        **effective,
        "performer": _performers(element, context),
        "note": comments(element, context),
        "dosage": _given_dosage(given[0]) if given else None,
    }
    return compact(resource)


def _cycle(given: list[Json]) -> list[Json]:
    """Keep how the product was given over time, for which R4 has no element and R5 has one."""
    return [extension(OCCURRENCE, valueTiming=dosage["timing"]) for dosage in given if "timing" in dosage]


def _given_dosage(dosage: Json) -> Json:
    """Keep what MedicationAdministration.dosage has (mad-1: a dose or a rate); a true range of doses becomes words."""
    amounts: Json = (dosage.get("doseAndRate") or [{}])[0]
    bounds = amounts.get("doseRange", {})
    low, high = bounds.get("low"), bounds.get("high")
    dose = amounts.get("doseQuantity") or (low if high in (None, low) else None)
    spread = [f"{item['value']} {item.get('unit', '')}".strip() for item in (low, high) if item and not dose]
    text = " ; ".join(filter(None, [dosage.get("text"), " - ".join(spread)]))
    members = {"text": text, "site": dosage.get("site"), "route": dosage.get("route")}
    found = compact({**members, "dose": dose, "rateQuantity": amounts.get("rateQuantity")})
    if found and not found.keys() & {"dose", "rateQuantity"}:
        found["dose"] = absent("unknown")
    return found


def _product(element: Element, context: Context) -> Json:
    code = child(element, "code")
    consumable = context.take(element, "consumable")
    if code is not None and code.get("codeSystem") == ABSENT_OR_UNKNOWN:
        context.taken.add(code)
        return {"medicationCodeableConcept": cd_to_codeable_concept(code, context)}
    if code is not None and code.get("codeSystem") == ACT_CODES:
        context.imply(element, "code")
    return required_medication(consumable, context)


def _effective(element: Element, context: Context) -> Json:
    for time in treatment_times(element):
        period = ivl_ts_to_period(time, context)
        if time.get("value") and "start" in period:
            return {"effectiveDateTime": period["start"]}
        if period:
            return {"effectivePeriod": period}
        if flavor := time.get("nullFlavor"):
            return {"_effectiveDateTime": absent(absent_reason(flavor))}
    return {}


def _informed(element: Element, context: Context) -> Json:
    """Convert the first author or informant to who told of the treatment, and when."""
    for name, entity in (
        ("author", "assignedAuthor"),
        ("informant", "assignedEntity"),
        ("performer", "assignedEntity"),
    ):
        for found in children(element, name):
            who = party(child(found, entity), context)
            if who and context.resources[who["reference"]]["resourceType"] in _SOURCES:
                context.taken.add(found)
                return compact({"informationSource": who, "dateAsserted": date_time(child(found, "time"), context)})
    return {}


def _performers(element: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for name, entity in (("performer", "assignedEntity"), ("author", "assignedAuthor")):
        for participation in children(element, name):
            who = party(child(participation, entity), context)
            if who and context.resources[who["reference"]]["resourceType"] in _ACTORS:
                context.taken.add(participation)
                function = concept(INTERNAL + "v3-ParticipationType", "AUT") if name == "author" else None
                found.append(compact({"function": function, "actor": who}))
    return found


def _answers(element: Element, context: Context) -> list[Json]:
    """Convert the preconditions that answer a question (a check before a thrombolysis) to Observations."""
    found: list[Json] = []
    for precondition in children(element, "precondition"):
        criterion = child(precondition, "criterion")
        value = child(criterion, "value") if criterion is not None else None
        if criterion is not None and value is not None:
            context.taken.add(precondition)
            found.append(_answer(element, criterion, value, context))
    return found


def _answer(element: Element, criterion: Element, value: Element, context: Context) -> Json:
    resource = {
        "resourceType": "Observation",
        "partOf": [context.reference_at(_type(element), element)],
        "status": "final",
        "code": required_concept(child(criterion, "code"), context),
        "subject": context.patient,
        **observation_value([value], context),
    }
    return context.add_at(resource, criterion)


def _type(element: Element) -> str:
    return "MedicationAdministration" if _is_given(element) else "MedicationStatement"
