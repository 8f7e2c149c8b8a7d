"""FR-References-externes to DocumentReference.

Source: FRAdvanceDirectiveLMCDAFHIR (externalDocument); HL7 CDA R2, 4.3.9.
"""

import re

from mappings.cda.datatypes import cd_to_codeable_concept, identifiers
from mappings.cda.xml import Element, child, children
from mappings.context import Context
from mappings.entries.clinical_statement import read
from mappings.entries.related import attach
from mappings.fhir import Json, compact

TEMPLATE_IDS = (
    "1.2.250.1.213.1.1.3.35",
    "1.3.6.1.4.1.19376.1.5.3.1.4.4",
    "2.16.840.1.113883.10.20.22.4.122",
)


def convert(element: Element, context: Context) -> list[Json]:
    """Convert the documents that an act refers to; the act itself says no more."""
    documents = external_documents(element, context)
    if not documents:
        return []
    read(element, context)
    context.imply(element, "id", "code", "statusCode")
    holder: Json = context.resources[documents[0]["reference"]]
    return [*documents, *attach(holder, element, context)]


def external_documents(element: Element, context: Context) -> list[Json]:
    """Convert every externalDocument (or external act) under an act."""
    found: list[Json] = []
    for reference in children(element, "reference"):
        outer = next(
            (item for name in ("externalDocument", "externalAct") if (item := child(reference, name)) is not None), None
        )
        converted = _document(outer, context) if outer is not None else None
        if converted:
            context.taken.add(reference)
            found.append(converted)
    return found


def _document(outer: Element, context: Context) -> Json | None:
    numbers = identifiers(children(outer, "id"))
    text = child(outer, "text")
    link = child(text, "reference") if text is not None else None
    url = (link.get("value") or "").strip() if link is not None else ""
    is_link = bool(url) and not url.startswith("#") and not re.search(r"\s", url)
    words = context.referenced_text(text) if not is_link else None
    file = compact(
        {
            "contentType": text.get("mediaType") if text is not None else None,
            "url": url if is_link else None,
            "title": words,
        }
    )
    if not numbers and not file:
        return None
    # Choice: content is required; a document that is only numbered has an attachment named by its number.
    named = file or {"title": numbers[0]["value"]}
    resource = compact(
        {
            "resourceType": "DocumentReference",
            "identifier": numbers,
            "status": "current",
            "type": cd_to_codeable_concept(child(outer, "code"), context),
            "subject": context.patient,
            "content": [{"attachment": named}],
        }
    )
    return context.add_at(resource, outer)
