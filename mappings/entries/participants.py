"""The participants of an act that its resource type has no element for: an extension that HL7 v3 names.

Source: HL7 CDA R2, 4.3.6.6 (participant), 4.3.6.4 (informant).
"""

from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.care.places import location
from mappings.fhir import Json, concept, extension, nested_extension
from mappings.header.parties import party, related_person

PARTICIPANT = "urn:hl7-org:v3#Act.participant"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"

_PLACES = ("SDLOC", "LOCE", "TERR")
_ENTITIES = ("participantRole", "assignedEntity", "assignedAuthor", "relatedEntity")
_TYPES = {"performer": "PRF", "author": "AUT", "informant": "INF", "participant": "PART"}


def participants(element: Element, context: Context) -> list[Json]:
    """Convert the people and places of an act that its converter left: their part in it, when, and who they are."""
    found: list[Json] = []
    for name, default in _TYPES.items():
        for participation in children(element, name):
            who = None if participation in context.taken else _who(participation, context)
            if who is None:
                continue
            context.taken.add(participation)
            kind = concept(PARTICIPATION_TYPE, participation.get("typeCode") or default)
            period = ivl_ts_to_period(child(participation, "time"), context)
            parts = [extension("type", valueCodeableConcept=kind)]
            parts += [extension("time", valuePeriod=period)] if period else []
            found.append(nested_extension(PARTICIPANT, [*parts, extension("party", valueReference=who)]))
    return found


def _who(participation: Element, context: Context) -> Json | None:
    entity = next((role for name in _ENTITIES if (role := child(participation, name)) is not None), None)
    if entity is None:
        return None
    if entity.get("classCode") in _PLACES:
        return location(entity, context)
    if entity.tag.endswith("relatedEntity"):
        return related_person(entity, context)
    return party(entity, context, child(participation, "functionCode")) or location(entity, context)
