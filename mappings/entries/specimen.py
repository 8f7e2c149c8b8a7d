"""FR-Prelevement and the specimen of an isolate to Specimen. Source: FRSpecimenLMCDAFHIR."""

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import comments, has_template, inner_acts, read
from mappings.fhir import Json, compact
from mappings.header.parties import party

COLLECTIONS = frozenset(("1.2.250.1.213.1.1.3.77", "1.3.6.1.4.1.19376.1.3.1.2"))
APSR_COLLECTIONS = frozenset(("1.2.250.1.213.1.1.3.100", "1.3.6.1.4.1.19376.1.8.1.4.1"))
TEMPLATE_IDS = (*sorted(COLLECTIONS), *sorted(APSR_COLLECTIONS))
RECEPTIONS = frozenset(("1.2.250.1.213.1.1.3.107", "1.3.6.1.4.1.19376.1.3.1.3"))


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a collection that stands alone."""
    return [collected_specimen(element, context)]


def collected_specimen(element: Element, context: Context) -> Json:
    """Convert the procedure that collected a specimen, and give the reference to the Specimen."""
    read(element, context)
    role = _product(element, context)
    playing = child(role, "playingEntity") if role is not None else None
    ids = children(role, "id") if role is not None else []
    context.imply(element, "statusCode")
    for specimen in context.take_all(element, "specimen"):
        inner = child(specimen, "specimenRole")
        ids += children(inner, "id") if inner is not None else []
    resource = {
        "resourceType": "Specimen",
        "identifier": identifiers([*context.take_all(element, "id"), *ids]),
        "type": cd_to_codeable_concept(child(playing, "code"), context) if playing is not None else None,
        "subject": context.patient,
        "receivedTime": _received(element, context),
        "collection": _collection(element, context),
        "note": comments(element, context),
    }
    return context.add_at(compact(resource), element)


def named_specimen(element: Element, context: Context) -> Json | None:
    """Convert the specimen that an isolate or a result names; None when it says nothing."""
    role = child(element, "specimenRole")
    if role is None:
        return None
    playing = child(role, "specimenPlayingEntity")
    resource = compact(
        {
            "resourceType": "Specimen",
            "identifier": identifiers(children(role, "id")),
            "type": cd_to_codeable_concept(child(playing, "code"), context) if playing is not None else None,
            "subject": context.patient,
        }
    )
    return context.add_at(resource, element) if resource.keys() & {"identifier", "type"} else None


def _product(element: Element, context: Context) -> Element | None:
    for participant in children(element, "participant"):
        if participant.get("typeCode") == "PRD":
            context.taken.add(participant)
            return child(participant, "participantRole")
    return None


def _collection(element: Element, context: Context) -> Json:
    time = context.take(element, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    performer = context.take(element, "performer")
    who = party(child(performer, "assignedEntity"), context) if performer is not None else None
    if who and context.resources[who["reference"]]["resourceType"] not in ("Practitioner", "PractitionerRole"):
        context.report("warning", "not-supported", "An organisation that collected a specimen is not kept.", performer)
        who = None
    moment = {"collectedPeriod": period} if len(period) == 2 else {"collectedDateTime": date_time(time, context)}
    return compact(
        {
            "collector": who,
            **moment,
            "method": cd_to_codeable_concept(context.take(element, "code"), context),
            "bodySite": cd_to_codeable_concept(context.take(element, "targetSiteCode"), context),
        }
    )


def _received(element: Element, context: Context) -> str | None:
    for _, act in inner_acts(element):
        if has_template(act, RECEPTIONS):
            read(act, context)
            context.imply(act, "code", "statusCode", "id")
            return date_time(context.take(act, "effectiveTime"), context)
    return None
