"""One CDA document to one FHIR document Bundle. Spec: documents.html, bundle.html.

Source: ansforge interop-IG-metier-document-core (mappingCDA-FHIR-struc-gen).
"""

import base64
import hashlib

from mappings.accounting import account
from mappings.bodies import non_xml_body, structured_body
from mappings.cda.datatypes import ii_key, ii_to_identifier
from mappings.cda.dates import ts_to_instant
from mappings.cda.xml import MAX_BYTES, MAX_DEPTH, Element, ParsedCda, child, parse
from mappings.context import Context
from mappings.conversion import CdaRefused, Conversion, SourceFile
from mappings.entries import convert_act
from mappings.entries.diagnostic_report import laboratory_report
from mappings.entries.internal_reference import resolve_links
from mappings.facts import document_facts
from mappings.fhir import Json, compact
from mappings.header.composition import composition


def convert(content: bytes, *, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> Conversion:
    """Convert a CDA document to a document Bundle and the issues of what it could not carry.

    The same bytes always give the same Bundle. Raises CdaRefused for what is unsafe, broken, too large, no
    ClinicalDocument, or without document id or patient.
    """
    return traced(parse(content, max_bytes, max_depth), content)[0]


def traced(parsed: ParsedCda, content: bytes) -> tuple[Conversion, Context]:
    """Convert a parsed document, and give with the result what the conversion knew when it ended."""
    number = child(parsed.document, "id")
    document_id = ii_key(number)
    if number is None or not document_id:
        raise CdaRefused(
            "required", "The document has no identifier: fill ClinicalDocument/id.", "/ClinicalDocument/id"
        )
    context = Context(parsed.document, document_id, ii_to_identifier(number), convert_act)
    header = composition(context)
    body_media_type = _body(parsed.document, header, context)
    laboratory_report(header, context)
    resolve_links(context)
    _report_encoding(parsed, context)
    account(context)
    sha1 = base64.b64encode(hashlib.sha1(content, usedforsecurity=False).digest()).decode("ascii")
    media_type = "application/xslt+xml" if parsed.has_style_sheet else "text/xml"
    source = SourceFile(media_type, body_media_type, len(content), sha1)
    return Conversion(_bundle(context), document_facts(context, source), context.issues), context


def _body(document: Element, header: Json, context: Context) -> str | None:
    """Convert the body into the sections of the Composition; give the media type of an embedded one."""
    component = child(document, "component")
    body = child(component, "structuredBody") if component is not None else None
    if body is not None:
        header.update(compact({"section": structured_body.sections(body, context)}))
        return None
    body = child(component, "nonXMLBody") if component is not None else None
    if body is None:
        context.report("warning", "required", "The document has no body.", document)
        return None
    header.update(compact({"section": non_xml_body.sections(body, context)}))
    return non_xml_body.media_type(body, context)


def _report_encoding(parsed: ParsedCda, context: Context) -> None:
    if parsed.is_reencoded:
        note = "The bytes are not in the encoding that the XML declaration names: check accented letters."
        context.report("warning", "structure", note, parsed.document)


def _bundle(context: Context) -> Json:
    time = child(context.document, "effectiveTime")
    value = time.get("value") if time is not None else None
    full_url = context.full_url("Bundle", "bundle")
    return compact(
        {
            "resourceType": "Bundle",
            "id": full_url.removeprefix("urn:uuid:"),
            "identifier": context.identifier,
            "type": "document",
            "timestamp": ts_to_instant(value) if value else None,
            "entry": [{"fullUrl": url, "resource": resource} for url, resource in context.resources.items()],
        }
    )
