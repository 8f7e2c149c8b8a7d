"""`$explain-access`: why an actor reaches a resource or not, and what a consent would change before it is saved.

Choice: an operation of our own; R4 has none of the kind. Spec: operations.html, consent.html
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import single as single_part
from fhir_server.interactions.explaining.actor import MODES, Actor
from fhir_server.interactions.explaining.explained import Asked, explained
from fhir_server.interactions.explaining.question import check_asker
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.inputs import inputs, posted, single
from fhir_server.validation.validate import validate

KNOWN: Final = ("actor", "interaction", "mode", "profession", "scope")


async def explain_access(request: Request, runtime: Runtime) -> Response:
    """Return the proof as Parameters. Raises Forbidden, NotFound, Gone, BadRequest, Unprocessable."""
    check_asker(request.grant)
    asked = _asked(request, runtime)
    # What the asker may not read has no explanation.
    plain = replace(request, interaction="read", parameters=(), content=b"", resource=None, if_none_match="")
    response = await read(replace(plain, if_modified_since=None), runtime.store, runtime)
    assert response.version is not None
    return Response(200, fhir_json.format(await explained(response.version, asked, request, runtime)))


def _asked(request: Request, runtime: Runtime) -> Asked:
    body = posted(request, runtime)
    consent: dict[str, Any] | None = None
    if body is not None:
        validate(body, expected_type="Parameters")
        consent = single_part(body, "consent", dict)
        body = {**body, "parameter": [part for part in body.get("parameter", ()) if part.get("name") != "consent"]}
        if not body["parameter"]:
            del body["parameter"]
    if consent is not None and consent.get("resourceType") != "Consent":
        raise BadRequest("consent is a Consent, as it would be saved.", "Parameters.parameter")
    found = inputs(replace(request, resource=body, content=b""), runtime, KNOWN)
    mode = single(found, "mode") or MODES[0]
    if mode not in MODES:
        raise BadRequest(f"mode is one of {', '.join(MODES)}.")
    if not single(found, "actor"):
        raise BadRequest("actor says whom the question is about: Practitioner/1.", code="required")
    actor = Actor(single(found, "actor"), "", mode, single(found, "profession"), single(found, "scope"))
    return Asked(actor, single(found, "interaction") or "read", consent)
