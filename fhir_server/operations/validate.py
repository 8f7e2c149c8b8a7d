"""`$validate`: say what is wrong with a resource, or with what would be done to it; nothing is stored.

Spec: resource-operation-validate.html
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Issue, outcome
from fhir_server.foundation.source_places import Steps, json_places, locate, xml_places
from fhir_server.interactions.canonicals.profiling import unknown_profile
from fhir_server.interactions.dispatch import check_grant
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.inputs import GENERAL, posted
from fhir_server.validation.validate import validate as check

MODES: Final = ("", "create", "update", "delete", "profile")
KNOWN: Final = ("resource", "mode", "profile")
ALLOWED: Final = ("create", "update", "delete")
"""Modes that ask whether the caller may do it."""
_FINE: Final = {"en": "No problem was found.", "fr": "Aucun problème trouvé."}
_OTHER_ID: Final = {
    "en": "An update of {} carries this id, and the resource does not: make the two agree.",
    "fr": "Une mise à jour de {} porte cet id, et la ressource ne l'a pas : accordez les deux.",
}


class Given(msgspec.Struct):
    """What an invocation is given; `steps` lead from the root of the source to the resource."""

    resource: dict[str, Any] | None = None
    mode: str = ""
    profiles: tuple[str, ...] = ()
    steps: Steps = ()


async def validate(request: Request, runtime: Runtime) -> Response:
    """Return an OperationOutcome, 200 whatever it says. Raises BadRequest, NotFound, Gone, Forbidden."""
    given = _given(request, runtime)
    if given.mode in ALLOWED and request.resource_type:
        check_grant(request, given.mode)
    if given.mode == "profile" and not given.profiles:
        raise BadRequest("The mode profile needs a profile: give its canonical URL.", code="required")
    if given.mode == "delete" or given.resource is None:
        stored = await _stored(request, runtime)
        given.resource = stored if given.resource is None else given.resource
    fine = Issue("information", "informational", _FINE[request.language])
    issues: Sequence[Issue] = ()
    if given.mode != "delete":
        if runtime.canonicals is not None:
            await runtime.canonicals.ready()
        issues = await asyncio.to_thread(_judge, given, request, runtime)
    return Response(200, fhir_json.format(outcome(issues or (fine,))))


async def _stored(request: Request, runtime: Runtime) -> dict[str, Any]:
    if not request.resource_id:
        raise BadRequest("$validate is given a resource, or invoked on one.", code="required")
    plain = replace(request, interaction="read", parameters=(), if_none_match="", if_modified_since=None)
    return fhir_json.parse((await read(plain, runtime.store, runtime)).content)


def _judge(given: Given, request: Request, runtime: Runtime) -> list[Issue]:
    """Return every issue, each with the line and column that it is about."""
    resource = given.resource
    assert resource is not None
    profiling, issues, is_of_type = runtime.profiling, list[Issue](), True
    try:
        check(resource, expected_type=request.resource_type or None, language=request.language)
    except FhirError as refusal:
        issues, is_of_type = list(refusal.issues), not isinstance(refusal, BadRequest)
    if profiling is not None and is_of_type:
        asked = (*given.profiles, *profiling.of_guides(str(resource.get("resourceType"))))
        issues = profiling.judge(resource, asked, request.language)
        unknown = profiling.unknown(given.profiles)
        issues = [issue for issue in issues if issue.message_id != "profile-unknown" or not _is_about(issue, unknown)]
        issues += [unknown_profile(one, resource["resourceType"], request.language) for one in unknown]
    if given.mode == "update" and request.resource_id and resource.get("id") != request.resource_id:
        told = _OTHER_ID[request.language].format(f"{request.resource_type}/{request.resource_id}")
        place = (f"{request.resource_type}.id",)
        issues.append(Issue("error", "invalid", told, place, message_id="update-other-id"))
    return _located(issues, resource, request, given.steps)


def _is_about(issue: Issue, profiles: list[str]) -> bool:
    return any(profile in issue.diagnostics for profile in profiles)


def _located(issues: list[Issue], resource: dict[str, Any], request: Request, steps: Steps) -> list[Issue]:
    """Return the issues with line and column of the source, where there is one."""
    if not issues or not (request.source or request.content):
        return issues
    places = xml_places(request.source) if request.source else json_places(request.content.decode())
    found = []
    for issue in issues:
        place = locate(issue.expression[0], resource, places, steps) if issue.expression else None
        found.append(issue if place is None else replace(issue, line=place[0], column=place[1]))
    return found


def _given(request: Request, runtime: Runtime) -> Given:
    """Return what is given by name: in the address, and as Parameters or as the resource itself."""
    given = Given()
    for name, text in request.parameters:
        if name not in GENERAL:
            _take(given, name, text)
    body = posted(request, runtime)
    if body is not None:
        _unwrap(given, body)
    return given


def _unwrap(given: Given, body: dict[str, Any]) -> None:
    """Take what Parameters hold; a resource, also Parameters that hold nothing we know, is what is validated."""
    parts = body.get("parameter")
    is_wrapper = body.get("resourceType") == "Parameters" and isinstance(parts, list)
    if not is_wrapper or not all(isinstance(part, dict) and part.get("name") in KNOWN for part in parts or ()):
        given.resource = body
        return
    for index, part in enumerate(parts or ()):
        value = next((value for name, value in part.items() if name.startswith(("value", "resource"))), None)
        _take(given, part["name"], value)
        if part["name"] == "resource":
            given.steps = ("parameter", index, "resource")


def _take(given: Given, name: str, value: Any) -> None:
    if name == "resource":
        if not isinstance(value, dict):
            raise BadRequest("resource is a resource: send it in the body.")
        given.resource = value
    elif name == "mode":
        if value not in MODES:
            raise BadRequest(
                f"mode is create, update, delete or profile, and is {str(value)[:50]!r}.", code="not-supported"
            )
        given.mode = value
    elif name == "profile":
        if not isinstance(value, str) or not value:
            raise BadRequest("profile is the canonical URL of a profile.")
        given.profiles = (*given.profiles, value)
    else:
        raise BadRequest(f"$validate has no parameter {name[:80]!r}. It has: {', '.join(KNOWN)}.")
