"""FR-Acte and the acts that share its shape to Procedure, or to ServiceRequest when they are planned.

Source: FRProcedureLMCDAFHIR, FRImagingProcedureLMCDAFHIR. Spec: procedure.html.

Choice: the table writes both sites in bodySite; so does this. The priority has no place in Procedure and no published
extension: it is an extension that HL7 v3 names. A planned act is a ServiceRequest: a Procedure is done.
"""

from mappings.cda.datatypes import cd_to_codeable_concept, concept_or_absent, identifiers, required_concept
from mappings.cda.dates import ivl_ts_to_period
from mappings.cda.vocabulary import INTERNAL, absent_reason
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.care import service_request
from mappings.entries.care.devices import device_of
from mappings.entries.care.places import location
from mappings.entries.clinical_statement import comments, is_negated, read, status
from mappings.entries.internal_reference import internal_references
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, absent, compact, concept, extension
from mappings.header.parties import party

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.62",
    "1.2.250.1.213.1.1.3.24",
    "1.2.250.1.213.1.1.3.153",
    "1.2.250.1.213.1.1.3.165",
    "1.3.6.1.4.1.19376.1.5.3.1.4.19",
    "2.16.840.1.113883.10.20.22.4.12",
    "2.16.840.1.113883.10.20.22.4.14",
    "2.16.840.1.113883.10.20.22.4.41",
)
PRIORITY = "urn:hl7-org:v3#Act.priorityCode"
METHOD = "http://hl7.org/fhir/StructureDefinition/procedure-method"
PARTICIPATION_TYPE = INTERNAL + "v3-ParticipationType"

_ACTORS = ("Practitioner", "PractitionerRole", "Organization", "Patient", "RelatedPerson", "Device")
_RECORDERS = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")


def convert(element: Element, context: Context) -> list[Json]:
    """Convert an act that was done or not done; a planned one is a request."""
    if (element.get("moodCode") or "EVN") != "EVN":
        return service_request.convert(element, context)
    if is_about_other(element, context):
        return []
    read(element, context)
    done = status(element, "Procedure", context) or "unknown"
    resource = compact(
        {
            "resourceType": "Procedure",
            "extension": _extensions(element, context),
            "identifier": identifiers(context.take_all(element, "id")),
            "status": "not-done" if is_negated(element) else done,
            "code": required_concept(context.take(element, "code"), context),
            "subject": context.patient,
            **_performed(context.take(element, "effectiveTime"), context),
            **_recorder(element, context),
            "bodySite": _sites(element, context),
            "note": comments(element, context),
        }
    )
    resource |= compact(_participants(element, context))
    internal_references(resource, element, context)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _extensions(element: Element, context: Context) -> list[Json]:
    priority = concept_or_absent(context.take(element, "priorityCode"), context)
    methods = [cd_to_codeable_concept(found, context) for found in context.take_all(element, "methodCode")]
    found = [extension(PRIORITY, valueCodeableConcept=priority)] if priority else []
    return [*found, *(extension(METHOD, valueCodeableConcept=method) for method in methods if method)]


def _performed(time: Element | None, context: Context) -> Json:
    period = ivl_ts_to_period(time, context)
    if time is not None and time.get("value") and "start" in period:
        return {"performedDateTime": period["start"]}
    if period:
        return {"performedPeriod": period}
    flavor = time.get("nullFlavor") if time is not None else None
    return {"_performedDateTime": absent(absent_reason(flavor))} if flavor else {}


def _sites(element: Element, context: Context) -> list[Json]:
    names = ("targetSiteCode", "approachSiteCode")
    return [
        site
        for name in names
        for found in context.take_all(element, name)
        if (site := concept_or_absent(found, context))
    ]


def _recorder(element: Element, context: Context) -> Json:
    for author in children(element, "author"):
        who = party(child(author, "assignedAuthor"), context)
        if who and context.resources[who["reference"]]["resourceType"] in _RECORDERS:
            context.taken.add(author)
            return {"recorder": who}
    return {}


def _participants(element: Element, context: Context) -> Json:
    """Convert who did it, where and with what."""
    performers: list[Json] = []
    devices: list[Json] = []
    place: Json | None = None
    for performer in context.take_all(element, "performer"):
        performers += _performer(child(performer, "assignedEntity"), None, context)
    for participant in children(element, "participant"):
        kind, role = participant.get("typeCode") or "", child(participant, "participantRole")
        context.taken.add(participant)
        if kind == "LOC" and place is None:
            place = location(role, context)
        elif kind in ("DEV", "RDV", "NRD"):
            devices += [device] if (device := device_of(role, context)) else []
        else:
            performers += _performer(role, kind, context)
    for author in element.iterchildren(HL7 + "author"):
        if author not in context.taken:
            context.taken.add(author)
            performers += _performer(child(author, "assignedAuthor"), "AUT", context)
    return {
        "performer": performers,
        "location": place,
        "focalDevice": [{"manipulated": device} for device in devices],
    }


def _performer(entity: Element | None, kind: str | None, context: Context) -> list[Json]:
    who = party(entity, context)
    if who is None or context.resources[who["reference"]]["resourceType"] not in _ACTORS:
        return []
    code = cd_to_codeable_concept(child(entity, "code"), context) if kind and entity is not None else {}
    function = code or (concept(PARTICIPATION_TYPE, kind) if kind else None)
    return [compact({"function": function, "actor": who})]
