"""FR-Dispositif-medical to Device with DeviceUseStatement, or with DeviceRequest.

Source: FRDeviceLMCDAFHIR, FRDeviceUseLMCDAFHIR.

Choice: a supply in the mood of an event says that the patient uses the device; in a mood of intent it asks for it,
and R4 has DeviceRequest for that. How many and for how long are parameters of the request, notes of the use.
"""

from mappings.cda.datatypes import identifiers, pq_to_quantity
from mappings.cda.dates import date_time, ivl_ts_to_period
from mappings.cda.vocabulary import absent_reason
from mappings.cda.xml import HL7, Element, child, children
from mappings.context import Context
from mappings.entries.care.devices import device_of
from mappings.entries.care.service_request import INTENTS, occurrence
from mappings.entries.clinical_statement import comments, is_negated, read, status
from mappings.entries.related import attach
from mappings.entries.subject import is_about_other
from mappings.fhir import Json, absent, compact, extension
from mappings.header.parties import party

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.20", "2.16.840.1.113883.10.20.22.4.50", "1.3.6.1.4.1.19376.1.5.3.1.1.10.3.5")

# Choice: the table names an extension for the performer that is not published, so this one bears the name of HL7 v3.
PERFORMER = "urn:hl7-org:v3#Act.performer"

_NAMES = {"repeatNumber": "Renouvellements", "quantity": "Quantité", "expectedUseTime": "Durée d'utilisation prévue"}


def convert(element: Element, context: Context) -> list[Json]:
    """Convert a device that is used, or one that is asked for."""
    if element.tag != HL7 + "supply" or is_about_other(element, context):
        return []
    read(element, context)
    device = _device(element, context)
    is_use = (element.get("moodCode") or "EVN") == "EVN"
    resource = _use(element, device, context) if is_use else _request(element, device, context)
    beside = attach(resource, element, context)
    return [context.add_at(resource, element), *beside]


def _device(element: Element, context: Context) -> Json:
    for participant in children(element, "participant"):
        role = child(participant, "participantRole")
        if role is not None and child(role, "playingDevice") is not None:
            context.taken.add(participant)
            found = device_of(role, context)
            if found:
                return found
    return context.add({"resourceType": "Device", "patient": context.patient}, context.path(element))


def _use(element: Element, device: Json, context: Context) -> Json:
    stated = status(element, "DeviceUseStatement", context) or "active"
    time = context.take(element, "effectiveTime")
    period = ivl_ts_to_period(time, context)
    moment = {"timingDateTime": period["start"]} if time is not None and time.get("value") and period else {}
    flavor = time.get("nullFlavor") if time is not None and not period else None
    unknown = {"_timingDateTime": absent(absent_reason(flavor))} if flavor else {}
    notes = [{"text": f"{name} : {text}"} for name, text in _amounts(element, context)]
    return compact(
        {
            "resourceType": "DeviceUseStatement",
            "identifier": identifiers(context.take_all(element, "id")),
            # Choice: R4 cannot say that a device is not used; a denied use is one that is stopped.
            "status": "stopped" if is_negated(element) else stated,
            "subject": context.patient,
            **(moment or ({"timingPeriod": period} if period else unknown)),
            **_source(element, context),
            "device": device,
            "note": [*comments(element, context), *notes],
        }
    )


def _source(element: Element, context: Context) -> Json:
    """Convert the first person to who told of the use; who else took part (who delivered it) is an extension."""
    found = [(author, child(author, "assignedAuthor")) for author in children(element, "author")]
    found += [(performer, child(performer, "assignedEntity")) for performer in children(element, "performer")]
    converted: Json = {}
    others: list[Json] = []
    for participation, entity in found:
        who = party(entity, context)
        kind = context.resources[who["reference"]]["resourceType"] if who else None
        moment = date_time(child(participation, "time"), context)
        if kind in ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson") and not converted:
            converted = compact({"source": who, "recordedOn": moment})
            context.taken.add(participation)
        elif who:
            others.append(extension(PERFORMER, valueReference=who))
            context.taken.add(participation)
    return {**converted, "extension": others}


def _request(element: Element, device: Json, context: Context) -> Json:
    author = context.take(element, "author")
    who = party(child(author, "assignedAuthor"), context) if author is not None else None
    performer = context.take(element, "performer")
    entity = child(performer, "assignedEntity") if performer is not None else None
    parameters = [{"code": {"text": name}, **value} for name, value in _parameters(element, context)]
    return compact(
        {
            "resourceType": "DeviceRequest",
            "identifier": identifiers(context.take_all(element, "id")),
            "status": "revoked" if is_negated(element) else status(element, "Request", context) or "active",
            "intent": INTENTS.get(element.get("moodCode") or "", "plan"),
            "codeReference": device,
            "parameter": parameters,
            "subject": context.patient,
            **occurrence(context.take(element, "effectiveTime"), context),
            "authoredOn": date_time(child(author, "time"), context) if author is not None else None,
            "requester": who,
            "performer": party(entity, context),
            "note": comments(element, context),
        }
    )


def _parameters(element: Element, context: Context) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    for name, title in _NAMES.items():
        item = context.take(element, name)
        width = child(item, "width") if item is not None else None
        quantity = pq_to_quantity(item, context) or pq_to_quantity(width, context)
        if quantity:
            found.append((title, {"valueQuantity": quantity}))
    return found


def _amounts(element: Element, context: Context) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for title, value in _parameters(element, context):
        quantity = value["valueQuantity"]
        found.append((title, f"{quantity['value']} {quantity.get('unit', '')}".strip()))
    return found
