"""Generate Metadata (ITI-106): a CDA or FHIR document comes, and its DocumentReference is made here.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-106.html
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.documents.cda.import_cda import store_cda
from fhir_server.documents.cda.original import CDA_TYPES
from fhir_server.documents.sharing.content import decode
from fhir_server.documents.sharing.description import Description
from fhir_server.documents.sharing.levels import SIMPLIFIED
from fhir_server.documents.sharing.publishing import publish
from fhir_server.documents.sharing.submission import Document, Part, Problems, Submission
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, UnsupportedMediaType
from fhir_server.foundation.parameters import parameters_resource, parts
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.validation.validate import validate

Resource = dict[str, Any]
PLACE: Final = "Parameters.parameter[0].resource"


async def generate_metadata(request: Request, runtime: Runtime) -> Response:
    """Keep the document, make its DocumentReference and submission set, and answer Parameters that refer to it.

    A document that is here already gives the DocumentReference that it has. Raises as `import_cda` and `publish` do.
    """
    document = _document(request, runtime)
    if document["resourceType"] == "Bundle":
        reference = await _describe(document, request, runtime)
    else:
        reference = await _import(document, request, runtime)
    answer = {"name": "DocumentReference", "valueReference": {"reference": reference}}
    return Response(200, fhir_json.format(parameters_resource([answer])))


def _document(request: Request, runtime: Runtime) -> Resource:
    """Return the Binary or Bundle that was posted, as the parameter `document` or by itself. Raises BadRequest."""
    resource = request.resource or fhir_json.parse(request.content, max_depth=runtime.limits.depth)
    if resource.get("resourceType") == "Parameters":
        validate(resource, expected_type="Parameters")
        named = [part.get("resource") for part in parts(resource) if part["name"] == "document"]
        if len(named) != 1 or named[0] is None:
            raise BadRequest("One parameter `document` holds a Binary or a Bundle.", "Parameters.parameter")
        resource = named[0]
    if resource.get("resourceType") not in ("Binary", "Bundle"):
        raise BadRequest("The document is a Binary (CDA) or a Bundle of type document.", PLACE)
    validate(resource, expected_type=resource["resourceType"])
    if resource["resourceType"] == "Bundle" and (resource.get("type") != "document" or not resource.get("entry")):
        raise BadRequest("The Bundle is of type document.", f"{PLACE}.type")
    return resource


async def _import(binary: Resource, request: Request, runtime: Runtime) -> str:
    media_type = str(binary.get("contentType", "")).partition(";")[0].strip().lower()
    if media_type not in CDA_TYPES:
        raise UnsupportedMediaType(
            f"Metadata are made of a CDA (text/xml) or a FHIR document, not of {media_type[:80]}.",
            f"{PLACE}.contentType",
        )
    problems = Problems()
    content = decode(binary.get("data"), f"{PLACE}.data", problems)
    problems.check()
    stored, _ = await store_cda(replace(request, resource=None, content=b""), runtime, content)
    return stored.document


async def _describe(bundle: Resource, request: Request, runtime: Runtime) -> str:
    description = Description(bundle)
    full_url, patient = description.patient()
    document = Document(
        Part(description.document_reference(), PLACE), media_type="application/fhir+json", bundle=bundle
    )
    brought = Part(patient, f"{PLACE}.entry", full_url)
    published = await publish(request, runtime, Submission(SIMPLIFIED, Part({}, "List"), (document,), (), brought))
    return published.documents[0]
