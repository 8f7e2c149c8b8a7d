"""`$to-cda`: the CDA R2 of a stored document: the original byte for byte, or one made of what was born in FHIR.

Spec: documents.html; CI-SIS, Structuration minimale
"""

import asyncio
from typing import Any

import mappings
from fhir_server.documents.cda.original import Reading, bytes_of, document_of, is_cda
from fhir_server.foundation.operation_outcome import NotFound, Unprocessable
from fhir_server.interactions.request import Request, Response, Runtime

Resource = dict[str, Any]
MEDIA_TYPE = "text/xml"


async def to_cda(request: Request, runtime: Runtime) -> Response:
    """Return the CDA itself, as text/xml.

    What is made here is a CI-SIS level 1 document: the header of the metadata, and the file, or the words of a FHIR
    document's sections. Raises NotFound, Unprocessable for metadata that make no CDA.
    """
    reading = Reading(request, runtime)
    document_reference = await reading.asked()
    held = await document_of(document_reference, reading)
    if held["resourceType"] == "Binary" and is_cda(held):
        return Response(200, bytes_of(held), MEDIA_TYPE)
    source = await _source(document_reference, held, reading)
    try:
        return Response(200, await asyncio.to_thread(mappings.clinical_document, source), MEDIA_TYPE)
    except mappings.NotDescribed as lacking:
        raise Unprocessable(str(lacking), "DocumentReference") from None


async def _source(document: Resource, held: Resource, reading: Reading) -> mappings.Source:
    """Return what the CDA is made of, with everybody whom the metadata name and the caller may read."""
    known = {f"#{one['id']}": one for one in document.get("contained", ()) if "id" in one}
    named = [document.get("custodian"), document.get("authenticator"), *document.get("author", ())]
    named += [relation.get("target") for relation in document.get("relatesTo", ())]
    await _gather(named, known, reading)
    roles = [one for one in known.values() if one["resourceType"] == "PractitionerRole"]
    await _gather([one.get(name) for one in roles for name in ("practitioner", "organization")], known, reading)
    patient = await reading.read(str(document.get("subject", {}).get("reference", "")))
    if patient is None:
        raise NotFound("The patient of the document is not known here, or not to you.", "DocumentReference.subject")

    def resolve(reference: Resource | None) -> Resource | None:
        return known.get(str((reference or {}).get("reference", "")))

    if held["resourceType"] == "Bundle":
        composition = held["entry"][0]["resource"]
        return mappings.Source(document, patient, resolve, composition=composition)
    return mappings.Source(document, patient, resolve, bytes_of(held), held["contentType"])


async def _gather(references: list[Resource | None], known: dict[str, Resource], reading: Reading) -> None:
    for reference in references:
        text = str((reference or {}).get("reference", ""))
        if text and text not in known:
            found = await reading.read(text)
            if found is not None:
                known[text] = found
