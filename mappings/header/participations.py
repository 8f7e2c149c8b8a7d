"""Authors, attesters and the other people of the header, as Composition members and extensions.

Source: FRAuthorLMCDAFHIR, FRLegalAuthenticationLMCDAFHIR, FRAttesterLMCDAFHIR, FRInformantLMCDAFHIR,
FRParticipantHeaderLMCDAFHIR, FRIntendedRecipientLMCDAFHIR; hl7.org/fhir/uv/fhir-clinical-document (extensions).
"""

from mappings.cda.datatypes import cd_to_codeable_concept
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.vocabulary import INTERNAL
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.fhir import Json, absent, compact, concept, extension, nested_extension
from mappings.header.parties import party, related_person
from mappings.header.patient import contact
from mappings.header.related_acts import CLINICAL_DOCUMENT, DOCUMENT_CORE

AUTHOR_TIME = DOCUMENT_CORE + "fr-author-time"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"
ROLE_CLASS = INTERNAL + "v3-RoleClass"

_CONTACTS = ("NOK", "ECON")
_PHYSICIAN = "PCP"


def authors(owner: Element, context: Context) -> list[Json]:
    """Convert the authors of a document or section; each reference carries when its author wrote."""
    found: list[Json] = []
    for element in context.take_all(owner, "author"):
        who = party(child(element, "assignedAuthor"), context, child(element, "functionCode"))
        if who:
            moment = date_time(child(element, "time"), context)
            found.append(
                compact({"extension": [extension(AUTHOR_TIME, valueDateTime=moment)] if moment else None, **who})
            )
    return found


def document_authors(context: Context) -> list[Json]:
    """Convert the authors of the document, which FHIR wants at least one of."""
    found = authors(context.document, context)
    if not found:
        context.report("warning", "required", "The document names no author.", context.document)
    return found or [absent("unknown")]


def attesters(context: Context) -> list[Json]:
    """Convert legalAuthenticator and authenticator to Composition.attester."""
    found: list[Json] = []
    for name, mode in (("legalAuthenticator", "legal"), ("authenticator", "professional")):
        for element in context.take_all(context.document, name):
            who = party(child(element, "assignedEntity"), context)
            if who and context.resources[who["reference"]]["resourceType"] == "Device":
                context.report("warning", "not-supported", "A device cannot attest a Composition in R4.", element)
                who = None
            moment = date_time(child(element, "time"), context)
            found.append(compact({"mode": mode, "time": moment, "party": who}))
    return found


def participation_extensions(context: Context) -> list[Json]:
    """Convert data enterer, informants, recipients and participants to extensions of the Composition."""
    return [*_data_enterer(context), *_informants(context), *_recipients(context), *_participants(context)]


def _data_enterer(context: Context) -> list[Json]:
    found: list[Json] = []
    for element in context.take_all(context.document, "dataEnterer"):
        who = party(child(element, "assignedEntity"), context)
        moment = date_time(child(element, "time"), context)
        parts = [extension("time", valueDateTime=moment)] if moment else []
        if who:
            parts.append(extension("party", valueReference=who))
            found.append(nested_extension(CLINICAL_DOCUMENT + "data-enterer-extension", parts))
    return found


def _informants(context: Context) -> list[Json]:
    found: list[Json] = []
    for element in context.take_all(context.document, "informant"):
        related = child(element, "relatedEntity")
        if related is not None:
            role = related.get("classCode") or "PRS"
            who: Json | None = related_person(related, context)
            _add_contact(related, role, context)
        else:
            role = "ASSIGNED"
            who = party(child(element, "assignedEntity"), context)
        if who:
            parts = [
                extension("type", valueCodeableConcept=concept(ROLE_CLASS, role)),
                extension("party", valueReference=who),
            ]
            found.append(nested_extension(CLINICAL_DOCUMENT + "informant-extension", parts))
    return found


def _add_contact(related: Element, role: str, context: Context) -> None:
    if role not in _CONTACTS:
        return
    converted = contact(related, context)
    contacts = context.resources[context.patient["reference"]].setdefault("contact", [])
    if not converted.keys() & {"name", "telecom", "address"}:
        return
    same = [held for held in contacts if _without_relationship(held) == _without_relationship(converted)]
    if same:
        known = same[0]["relationship"]
        known.extend(relation for relation in converted["relationship"] if relation not in known)
    else:
        contacts.append(converted)


def _without_relationship(contact_: Json) -> Json:
    return {name: value for name, value in contact_.items() if name != "relationship"}


def _recipients(context: Context) -> list[Json]:
    found: list[Json] = []
    for element in context.take_all(context.document, "informationRecipient"):
        who = party(child(element, "intendedRecipient"), context)
        if who:
            code = element.get("typeCode") or "PRCP"
            parts = [
                extension("type", valueCodeableConcept=concept(PARTICIPATION_TYPE, code)),
                extension("party", valueReference=who),
            ]
            found.append(nested_extension(CLINICAL_DOCUMENT + "information-recipient-extension", parts))
    return found


def _participants(context: Context) -> list[Json]:
    found: list[Json] = []
    for element in context.take_all(context.document, "participant"):
        entity, function = child(element, "associatedEntity"), child(element, "functionCode")
        role = cd_to_codeable_concept(function, context)
        period = ivl_ts_to_period(child(element, "time"), context)
        who = party(entity, context)
        code = element.get("typeCode") or "IND"
        parts = [extension("type", valueCodeableConcept=concept(PARTICIPATION_TYPE, code))]
        parts += [extension("function", valueCodeableConcept=role)] if role else []
        parts += [extension("time", valuePeriod=period)] if period else []
        parts += [extension("party", valueReference=who)] if who else []
        found.append(nested_extension(CLINICAL_DOCUMENT + "ParticipantExtension", parts))
        if who and function is not None and function.get("code") == _PHYSICIAN:
            _add_physician(who, context)
    return found


def _add_physician(who: Json, context: Context) -> None:
    """Make the declared attending physician the patient's general practitioner."""
    if context.resources[who["reference"]]["resourceType"] not in ("Practitioner", "PractitionerRole", "Organization"):
        return
    physicians = context.resources[context.patient["reference"]].setdefault("generalPractitioner", [])
    if who not in physicians:
        physicians.append(who)
