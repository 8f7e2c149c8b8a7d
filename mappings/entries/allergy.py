"""FR-Liste-des-allergies and FR-Allergie-ou-hypersensibilite to AllergyIntolerance.

Source: FRAllergyIntoleranceLMCDAFHIR. Spec: allergyintolerance.html.

Choice: the table leaves the parts of a reaction without a target: the problem is the manifestation, with its date,
its severity and its comments. A reaction that is denied is none: it is a refuted Condition. The value of an allergy
that also names its agent is an extension, because R4 has one code for both.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers, required_concept
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.names import words
from mappings.cda.values import VALUE
from mappings.cda.vocabulary import INTERNAL, concept_map
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import (
    asserter,
    comments,
    has_template,
    inner_acts,
    is_negated,
    pointed_words,
    read,
)
from mappings.entries.problem import PROBLEMS
from mappings.entries.problem_status import certainty, clinical_status, criticality, severity_code
from mappings.entries.related import attach, loose
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, compact, concept, extension

LISTS = frozenset(("1.2.250.1.213.1.1.3.40", "1.3.6.1.4.1.19376.1.5.3.1.4.5.3", "2.16.840.1.113883.10.20.22.4.30"))
ALLERGIES = frozenset(
    (
        "1.2.250.1.213.1.1.3.41",
        "1.3.6.1.4.1.19376.1.5.3.1.4.6",
        "2.16.840.1.113883.10.20.1.18",
        "2.16.840.1.113883.10.20.22.4.7",
    )
)
TEMPLATE_IDS = (*sorted(LISTS), *sorted(ALLERGIES))
CLINICAL = INTERNAL + "allergyintolerance-clinical"
VERIFICATION = INTERNAL + "allergyintolerance-verification"

_CLINICAL_CODES = {"active": "active", "recurrence": "active", "relapse": "active", "inactive": "inactive"}
_CLINICAL_CODES |= {"remission": "inactive", "resolved": "resolved"}
_VERIFICATION_CODES = {"confirmed": "confirmed", "refuted": "refuted"}
_MANIFESTATIONS = ("MFST", "CAUS")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a list act to the allergies in it, or an allergy that stands alone."""
    if is_about_other(element, context):
        return []
    if element.tag != HL7 + "act":
        return allergy(element, context)
    acts = [act for _, act in inner_acts(element) if has_template(act, ALLERGIES)]
    found = [reference for act in acts for reference in allergy(act, context)]
    if found:
        read(element, context)
        context.imply(element, "id", "code", "statusCode", "effectiveTime")
    return [*found, *loose(element, context)]


def allergy(element: Element, context: Context) -> list[Json]:
    """Convert one allergy or intolerance, with what is said inside it and listed beside it."""
    read(element, context)
    context.take(element, "statusCode")
    time = context.take(element, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    stated = certainty(element, context)
    code = _substance(element, context)
    verification = "refuted" if is_negated(element) else _VERIFICATION_CODES.get(stated or "", "unconfirmed")
    resource = {
        "resourceType": "AllergyIntolerance",
        "extension": _stated_value(element, code, context),
        "identifier": identifiers(context.take_all(element, "id")),
        "clinicalStatus": concept(CLINICAL, _clinical(element, period, context)),
        "verificationStatus": concept(VERIFICATION, verification) if stated or is_negated(element) else None,
        **_type(element, context),
        "criticality": criticality(element, context),
        "code": code,
        "patient": context.patient,
        **({"onsetPeriod": period} if "end" in period else {"onsetDateTime": date_time(time, context)}),
        "note": [*_pointed(element, context), *comments(element, context)],
        "reaction": _reactions(element, context),
        **asserter(element, context),
    }
    converted = compact(resource)
    beside = attach(converted, element, context)
    return [context.add_at(converted, element), *beside]


def _pointed(element: Element, context: Context) -> list[Json]:
    text = pointed_words(element, context)
    return [{"text": text}] if text else []


def _clinical(element: Element, period: Json, context: Context) -> str:
    """Choice: an allergy without a stated status is active unless it ended; R4 wants a status (ait-1)."""
    stated = _CLINICAL_CODES.get(clinical_status(element, context) or "")
    return stated or ("resolved" if "end" in period else "active")


def _type(element: Element, context: Context) -> Json:
    code = child(element, "code")
    value = code.get("code") if code is not None else None
    known: Json | None = concept_map("allergy_types").get(value or "")
    if known is None:
        return {}
    context.take(element, "code")
    return {"type": known.get("type"), "category": [known["category"]] if "category" in known else None}


def _substance(element: Element, context: Context) -> Json:
    """Convert the agent; without one the value of the observation may name the allergy, or its known absence."""
    values = context.take_all(element, "value")
    for participant in children(element, "participant"):
        playing = participant.find(f"{HL7}participantRole/{HL7}playingEntity")
        if participant.get("typeCode") != "CSM" or playing is None:
            continue
        context.taken.add(participant)
        code, name = cd_to_codeable_concept(child(playing, "code"), context), words(child(playing, "name"))
        converted = {**code, "text": name} if name else code
        if converted:
            return converted
    return required_concept(values[0] if values else None, context)


def _stated_value(element: Element, code: Json, context: Context) -> list[Json]:
    """Keep the value of an allergy that names an agent too: R4 has one code for both."""
    value = cd_to_codeable_concept(child(element, "value"), context)
    return [extension(VALUE, valueCodeableConcept=value)] if value and value != code else []


def _reactions(element: Element, context: Context) -> list[Json]:
    found: list[Json] = []
    for kind, act in inner_acts(element):
        if kind not in _MANIFESTATIONS or not has_template(act, PROBLEMS) or is_negated(act):
            continue
        read(act, context)
        context.imply(act, "id", "code", "statusCode")
        manifestation = required_concept(context.take(act, "value"), context)
        reaction = {
            "manifestation": [manifestation],
            "onset": date_time(context.take(act, "effectiveTime"), context),
            "severity": severity_code(act, context),
            "note": comments(act, context),
        }
        found.append(compact(reaction))
    return found
