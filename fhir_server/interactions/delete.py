"""Delete a resource: its current version is a deletion from now on, its history stays.

Spec: http.html#delete, http.html#3.1.0.7.1
"""

from fhir_server.access.decision import decide
from fhir_server.foundation.resource import Version
from fhir_server.interactions.conditional import check_version, find_match
from fhir_server.interactions.governance import put_deletion
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import instant
from fhir_server.storage.store import Transaction


async def delete(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Delete what the address or its criteria name, 204; also when there is nothing to delete.

    Raises VersionConflict, MultipleMatches, Forbidden.
    """
    within = decide(request.grant, "delete", request.resource_type)
    resource_id = request.resource_id
    if not resource_id:
        match = await find_match(request, transaction, runtime, request.parameters)
        resource_id = "" if match is None else match.resource_id
    current = await transaction.read(request.resource_type, resource_id, within=within) if resource_id else None
    check_version(request, current)
    if current is None or current.is_deleted:
        return Response(204)
    version = Version(
        request.resource_type,
        resource_id,
        current.version_id + 1,
        instant(runtime),
        b"",
        is_deleted=True,
        depositor=current.depositor,
    )
    await put_deletion(transaction, current, version, runtime.indexing)
    return Response(204, version_id=version.version_id, last_updated=version.last_updated, version=version)
