"""Delete a resource: its current version is a deletion from now on, its history stays.

Spec: http.html#delete, http.html#3.1.0.7.1
"""

from fhir_server.access.decision import decide
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Issue, VersionConflict, outcome
from fhir_server.foundation.resource import Version
from fhir_server.interactions.canonicals.changes import CANONICAL_TYPES, note_change
from fhir_server.interactions.conditional import check_version, find_matches
from fhir_server.interactions.governance import put_deletion
from fhir_server.interactions.read import check_unseen
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import instant
from fhir_server.search.condition import Condition
from fhir_server.storage.store import Transaction


async def delete(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Delete what the address or its criteria name, 204; also when there is nothing to delete.

    Raises VersionConflict, MultipleMatches (more than `limits.delete_maximum`), Forbidden.
    """
    within = decide(request.grant, "delete", request.resource_type)
    if not request.resource_id:
        return await _delete_matches(request, transaction, runtime, within)
    current = await transaction.read(request.resource_type, request.resource_id, within=within)
    if current is None:
        await check_unseen(request, transaction)
    check_version(request, current)
    if current is None or current.is_deleted:
        return Response(204)
    return _deleted(await _delete(current, transaction, runtime))


async def _delete_matches(request: Request, transaction: Transaction, runtime: Runtime, within: Condition) -> Response:
    most = runtime.limits.delete_maximum
    matches = await find_matches(request, transaction, runtime, request.parameters, most)
    if request.if_match and len(matches) > 1:
        raise VersionConflict(f"If-Match names one version, and the criteria match {len(matches)} resources.")
    found = [await transaction.read(match.resource_type, match.resource_id, within=within) for match in matches]
    reached = [current for current in found if current is not None]
    if len(reached) < 2:
        check_version(request, reached[0] if reached else None)
    deletions = [await _delete(current, transaction, runtime) for current in reached]
    if len(deletions) == 1:
        return _deleted(deletions[0])
    if not deletions:
        return Response(204)
    issue = Issue("information", "informational", f"{len(deletions)} resources are deleted.")
    references = tuple(version.reference for version in deletions)
    return Response(200, fhir_json.format(outcome([issue])), shown=references)


async def _delete(current: Version, transaction: Transaction, runtime: Runtime) -> Version:
    version = Version(
        current.resource_type,
        current.resource_id,
        current.version_id + 1,
        instant(runtime),
        b"",
        is_deleted=True,
        depositor=current.depositor,
    )
    await put_deletion(transaction, current, version, runtime.indexing)
    if version.resource_type in CANONICAL_TYPES:
        await note_change(transaction, version.reference)
    return version


def _deleted(version: Version) -> Response:
    return Response(204, version_id=version.version_id, last_updated=version.last_updated, version=version)
