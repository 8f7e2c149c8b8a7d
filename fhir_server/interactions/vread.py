"""Read one version of a resource.

Spec: http.html#vread
"""

from typing import Final

from fhir_server.access.decision import decide
from fhir_server.foundation.operation_outcome import Gone, NotFound
from fhir_server.interactions.conditional import names_version
from fhir_server.interactions.read import present
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.store import Reader

VERSION_DIGITS: Final = 18


async def vread(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return the version, 304 when the client has it; raises NotFound, and Gone for the one that is the deletion."""
    within = decide(request.grant, "vread", request.resource_type)
    number = version_number(request.version_id)
    version = None
    if number:
        version = await reader.vread(request.resource_type, request.resource_id, number, within=within)
    if version is None:
        raise NotFound(f"{request.resource_type}/{request.resource_id} has no version {request.version_id} to show.")
    if version.is_deleted:
        raise Gone(f"Version {number} of {version.reference} is its deletion.")
    if request.if_none_match and names_version(request.if_none_match, version.version_id):
        return Response(304, version_id=version.version_id, last_updated=version.last_updated)
    return present(request, version)


def version_number(text: str) -> int:
    """Return the number of a version id of ours, 0 for a text that can be none."""
    is_number = text.isascii() and text.isdigit() and len(text) <= VERSION_DIGITS
    return int(text) if is_number else 0
