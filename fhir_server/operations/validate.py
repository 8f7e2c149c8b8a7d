"""`$validate`: say what is wrong with a resource, or with what would be done to it; nothing is stored.

Spec: resource-operation-validate.html
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Issue, outcome
from fhir_server.interactions.dispatch import check_grant
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import aside
from fhir_server.operations.inputs import GENERAL, posted
from fhir_server.validation.validate import validate as check

MODES: Final = ("", "create", "update", "delete")
KNOWN: Final = ("resource", "mode", "profile")
FINE: Final = Issue("information", "informational", "No problem was found.")

Given = dict[str, Any]


async def validate(request: Request, runtime: Runtime) -> Response:
    """Return an OperationOutcome, 200 whatever it says. Raises BadRequest, NotFound, Gone, Forbidden."""
    given = _given(request, runtime)
    mode = given.get("mode", "")
    if mode not in MODES:
        raise BadRequest(f"mode is create, update or delete, and is {str(mode)[:50]!r}.", code="not-supported")
    if "profile" in given:
        raise BadRequest(
            "This server checks resources against R4 itself, and not against profiles: leave profile out.",
            code="not-supported",
        )
    if mode and request.resource_type:
        check_grant(request, mode)
    resource = given.get("resource")
    if mode == "delete" or resource is None:
        stored = await _stored(request, runtime)
        resource = stored if resource is None else resource
    issues = (FINE,) if mode == "delete" else await aside(_issues, replace(request, resource=resource), runtime)
    if mode == "update" and request.resource_id and resource.get("id") != request.resource_id:
        told = f"An update of {request.resource_type}/{request.resource_id} carries this id, and the resource does not."
        issues = (*(issue for issue in issues if issue is not FINE), Issue("error", "invalid", told))
    return Response(200, fhir_json.format(outcome(issues)))


async def _stored(request: Request, runtime: Runtime) -> dict[str, Any]:
    if not request.resource_id:
        raise BadRequest("$validate is given a resource, or invoked on one.", code="required")
    plain = replace(request, interaction="read", parameters=(), if_none_match="", if_modified_since=None)
    return fhir_json.parse((await read(plain, runtime.store, runtime)).content)


def _issues(request: Request, runtime: Runtime) -> tuple[Issue, ...]:
    assert request.resource is not None
    try:
        check(request.resource, expected_type=request.resource_type or None)
    except FhirError as refusal:
        return refusal.issues
    return (FINE,)


def _given(request: Request, runtime: Runtime) -> Given:
    """Return what is given by name: in the address, and as Parameters or as the resource itself."""
    given: Given = {name: text for name, text in request.parameters if name not in GENERAL}
    body = posted(request, runtime)
    if body is not None:
        given |= _unwrapped(body)
    for name in given:
        if name not in KNOWN:
            raise BadRequest(f"$validate has no parameter {name[:80]!r}. It has: {', '.join(KNOWN)}.")
    if not isinstance(given.get("resource", {}), dict):
        raise BadRequest("resource is a resource: send it in the body.")
    return given


def _unwrapped(body: dict[str, Any]) -> Given:
    """Return what Parameters hold; a resource, also Parameters that hold nothing we know, is what is validated."""
    parameters = body.get("parameter")
    if body.get("resourceType") != "Parameters" or not isinstance(parameters, list):
        return {"resource": body}
    named = [part for part in parameters if isinstance(part, dict) and part.get("name") in KNOWN]
    if len(named) < len(parameters):
        return {"resource": body}
    return {
        part["name"]: next((value for name, value in part.items() if name.startswith(("value", "resource"))), None)
        for part in named
    }
