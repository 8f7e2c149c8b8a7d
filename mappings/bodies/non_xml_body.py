"""nonXMLBody to one section whose entry is the embedded file. Source: FRHeaderDocumentLMCDAFHIR; binary.html."""

from mappings.cda.media import attachment
from mappings.cda.xml import Element
from mappings.context import Context
from mappings.fhir import Json, compact

DEFAULT_MEDIA_TYPE = "text/plain"


def media_type(body: Element, context: Context) -> str:
    """Give the media type of the body; HL7 makes text/plain its default."""
    text = context.take(body, "text")
    return ((text.get("mediaType") or "").strip() if text is not None else "") or DEFAULT_MEDIA_TYPE


def sections(body: Element, context: Context) -> list[Json]:
    """Convert the embedded file to a Binary, or a file that lies elsewhere to a DocumentReference."""
    context.account(body, "nonXMLBody")
    composition = next(iter(context.resources.values()))
    text = context.take(body, "text")
    file = attachment(text, context) if text is not None else {}
    if "data" in file:
        content_type = file.get("contentType", DEFAULT_MEDIA_TYPE)
        binary = {"resourceType": "Binary", "contentType": content_type, "data": file["data"]}
        reference = context.add(binary, "nonXMLBody")
    elif "url" in file:
        content = [{"attachment": file}]
        resource = {"resourceType": "DocumentReference", "status": "current", "subject": context.patient}
        reference = context.add(resource | {"content": content}, "nonXMLBody")
    else:
        context.report("error", "required", "The nonXMLBody holds no file.", body)
        return []
    context.origins[body] = reference["reference"]
    section = {"title": composition.get("title"), "code": composition.get("type"), "entry": [reference]}
    return [compact(section)]
