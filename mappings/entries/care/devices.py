"""A participantRole that is a device to Device, each once. Source: FRDeviceLMCDAFHIR."""

from mappings.cda.datatypes import cd_to_codeable_concept, ii_key, ii_to_identifier
from mappings.cda.names import words
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.fhir import Json, compact


def device_of(role: Element | None, context: Context) -> Json | None:
    """Convert a device by its number, so that every mention of it is one Device; None when the role says nothing."""
    if role is None:
        return None
    playing, scoping = child(role, "playingDevice"), child(role, "scopingEntity")
    ids = [number for number in children(role, "id") if ii_key(number)]
    model = words(child(playing, "manufacturerModelName")) if playing is not None else ""
    software = words(child(playing, "softwareName")) if playing is not None else ""
    kind = cd_to_codeable_concept(child(playing, "code"), context) if playing is not None else {}
    resource = compact(
        {
            "resourceType": "Device",
            "identifier": [ii_to_identifier(number) for number in ids],
            "manufacturer": words(child(scoping, "desc")) if scoping is not None else None,
            "deviceName": [{"name": model, "type": "model-name"}] if model else None,
            "type": kind or cd_to_codeable_concept(child(role, "code"), context),
            "version": [{"value": software}] if software else None,
            "patient": context.patient,
        }
    )
    if not resource.keys() & {"identifier", "deviceName", "type", "version"}:
        return None
    if not ids:
        return context.add_at(resource, role)
    return _known_or_added(resource, ii_key(ids[0]), context.path(role), context)


def _known_or_added(resource: Json, number: str, key: str, context: Context) -> Json:
    """Find the device of that number and kind; a mention without a kind is the device described before or after it."""
    typed = f"{number}|{resource['type']}" if "type" in resource else number
    full_url = context.devices.get(typed)
    if full_url is None and "type" not in context.resources.get(context.devices.get(number, ""), {"type": ""}):
        full_url = context.devices[number]
    if full_url is None:
        full_url = context.add(resource, f"{number}|{key}")["reference"]
    held = context.resources[full_url]
    held |= {name: value for name, value in resource.items() if name not in held}
    context.devices[typed] = full_url
    context.devices.setdefault(number, full_url)
    return {"reference": full_url}
