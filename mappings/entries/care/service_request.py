"""FR-Demande-d-examen-ou-de-suivi and every act in a mood of intent to ServiceRequest.

Source: FRServiceRequestLMCDAFHIR.

Choice: in an intent, completed says that the request is written, not that it was carried out: it is active. Choice:
the value of a requested observation is what is asked (a quantity, a detail); a value false asks not to do it.
"""

from mappings.cda.datatypes import concept_or_absent, identifiers, required_concept
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.values import observation_value
from mappings.cda.vocabulary import absent_reason, translate
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.care.places import location
from mappings.entries.clinical_statement import comments, is_negated, read, status
from mappings.entries.internal_reference import internal_references
from mappings.entries.related import attach
from mappings.entries.specimen import named_specimen
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, absent, compact, extension
from mappings.header.parties import party

INTENTS = {"INT": "plan", "PRMS": "plan", "PRP": "proposal", "ARQ": "proposal", "APT": "plan", "RQO": "order"}
PRIORITY = "urn:hl7-org:v3#Act.priorityCode"

_PERFORMERS = ("Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device")
_REQUESTERS = ("Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert what is asked for or planned."""
    if is_about_other(element, context):
        return []
    read(element, context)
    asked = _asked(context.take_all(element, "value"), context)
    refused = is_negated(element) or asked.pop("refused", False)
    priority = context.take(element, "priorityCode")
    code = translate("priorities", priority.get("code")) if priority is not None else None
    resource = compact(
        {
            "resourceType": "ServiceRequest",
            "extension": _priority(priority, context),
            "identifier": identifiers(context.take_all(element, "id")),
            "status": status(element, "Request", context) or "unknown",
            "intent": INTENTS.get(element.get("moodCode") or "", "plan"),
            "priority": code,
            "doNotPerform": True if refused else None,
            "code": required_concept(context.take(element, "code"), context),
            "subject": context.patient,
            **asked,
            **occurrence(context.take(element, "effectiveTime"), context),
            **_requester(element, context),
            "bodySite": _sites(element, context),
            "specimen": _specimens(element, context),
            "note": comments(element, context),
        }
    )
    resource |= compact(_participants(element, context))
    internal_references(resource, element, context)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _priority(priority: Element | None, context: Context) -> list[Json]:
    """Keep the priority as it was written too: FHIR has four codes, HL7 v3 a dozen."""
    converted = concept_or_absent(priority, context)
    return [extension(PRIORITY, valueCodeableConcept=converted)] if converted else []


def occurrence(time: Element | None, context: Context) -> Json:
    """Convert when it is to be done."""
    period = ivl_ts_to_period(time, context)
    if time is not None and time.get("value") and "start" in period:
        return {"occurrenceDateTime": period["start"]}
    if period:
        return {"occurrencePeriod": period}
    flavor = time.get("nullFlavor") if time is not None else None
    return {"_occurrenceDateTime": absent(absent_reason(flavor))} if flavor else {}


def _asked(values: list[Element], context: Context) -> Json:
    if not values:
        return {}
    converted = observation_value(values, context)
    if "valueBoolean" in converted:
        return {"refused": True} if converted["valueBoolean"] is False else {}
    if "valueQuantity" in converted:
        return {"quantityQuantity": converted["valueQuantity"]}
    if "valueRange" in converted or "valueRatio" in converted:
        name = "Range" if "valueRange" in converted else "Ratio"
        return {f"quantity{name}": converted[f"value{name}"]}
    if "valueCodeableConcept" in converted:
        return {"orderDetail": [converted["valueCodeableConcept"]]}
    literal = next((value for name, value in converted.items() if name.startswith("value")), None)
    return {"orderDetail": [{"text": str(literal)}]} if isinstance(literal, str | int) else {}


def _requester(element: Element, context: Context) -> Json:
    author = context.take(element, "author")
    if author is None:
        return {}
    who = party(child(author, "assignedAuthor"), context)
    kind = context.resources[who["reference"]]["resourceType"] if who else None
    moment = date_time(child(author, "time"), context)
    return compact({"requester": who if kind in _REQUESTERS else None, "authoredOn": moment})


def _sites(element: Element, context: Context) -> list[Json]:
    found = [*context.take_all(element, "targetSiteCode"), *context.take_all(element, "approachSiteCode")]
    found += context.take_all(element, "methodCode")
    return [site for code in found if (site := concept_or_absent(code, context))]


def _specimens(element: Element, context: Context) -> list[Json]:
    return [found for item in context.take_all(element, "specimen") if (found := named_specimen(item, context))]


def _participants(element: Element, context: Context) -> Json:
    performers: dict[str, Json] = {}
    places: list[Json] = []
    entities = [child(found, "assignedEntity") for found in context.take_all(element, "performer")]
    for participant in children(element, "participant"):
        context.taken.add(participant)
        role = child(participant, "participantRole")
        if participant.get("typeCode") in ("LOC", "DST"):
            places += [place] if (place := location(role, context)) else []
        else:
            entities.append(role)
    for entity in entities:
        who = party(entity, context)
        if who and context.resources[who["reference"]]["resourceType"] in _PERFORMERS:
            performers[who["reference"]] = who
    return {"performer": [*performers.values()], "locationReference": places}
