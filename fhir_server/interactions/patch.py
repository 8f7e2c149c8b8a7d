"""Patch a resource: change parts of its current version, and store the result as the next one.

Spec: http.html#patch
"""

from typing import Any

from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Gone, NotFound, Unprocessable
from fhir_server.interactions.conditional import check_version, find_match
from fhir_server.interactions.read import check_unseen, unknown
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import Draft, put, written
from fhir_server.storage.store import Transaction
from fhir_server.validation.validate import validate

GENERATED = ("generated", "extensions")


async def patch(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Store what the patch makes of the current version, 200.

    Raises NotFound, Gone, VersionConflict, MultipleMatches, Inapplicable (409), Unprocessable, Forbidden.
    """
    if not request.resource_id:
        request = await _addressed(request, transaction, runtime)
    within = decide(request.grant, "patch", request.resource_type)
    current = await transaction.read(request.resource_type, request.resource_id, within=within)
    if current is None:
        await check_unseen(request, transaction)
        raise unknown(request)
    if current.is_deleted:
        raise Gone(f"{current.reference} was deleted: there is nothing to patch.")
    check_version(request, current)
    made = replace(request, resource=_patched(request, current.content, runtime), content=b"")
    version = await put(made, transaction, runtime, Draft(current.resource_id, current, within))
    return written(request, version, 200)


async def _addressed(request: Request, transaction: Transaction, runtime: Runtime) -> Request:
    match = await find_match(request, transaction, runtime, request.parameters)
    if match is None:
        raise NotFound(f"The criteria match no {request.resource_type}: there is nothing to patch.")
    return replace(request, resource_id=match.resource_id)


def _patched(request: Request, content: bytes, runtime: Runtime) -> dict[str, Any]:
    """Return the patched resource, validated whole."""
    assert request.change is not None
    before = fhir_json.parse(content)
    after = request.change(fhir_json.parse(content))
    if not isinstance(after, dict) or any(after.get(name) != before[name] for name in ("resourceType", "id")):
        raise Unprocessable("A patch leaves the resource a resource, of the same resourceType and id.")
    try:
        # What was moved about may nest deeper than anything that is accepted.
        fhir_json.parse(fhir_json.format(after), max_depth=runtime.limits.depth)
        validate(after, expected_type=request.resource_type, language=request.language)
        if runtime.profiling is not None:
            runtime.profiling.check(after, request.language)
    except RecursionError:
        raise Unprocessable("What the patch makes nests too deep.", code="too-costly") from None
    return _without_stale_narrative(before, after)


def _without_stale_narrative(before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    """Return the resource without a narrative that was generated from what it said before.

    Choice: http.html#patch has the server ensure that the narrative is not unsafe after a patch; a generated one that
    the patch leaves as it was tells the old content, so it goes. One that a person wrote stays.
    """
    text = after.get("text")
    is_generated = isinstance(text, dict) and text.get("status") in GENERATED
    if not is_generated or _words(text) != _words(before.get("text")) or _rest(after) == _rest(before):
        return after
    return {name: value for name, value in after.items() if name != "text"}


def _words(text: Any) -> list[str]:
    """Return the words of a narrative: XML may have changed some of the white space between them."""
    return str(text.get("div", "")).split() if isinstance(text, dict) else []


def _rest(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name not in ("meta", "text")}
