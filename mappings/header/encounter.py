"""componentOf to Encounter and Location. Source: FREncounterLMCDAFHIR."""

from mappings.cda.datatypes import cd_to_codeable_concept, cd_to_coding, identifiers, ii_key
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.names import addresses, telecoms, words
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.fhir import Json, absent, compact, concept, one
from mappings.header.organization import (
    STRUCTURES,
    known_or_added,
    organization,
    organization_identifiers,
)
from mappings.header.parties import party


def encounter(context: Context) -> Json | None:
    """Convert the encounter that the document belongs to, and give the reference to it."""
    component = context.take(context.document, "componentOf")
    element = context.take(component, "encompassingEncounter") if component is not None else None
    if element is None:
        return None
    context.account(element, "encompassingEncounter")
    time = context.take(element, "effectiveTime")
    place = context.take(element, "location")
    facility = child(place, "healthCareFacility") if place is not None else None
    code = context.take(element, "code")
    period = ivl_ts_to_period(time, context)
    participants, responsible = _participants(element, context)
    where = _location(facility, context)
    resource = {
        "resourceType": "Encounter",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": _status(time, period),
        "class": (cd_to_coding(code, context) if code is not None else {}) or absent("unknown"),
        "subject": context.patient,
        "participant": participants,
        "period": period,
        "hospitalization": compact(
            {"dischargeDisposition": cd_to_codeable_concept(context.take(element, "dischargeDispositionCode"), context)}
        ),
        "location": [{"location": where}] if where else None,
        "serviceProvider": _provider(facility, responsible, context),
    }
    return context.add(compact(resource), "componentOf")


def _status(time: Element | None, period: Json) -> str:
    """Choice: an end or a single moment tells a finished encounter; a start alone does not tell that it goes on."""
    is_moment = time is not None and time.get("value") is not None
    return "finished" if is_moment or "end" in period else "unknown"


def _participants(element: Element, context: Context) -> tuple[list[Json], Element | None]:
    found: list[Json] = []
    responsible = context.take(element, "responsibleParty")
    people = [(responsible, "RESP")] if responsible is not None else []
    people += [
        (person, person.get("typeCode") or "PART") for person in context.take_all(element, "encounterParticipant")
    ]
    for person, code in people:
        individual = party(child(person, "assignedEntity"), context)
        resource_type = context.resources.get(individual["reference"], {}).get("resourceType") if individual else None
        if resource_type in ("Practitioner", "PractitionerRole", "RelatedPerson"):
            kind = concept(INTERNAL + "v3-ParticipationType", code)
            period = ivl_ts_to_period(child(person, "time"), context)
            found.append(compact({"type": [kind], "period": period, "individual": individual}))
    entity = child(responsible, "assignedEntity") if responsible is not None else None
    return found, entity


def _location(facility: Element | None, context: Context) -> Json | None:
    if facility is None:
        return None
    place = child(facility, "location")
    found = addresses(children(place, "addr"), context) if place is not None else []
    resource = compact(
        {
            "resourceType": "Location",
            "identifier": organization_identifiers([i for i in children(facility, "id") if ii_key(i)]),
            "name": words(child(place, "name")) if place is not None else None,
            "type": one(cd_to_codeable_concept(child(facility, "code"), context)),
            "telecom": telecoms(children(place, "telecom"), context) if place is not None else None,
            "address": found[0] if found else None,
        }
    )
    return context.add(resource, "healthCareFacility") if len(resource) > 1 else None


def _provider(facility: Element | None, responsible: Element | None, context: Context) -> Json | None:
    """Find who provides the care: the named organisation, the structure number of the place, or who is responsible."""
    if facility is not None:
        named = organization(child(facility, "serviceProviderOrganization"), context)
        if named:
            return named
        ids = [number for number in children(facility, "id") if number.get("root") == STRUCTURES and ii_key(number)]
        if ids:
            name = words(facility.find(f"{HL7}location/{HL7}name"))
            numbers = organization_identifiers(ids)
            resource = compact({"resourceType": "Organization", "identifier": numbers, "name": name})
            return known_or_added(resource, ii_key(ids[0]), context)
    entity = child(responsible, "representedOrganization") if responsible is not None else None
    return organization(entity, context)
