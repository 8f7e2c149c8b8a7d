"""Update a resource: a new version of it, or its first one under the client's id.

Spec: http.html#update, http.html#upsert, http.html#cond-update
"""

from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.access.grant import Grant
from fhir_server.foundation.operation_outcome import BadRequest, Conflict, NotFound, PreconditionFailed, VersionConflict
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.route import check_id
from fhir_server.interactions.conditional import check_version, find_match
from fhir_server.interactions.create import create
from fhir_server.interactions.read import check_unseen, unknown
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import Draft, put, written
from fhir_server.search.condition import Condition
from fhir_server.storage.store import Transaction


async def update(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Store the next version: 200, or 201 when there was none. Raises NotFound, VersionConflict, Forbidden."""
    if not request.resource_id:
        return await _update_match(request, transaction, runtime)
    within = decide(request.grant, "update", request.resource_type)
    current = await current_version(request, transaction, within)
    check_version(request, current)
    if request.if_none_match.strip() == "*" and current is not None and not current.is_deleted:
        raise PreconditionFailed(f"If-None-Match is *, and {current.reference} exists.")
    version = await put(request, transaction, runtime, Draft(request.resource_id, current, within))
    return written(request, version, 201 if current is None or current.is_deleted else 200)


async def current_version(request: Request, transaction: Transaction, within: Condition) -> Version | None:
    """Return the current version, None when there never was one and the caller may choose its id. Raises NotFound."""
    current = await transaction.read(request.resource_type, request.resource_id, within=within)
    if current is None and not may_choose_ids(request.grant):
        await check_unseen(request, transaction)
        # Choice: 404 and not 405, which would tell an id that is hidden from one that is free.
        raise NotFound(
            f"{request.resource_type}/{request.resource_id} is not known. Ids are given by this server: "
            f"to create, POST to {request.resource_type}."
        )
    if current is None and await transaction.read(request.resource_type, request.resource_id) is not None:
        raise unknown(request)
    return current


def may_choose_ids(grant: Grant) -> bool:
    """Say whether the caller's updates may create. Choice: only where nothing is hidden from the caller.

    To anybody else, an id that is refused and one that is accepted would tell which resources exist.
    """
    return grant.kind == "open" or grant.is_operator


async def _update_match(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    match = await find_match(request, transaction, runtime, request.parameters)
    assert request.resource is not None
    own_id = request.resource.get("id", "")
    if match is not None:
        if own_id not in ("", match.resource_id):
            raise BadRequest(f"The criteria match {match.reference}, and the body's id is {str(own_id)[:80]!r}.")
        return await update(replace(request, resource_id=match.resource_id), transaction, runtime)
    if request.if_match:
        raise VersionConflict(f"If-Match is {request.if_match[:50]}, and the criteria match nothing.")
    if not own_id:
        return await create(request, transaction, runtime)
    check_id(own_id)
    named = replace(request, resource_id=own_id)
    await check_unused(named, transaction)
    return await update(named, transaction, runtime)


async def check_unused(request: Request, transaction: Transaction) -> None:
    """Raise Conflict when a conditional update, whose criteria match nothing, names an id that is in use.

    Choice: R4 has it treated as an update of that id, which would overwrite what the criteria do not mean; R5 says 409.
    """
    within = decide(request.grant, "update", request.resource_type)
    current = await transaction.read(request.resource_type, request.resource_id, within=within)
    if current is not None and not current.is_deleted:
        raise Conflict(f"The criteria match nothing, and {current.reference}, which the body names, exists.")
