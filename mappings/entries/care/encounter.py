"""FR-Rencontre, FR-Transfert-du-patient and FR-Disposition to Encounter.

Source: FREncounterLMCDAFHIR. Spec: encounter.html.

Choice: the table writes Encounter.author and a note, which R4 lacks: an author is a participant, and words that are
only in the act are the Encounter's own narrative. A code of ActEncounterCode is the class; any other is the type,
because class says inpatient or ambulatory. A request or an appointment (ARQ, INT, APT) is a planned Encounter.
"""

from html import escape

from mappings.cda.datatypes import cd_to_codeable_concept, cd_to_coding, concept_or_absent, identifiers
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.narrative import XHTML
from mappings.cda.vocabulary import INTERNAL, absent_reason
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.care.places import location
from mappings.entries.clinical_statement import comments, is_negated, read, status
from mappings.entries.related import attach, loose
from mappings.entries.subject import is_about_other, other_subject
from mappings.fhir import Json, absent, compact, concept
from mappings.header.organization import organization
from mappings.header.parties import party

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.58",
    "1.2.250.1.213.1.1.3.28",
    "1.2.250.1.213.1.1.3.97",
    "1.2.250.1.213.1.1.3.215",
    "1.2.250.1.213.1.1.3.216",
    "1.2.250.1.213.1.1.3.218",
    "1.3.6.1.4.1.19376.1.5.3.1.1.10.4.1",
    "1.3.6.1.4.1.19376.1.5.3.1.1.25.1.4.1",
    "1.3.6.1.4.1.19376.1.5.3.1.4.14",
    "2.16.840.1.113883.10.20.22.4.49",
)
ACT_CODES = "2.16.840.1.113883.5.4"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"

_PEOPLE = ("Practitioner", "PractitionerRole", "RelatedPerson")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert an encounter that was, or that is planned."""
    if is_about_other(element, context):
        # R4's encounters are the patient's; what was observed of the relative says whom it is about.
        with context.about(other_subject(child(element, "subject"), context)):
            return loose(element, context)
    read(element, context)
    time = context.take(element, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    resource = compact(
        {
            "resourceType": "Encounter",
            "text": narrative(comments(element, context)),
            "identifier": identifiers(context.take_all(element, "id")),
            "status": _status(element, time, period, context),
            **_kind(context.take(element, "code"), context),
            "priority": concept_or_absent(context.take(element, "priorityCode"), context),
            "subject": context.patient,
            "period": period or _unknown(time),
        }
    )
    resource |= compact(_participants(element, context))
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def narrative(notes: list[Json]) -> Json | None:
    """Write notes as the narrative of a resource that has no note."""
    if not notes:
        return None
    words = "".join(f"<p>{escape(note['text'], quote=False)}</p>" for note in notes)
    return {"status": "additional", "div": f'<div xmlns="{XHTML}">{words}</div>'}


def _status(element: Element, time: Element | None, period: Json, context: Context) -> str:
    if is_negated(element):
        status(element, "Encounter", context)
        return "cancelled"
    if (element.get("moodCode") or "EVN") != "EVN":
        return status(element, "PlannedEncounter", context) or "planned"
    stated = status(element, "Encounter", context)
    is_moment = time is not None and time.get("value") is not None
    return stated or ("finished" if is_moment or "end" in period else "unknown")


def _unknown(time: Element | None) -> Json | None:
    flavor = time.get("nullFlavor") if time is not None else None
    return absent(absent_reason(flavor)) if flavor else None


def _kind(code: Element | None, context: Context) -> Json:
    coding = cd_to_coding(code, context) if code is not None and code.get("codeSystem") == ACT_CODES else {}
    words = cd_to_codeable_concept(code, context)
    if coding and not words.keys() - {"coding"} and len(words["coding"]) == 1:
        return {"class": coding}
    return {"class": coding or absent("unknown"), "type": [words] if words else None}


def _participants(element: Element, context: Context) -> Json:
    people: list[Json] = []
    places: list[Json] = []
    destination: Json | None = None
    provider: Json | None = None
    entities = [("PPRF", found, child(found, "assignedEntity")) for found in context.take_all(element, "performer")]
    entities += [("AUT", found, child(found, "assignedAuthor")) for found in context.take_all(element, "author")]
    entities += [("INF", found, child(found, "assignedEntity")) for found in context.take_all(element, "informant")]
    for participant in children(element, "participant"):
        context.taken.add(participant)
        kind, role = participant.get("typeCode") or "PART", child(participant, "participantRole")
        place = location(role, context) if kind in ("LOC", "DST", "RCV", "ORG") else None
        if kind == "LOC" and place:
            places.append({"location": place})
        elif kind in ("DST", "RCV") and destination is None:
            destination = place
        elif place:
            places.append({"location": place})
        else:
            entities.append((kind, participant, role))
    for kind, participation, entity in entities:
        provider = provider or _provider(entity, context)
        individual = _person(kind, participation, entity, context)
        people += individual
        if not individual:
            context.taken.discard(participation)
    return {
        "participant": people,
        "hospitalization": {"destination": destination} if destination else None,
        "location": places,
        "serviceProvider": provider,
    }


def _provider(entity: Element | None, context: Context) -> Json | None:
    return organization(child(entity, "representedOrganization"), context) if entity is not None else None


def _person(kind: str, participation: Element, entity: Element | None, context: Context) -> list[Json]:
    who = party(entity, context, child(participation, "functionCode"))
    if who is None or context.resources[who["reference"]]["resourceType"] not in _PEOPLE:
        return []
    period = ivl_ts_to_period(child(participation, "time"), context)
    return [compact({"type": [concept(PARTICIPATION_TYPE, kind)], "period": period, "individual": who})]
