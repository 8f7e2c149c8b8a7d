"""Ready: a document of a submission completed, and the CDA among them converted, before anything is stored.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (Expected Actions)
"""

import msgspec

import mappings
from fhir_server.documents.cda.conversion import convert
from fhir_server.documents.sharing.completing import completed
from fhir_server.documents.sharing.content import is_cda
from fhir_server.documents.sharing.submission import Document, Problems, bare_id
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Request, Runtime


class Ready(msgspec.Struct, frozen=True):
    """A document that was checked; `conversion` is what a CDA says in FHIR, `refusal` why it could not be converted."""

    document: Document
    conversion: mappings.Conversion | None = None
    refusal: str = ""


async def read_document(document: Document, request: Request, runtime: Runtime, is_simplified: bool) -> Ready:
    """Return a document with what can be known of it; a CDA that cannot be converted says why."""
    if not document.entry.resource.get("content"):
        return Ready(document)
    conversion, refused = None, ""
    if is_cda(document):
        try:
            conversion = await convert(document.content)
        except FhirError as refusal:
            refused = str(refusal)
    return Ready(completed(document, conversion, request, runtime, is_simplified), conversion, refused)


def check_cda(ready: Ready, problems: Problems) -> None:
    """Note a CDA whose id is not the uniqueId under which it is published."""
    if ready.conversion is None:
        return
    entry = ready.document.entry
    said, own = entry.resource.get("masterIdentifier", {}), ready.conversion.document
    if bare_id(said) not in {bare_id(own.identifier), own.document_id}:
        problems.add(
            f"{entry.place}.masterIdentifier",
            f"the CDA's own id is {own.document_id}: a document has the same uniqueId wherever it is read.",
            "XDSRegistryMetadataError",
        )
