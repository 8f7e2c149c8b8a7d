"""Read the current version of a resource.

Spec: http.html#read, http.html#cread
"""

from datetime import timedelta

from fhir_server.access.decision import decide
from fhir_server.foundation.operation_outcome import Forbidden, Gone, NotFound
from fhir_server.foundation.resource import Version
from fhir_server.interactions.conditional import names_version
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.subset import subset_asked
from fhir_server.storage.store import Reader


async def read(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return the resource, 304 when the client has it; raises NotFound, and Gone when it was deleted."""
    within = decide(request.grant, "read", request.resource_type)
    version = await reader.read(request.resource_type, request.resource_id, within=within)
    if version is None:
        raise unknown(request)
    if version.is_deleted:
        raise Gone(f"{version.reference} was deleted; its versions are in {version.reference}/_history.")
    if _has_it(request, version):
        return Response(304, version_id=version.version_id, last_updated=version.last_updated)
    return present(request, version)


def present(request: Request, version: Version, status: int = 200) -> Response:
    """Return a version as the request wants it: the stored bytes, or the subset it asks for."""
    content = version.content
    if request.parameters:
        content = subset_asked(content, request.parameters)
    return Response(status, content, version_id=version.version_id, last_updated=version.last_updated, version=version)


def unknown(request: Request) -> NotFound:
    """Return the refusal that does not tell an unknown resource from a hidden one."""
    return NotFound(f"{request.resource_type}/{request.resource_id} is not known.")


async def check_unseen(request: Request, reader: Reader) -> None:
    """Raise Forbidden when the caller may read what he may not change; what he does not see stays unknown.

    Call it when a write did not reach its resource: to say that it does not exist, or is deleted, would be untrue.
    """
    try:
        within = decide(request.grant, "read", request.resource_type)
    except Forbidden:
        return
    seen = await reader.read(request.resource_type, request.resource_id, within=within)
    if seen is not None and not seen.is_deleted:
        raise Forbidden(f"The caller may see {seen.reference}, and may not {request.interaction} it.")


def _has_it(request: Request, version: Version) -> bool:
    if request.if_none_match:
        return names_version(request.if_none_match, version.version_id)
    since = request.if_modified_since
    # HTTP dates have no milliseconds.
    return since is not None and version.last_updated < since + timedelta(seconds=1)
