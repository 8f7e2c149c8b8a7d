"""observationMedia to DocumentReference, with the file inside. Source: FRAttachmentLMCDAFHIR, FR-Image-illustrative."""

from mappings.cda.datatypes import identifiers
from mappings.cda.media import attachment
from mappings.cda.xml import Element, child
from mappings.context import Context
from mappings.fhir import Json, compact

TEMPLATE_IDS = ("1.2.250.1.213.1.1.3.103",)


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the media of an entry."""
    reference = media_reference(element, context)
    return [reference] if reference else []


def media_reference(element: Element, context: Context) -> Json | None:
    """Convert an observationMedia; None when it holds no file."""
    value = child(element, "value")
    file = attachment(value, context) if value is not None else {}
    if not file.keys() & {"data", "url"}:
        return None
    context.taken.add(element)
    context.take(element, "value")
    resource = {
        "resourceType": "DocumentReference",
        "identifier": identifiers(context.take_all(element, "id")),
        "status": "current",
        "subject": context.patient,
        "description": element.get("ID"),
        "content": [{"attachment": file}],
    }
    return context.add_at(compact(resource), element)
