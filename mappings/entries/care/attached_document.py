"""FR-Document-attache to DocumentReference. Source: FRAttachmentLMCDAFHIR.

Choice: the observation of the document's type is DocumentReference.type; its words are the title, as the table says.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers
from mappings.cda.dates import date_time, ts_to_instant
from mappings.cda.media import attachment
from mappings.cda.values import observation_value
from mappings.cda.xml import HL7, Element, child
from mappings.context import Context
from mappings.entries.clinical_statement import comments, has_template, inner_acts, read
from mappings.entries.related import attach
from mappings.fhir import Json, compact, one

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.18",)
TYPES = frozenset(("1.2.250.1.213.1.1.3.48", "1.2.250.1.213.1.1.3.48.18"))


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the group of a file and its type."""
    medias = [act for _, act in inner_acts(element) if act.tag == HL7 + "observationMedia"]
    files = [(media, attachment(value, context)) for media in medias if (value := child(media, "value")) is not None]
    files = [(media, file) for media, file in files if file]
    if not files:
        return []
    read(element, context)
    context.imply(element, "statusCode")
    described = _described(element, context)
    time = child(element, "effectiveTime")
    context.imply(element, "effectiveTime")
    found: list[Json] = []
    category = one(cd_to_codeable_concept(context.take(element, "code"), context))
    numbers = context.take_all(element, "id")
    for media, file in files:
        context.taken.update([media, *media])
        resource = {
            "resourceType": "DocumentReference",
            "identifier": identifiers([*numbers, *media.iterchildren(HL7 + "id")]),
            "status": "current",
            "type": described.get("type"),
            "category": category,
            "subject": context.patient,
            "date": ts_to_instant(time.get("value") or "") if time is not None else None,
            "description": media.get("ID") or " ".join(note["text"] for note in comments(element, context)),
            "content": [
                {"attachment": compact({**file, "title": described.get("title"), "creation": described.get("date")})}
            ],
        }
        found.append(context.add_at(compact(resource), media))
    context.origins[element] = found[0]["reference"]
    return [*found, *attach(context.resources[found[0]["reference"]], element, context)]


def _described(element: Element, context: Context) -> Json:
    for _, act in inner_acts(element):
        if has_template(act, TYPES):
            read(act, context)
            context.imply(act, "id", "code", "statusCode")
            stated = observation_value(context.take_all(act, "value"), context)
            kind = stated.get("valueCodeableConcept", {})
            text = stated.get("valueString") or context.referenced_text(child(act, "text")) or kind.get("text")
            return {"type": kind, "title": text, "date": date_time(context.take(act, "effectiveTime"), context)}
    return {}
