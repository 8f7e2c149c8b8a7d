"""FR-Vaccination to Immunization. Source: FRImmunisationLMCDAFHIR. Spec: immunization.html.

Choice: the table names occurrencePeriod, which R4 lacks: the first known bound becomes occurrenceDateTime, and an
unknown date becomes an occurrenceString that says why, because R4 requires one and readers expect a value there.
Choice: the table names basedOn, which R4 lacks too: the prescription is a MedicationRequest that names the
vaccination. Choice: the kind of injection (first series, booster) is the series, in words, and the act's code, as an
extension.
"""

from mappings.cda.datatypes import (
    cd_to_codeable_concept,
    concept_or_absent,
    identifiers,
    pq_to_quantity,
    required_concept,
)
from mappings.cda.dates import date_only, date_time
from mappings.cda.names import words
from mappings.cda.values import observation_value
from mappings.cda.vocabulary import INTERNAL, absent_reason
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import act_code, comments, has_template, inner_acts, is_negated, read, status
from mappings.entries.problem import PROBLEMS, problem_observation
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, absent, compact, concept
from mappings.header.organization import organization
from mappings.header.parties import party

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.45",
    "1.3.6.1.4.1.19376.1.5.3.1.4.12",
    "2.16.840.1.113883.10.20.22.4.52",
)
RANKS = frozenset(("1.2.250.1.213.1.1.3.82", "2.16.840.1.113883.10.20.1.46"))
FUNCTION = INTERNAL + "v2-0443"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a vaccination that was done or refused; one that is only planned is left to the report."""
    if element.tag != HL7 + "substanceAdministration" or element.get("moodCode") != "EVN":
        return []
    if is_about_other(element, context):
        return []
    read(element, context)
    done = status(element, "Immunization", context) or "completed"
    resource = {
        "resourceType": "Immunization",
        "extension": act_code(element, context),
        "identifier": identifiers(context.take_all(element, "id")),
        "status": "not-done" if is_negated(element) else done,
        "patient": context.patient,
        **_occurrence(element, context),
        **_product(element, context),
        "site": concept_or_absent(context.take(element, "approachSiteCode"), context),
        "route": concept_or_absent(context.take(element, "routeCode"), context),
        "doseQuantity": pq_to_quantity(context.take(element, "doseQuantity"), context),
        **_people(element, context),
        "note": comments(element, context),
        **_reasons_and_reactions(element, context),
    }
    converted = compact(resource)
    beside = attach(converted, element, context)
    return [context.add_at(converted, element), *beside]


def _occurrence(element: Element, context: Context) -> Json:
    time = context.take(element, "effectiveTime")
    moment = date_time(time, context)
    if moment:
        return {"occurrenceDateTime": moment}
    return {"occurrenceString": absent_reason(time.get("nullFlavor") if time is not None else None)}


def _product(element: Element, context: Context) -> Json:
    consumable = context.take(element, "consumable")
    product = child(consumable, "manufacturedProduct") if consumable is not None else None
    material = child(product, "manufacturedMaterial") if product is not None else None
    if product is None or material is None:
        return {"vaccineCode": absent("unknown")}
    code, name = required_concept(child(material, "code"), context), words(child(material, "name"))
    if name:
        # The name is the product; the words of the code are in the narrative.
        kept = code if "coding" in code or "text" in code else {}
        code = {**kept, "text": name}
    expiry = material.find("{urn:hl7-org:sdtc}expirationTime")
    if expiry is None:
        expiry = material.find("{urn:ihe:pharm:medication}expirationTime")
    return {
        "vaccineCode": code,
        "lotNumber": words(child(material, "lotNumberText")),
        "expirationDate": date_only(expiry, context),
        "manufacturer": organization(child(product, "manufacturerOrganization"), context),
    }


def _people(element: Element, context: Context) -> Json:
    found: list[Json] = []
    recorded: str | None = None
    for performer in context.take_all(element, "performer"):
        found += _performer(child(performer, "assignedEntity"), concept(FUNCTION, "AP"), context)
    for author in context.take_all(element, "author"):
        found += _performer(child(author, "assignedAuthor"), concept(PARTICIPATION_TYPE, "AUT"), context)
        recorded = recorded or date_time(child(author, "time"), context)
    for informant in children(element, "informant"):
        who = _performer(child(informant, "assignedEntity"), concept(PARTICIPATION_TYPE, "INF"), context)
        if who:
            context.taken.add(informant)
        found += who
    return {"performer": found, "recorded": recorded}


def _performer(entity: Element | None, function: Json, context: Context) -> list[Json]:
    who = party(entity, context)
    if who is None:
        return []
    if context.resources[who["reference"]]["resourceType"] not in ("Practitioner", "PractitionerRole", "Organization"):
        context.report("warning", "not-supported", "Only a professional can perform an Immunization in R4.", entity)
        return []
    return [{"function": function, "actor": who}]


def _reasons_and_reactions(element: Element, context: Context) -> Json:
    dose: Json = {}
    diseases: list[Json] = []
    reasons: list[Json] = []
    reactions: list[Json] = []
    for kind, act in inner_acts(element):
        if has_template(act, RANKS):
            dose = _rank(act, context)
        elif not has_template(act, PROBLEMS):
            continue
        elif kind == "CAUS":
            reference, moment = problem_observation(act, context)
            reactions.append(compact({"date": moment, "detail": reference}))
        elif value := cd_to_codeable_concept(child(act, "value"), context):
            read(act, context)
            context.imply(act, "code", "statusCode", "id", "effectiveTime")
            context.take_all(act, "value")
            (reasons if kind == "RSON" else diseases).append(value)
    series = _series(element, context) if dose or diseases else None
    protocol = compact({"series": series, "targetDisease": diseases, **(dose or {"doseNumberString": "unknown"})})
    return {
        "reasonCode": reasons,
        "reaction": reactions,
        "protocolApplied": [protocol] if dose or diseases else None,
    }


def _series(element: Element, context: Context) -> str | None:
    """Keep the kind of injection (first series, booster) as the words of the series."""
    code = context.take(element, "code")
    return (code.get("displayName") or code.get("code")) if code is not None else None


def _rank(act: Element, context: Context) -> Json:
    read(act, context)
    context.imply(act, "code", "statusCode", "id")
    value = observation_value(context.take_all(act, "value"), context)
    rank = value.get("valueInteger")
    if isinstance(rank, int) and rank > 0:
        return {"doseNumberPositiveInt": rank}
    text = value.get("valueString") or (str(rank) if rank is not None else "")
    return {"doseNumberString": text} if text else {}
