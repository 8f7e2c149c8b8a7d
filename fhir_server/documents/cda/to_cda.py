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
    asked = await reading.asked()
    if asked["resourceType"] == "Bundle":
        document_reference, held = await _described(asked, reading), asked
    else:
        document_reference, held = asked, await document_of(asked, reading)
    if held["resourceType"] == "Binary" and is_cda(held):
        return Response(200, bytes_of(held), MEDIA_TYPE)
    source = await _source(document_reference, held, reading)
    try:
        return Response(200, await asyncio.to_thread(mappings.clinical_document, source), MEDIA_TYPE)
    except mappings.NotDescribed as lacking:
        raise Unprocessable(str(lacking), "DocumentReference") from None


async def _described(bundle: Resource, reading: Reading) -> Resource:
    """Return the DocumentReference under which a FHIR document was published, else one made of its Composition.

    Raises Unprocessable for a Bundle that is no document.
    """
    entries = bundle.get("entry", ())
    composition: Resource = entries[0].get("resource", {}) if entries else {}
    if bundle.get("type") != "document" or composition.get("resourceType") != "Composition":
        raise Unprocessable("Only a Bundle of type document, with its Composition first, is a CDA.", "Bundle.type")
    known = await reading.read(bundle.get("meta", {}).get("source", ""))
    if known is not None and known["resourceType"] == "DocumentReference":
        return known
    event: Resource = next(iter(composition.get("event", ())), {})
    made = {
        "resourceType": "DocumentReference",
        "masterIdentifier": bundle.get("identifier"),
        "type": composition.get("type"),
        "subject": composition.get("subject"),
        "author": composition.get("author"),
        "authenticator": next((one.get("party") for one in composition.get("attester", ())), None),
        "custodian": composition.get("custodian"),
        "date": composition.get("date"),
        "content": [{"attachment": {"title": composition.get("title"), "language": composition.get("language")}}],
        "context": {"event": event.get("code", []), "period": event.get("period", {})},
    }
    return {name: value for name, value in made.items() if value}


async def _source(document: Resource, held: Resource, reading: Reading) -> mappings.Source:
    """Return what the CDA is made of, with everybody whom the metadata name and the caller may read."""
    known = {f"#{one['id']}": one for one in document.get("contained", ()) if "id" in one}
    known |= _entries_of(held)
    named = [document.get("custodian"), document.get("authenticator"), *document.get("author", ())]
    named += [relation.get("target") for relation in document.get("relatesTo", ())]
    await _gather(named, known, reading)
    roles = [one for one in known.values() if one["resourceType"] == "PractitionerRole"]
    await _gather([one.get(name) for one in roles for name in ("practitioner", "organization")], known, reading)
    subject = str(document.get("subject", {}).get("reference", ""))
    patient = known.get(subject) or await reading.read(subject)
    if patient is None:
        raise NotFound("The patient of the document is not known here, or not to you.", "DocumentReference.subject")

    def resolve(reference: Resource | None) -> Resource | None:
        return known.get(str((reference or {}).get("reference", "")))

    if held["resourceType"] == "Bundle":
        composition = held["entry"][0]["resource"]
        return mappings.Source(document, patient, resolve, composition=composition)
    return mappings.Source(document, patient, resolve, bytes_of(held), held["contentType"])


def _entries_of(held: Resource) -> dict[str, Resource]:
    """Return the resources of a FHIR document by what its references may call them: fullUrl, and type and id."""
    found: dict[str, Resource] = {}
    for entry in held.get("entry", ()):
        resource = entry["resource"]
        found[f"{resource['resourceType']}/{resource.get('id', '')}"] = resource
        found[entry.get("fullUrl", "")] = resource
    return found


async def _gather(references: list[Resource | None], known: dict[str, Resource], reading: Reading) -> None:
    for reference in references:
        text = str((reference or {}).get("reference", ""))
        if text and text not in known:
            found = await reading.read(text)
            if found is not None:
                known[text] = found
