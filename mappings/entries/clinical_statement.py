"""What every CDA act shares: status, comments, people, and the acts inside it. Source: HL7 CDA R2, 4.3.6."""

from collections.abc import Iterator

from mappings.cda.datatypes import boolean, cd_to_codeable_concept
from mappings.cda.dates import date_time
from mappings.cda.names import words
from mappings.cda.vocabulary import INTERNAL, act_status
from mappings.cda.xml import ACTS, HL7, Element, child, children, model_ids
from mappings.context import Context
from mappings.fhir import Json, compact, concept, extension
from mappings.header.parties import party

COMMENT = frozenset(("1.2.250.1.213.1.1.3.32", "1.3.6.1.4.1.19376.1.5.3.1.4.2", "2.16.840.1.113883.10.20.1.40"))
PERFORMER_FUNCTION = "http://hl7.org/fhir/StructureDefinition/event-performerFunction"
ACT_CODE = "urn:hl7-org:v3#Act.code"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"

_RELATIONS = frozenset((HL7 + "entryRelationship", HL7 + "component"))
_ACTS = frozenset(ACTS)
_WITNESSES = ("AUTHEN", "RESP", "VRF", "LA")


def inner_acts(element: Element) -> Iterator[tuple[str, Element]]:
    """Go through the acts inside an act, each with the type of its relation."""
    for relation in element:
        if relation.tag in _RELATIONS:
            for act in relation:
                if act.tag in _ACTS:
                    yield relation.get("typeCode") or "COMP", act


def has_template(element: Element, template_id_set: frozenset[str]) -> bool:
    """Tell whether an act claims one of those templates."""
    return not template_id_set.isdisjoint(model_ids(element))


def read(element: Element, context: Context) -> None:
    """Note that an act is carried over, with the parts that say no more than what its resource type does."""
    context.taken.add(element)
    text = context.take(element, "text")
    if text is not None and words(text) and not has_template(element, COMMENT):
        context.taken.discard(text)


def status(element: Element, resource_type: str, context: Context) -> str | None:
    """Give the resource's status for the statusCode; report a code that has none."""
    code = context.take(element, "statusCode")
    value = code.get("code") if code is not None else None
    found = act_status(resource_type, value)
    if value and found is None:
        context.report("warning", "code-invalid", f"The status '{value}' of an act has no FHIR equivalent.", code)
    return found


def is_negated(element: Element) -> bool:
    """Tell whether the act, or its relation to the act that it lies in, says that something is not so."""
    relation = element.getparent()
    is_denied = relation is not None and boolean(relation.get("negationInd")) is True
    return is_denied or boolean(element.get("negationInd")) is True


def pointed_words(element: Element, context: Context) -> str | None:
    """Give the words of the narrative that an act points to; None when it has words of its own, which are its note.

    Choice: the tables copy these words into every resource. The section holds them, so that they are copied only where
    a list is read without its document and the words say what no code does: a dosage, an allergy.
    """
    text = child(element, "text")
    return context.referenced_text(text) if text is not None and not words(text) else None


def comments(element: Element, context: Context) -> list[Json]:
    """Convert the comment acts inside an act, and its own free words, to notes."""
    found: list[Json] = []
    own = child(element, "text")
    if own is not None and own not in context.taken:
        context.taken.add(own)
        found.append({"text": context.referenced_text(own) or ""})
    for _, act in inner_acts(element):
        if has_template(act, COMMENT):
            note = _comment(act, context)
            if "text" in note:
                found.append(note)
    return [note for note in found if note["text"]]


def _comment(act: Element, context: Context) -> Json:
    read(act, context)
    context.imply(act, "id", "code", "statusCode")
    author = context.take(act, "author")
    moment = date_time(context.take(act, "effectiveTime"), context)
    who = party(child(author, "assignedAuthor"), context) if author is not None else None
    text = context.referenced_text(context.take(act, "text"))
    return compact({"authorReference": who, "time": moment, "text": text})


def act_code(element: Element, context: Context) -> list[Json]:
    """Keep the code of an act whose resource type has no element for it, as the extension that HL7 v3 names."""
    code = cd_to_codeable_concept(context.take(element, "code"), context)
    return [extension(ACT_CODE, valueCodeableConcept=code)] if code else []


def performers(element: Element, context: Context) -> list[Json]:
    """Convert performers, and the authors and validators that FHIR lists with them, each with its function."""
    found: list[Json] = []
    for performer in context.take_all(element, "performer"):
        found += _reference(performer, "assignedEntity", None, context)
    for author in context.take_all(element, "author"):
        found += _reference(author, "assignedAuthor", "AUT", context)
    for participant in children(element, "participant"):
        if participant.get("typeCode") in _WITNESSES:
            context.taken.add(participant)
            found += _reference(participant, "participantRole", participant.get("typeCode"), context)
    return found


def _reference(participation: Element, name: str, function: str | None, context: Context) -> list[Json]:
    entity = child(participation, name)
    who = party(entity, context, child(participation, "functionCode"))
    if who is None:
        return []
    if context.resources[who["reference"]]["resourceType"] == "Device":
        context.report(
            "warning", "not-supported", "A device that authored a result is not its performer in R4.", entity
        )
        return []
    if function is None:
        return [who]
    code = concept(PARTICIPATION_TYPE, function)
    return [{"extension": [extension(PERFORMER_FUNCTION, valueCodeableConcept=code)], **who}]


def asserter(element: Element, context: Context) -> Json:
    """Convert the first author of an act to recorder and recordedDate."""
    author = context.take(element, "author")
    if author is None:
        return {}
    who = party(child(author, "assignedAuthor"), context)
    if who and context.resources[who["reference"]]["resourceType"] in ("Device", "Organization"):
        context.taken.discard(author)
        return {}
    return compact({"recorder": who, "recordedDate": date_time(child(author, "time"), context)})
