"""`$convert-cda`: a CDA R2 document into a FHIR document Bundle; stores nothing.

Spec: documents.html, operations.html
"""

from fhir_server.documents.cda.conversion import convert, outcome
from fhir_server.documents.cda.posted import posted_cda
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Request, Response, Runtime


async def convert_cda(request: Request, runtime: Runtime) -> Response:
    """Return the Bundle, or with `report=true` a Parameters of the Bundle and what was noticed."""
    conversion = await convert(posted_cda(request))
    if ("report", "true") not in request.parameters:
        return Response(200, fhir_json.format(conversion.bundle))
    report = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "return", "resource": conversion.bundle},
            {"name": "outcome", "resource": outcome(conversion)},
        ],
    }
    return Response(200, fhir_json.format(report))
