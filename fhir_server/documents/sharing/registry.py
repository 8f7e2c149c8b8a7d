"""Registry and repository: the four things that a face of document sharing asks, whatever it speaks on the wire.

| here | MHD and PDSm | XDS.b | DMP |
|---|---|---|---|
| `publish` | ITI-65, ITI-105, ITI-106 | ITI-41 | TD2, TD2.1 |
| `find` | ITI-66, ITI-67 | ITI-18 | TD3.1 |
| `retrieve` | ITI-68 | ITI-43 | TD3.2 |
| `update_metadata` | PATCH (flux 03) | ITI-57 | TD3.3 |

Each is asked with a Request that carries the caller's Grant, and refuses with FhirError, whose issues bear the error code of
IHE in `details`. A document's logicalId is its identifier of type entryUUID; the entryUUID of a later version of its
metadata is to be made of that and `meta.versionId`. Spec: ITI TF-3: 4.1, 4.2.3.2
"""

from base64 import b64decode
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.documents.sharing.publishing import Published, publish
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime

__all__ = ["Published", "find", "publish", "retrieve", "update_metadata"]

Resource = dict[str, Any]


async def find(
    request: Request, runtime: Runtime, resource_type: str, criteria: tuple[tuple[str, str], ...]
) -> list[Resource]:
    """Return the DocumentReferences or Lists that the caller may see and that meet search criteria.

    At most the largest page: ask by patient, status and date. Raises BadRequest for criteria that are not understood.
    """
    asked = _plain(request, "search", resource_type, parameters=criteria)
    bundle = msgspec.json.decode((await dispatch(asked, runtime)).content)
    return [entry["resource"] for entry in bundle.get("entry", ()) if entry["search"]["mode"] != "outcome"]


async def retrieve(request: Request, runtime: Runtime, document: Resource) -> tuple[bytes, str]:
    """Return the bytes of a DocumentReference's document and their media type. Raises NotFound.

    A FHIR document comes as FHIR JSON.
    """
    url = str(document["content"][0]["attachment"].get("url", ""))
    resource_type, _, resource_id = url.removeprefix(f"{request.base_url}/").partition("/")
    if resource_type not in ("Binary", "Bundle"):
        raise NotFound(f"The document of DocumentReference/{document.get('id')} is not kept here.")
    response = await dispatch(_plain(request, "read", resource_type, resource_id=resource_id), runtime)
    if resource_type == "Bundle":
        return response.content, "application/fhir+json"
    binary = fhir_json.parse(response.content)
    return b64decode(binary["data"]), binary["contentType"]


async def update_metadata(request: Request, runtime: Runtime, document: Resource) -> Response:
    """Store a DocumentReference with another status, labels or archiving, under the rules of a patch.

    `document` is what `find` gave, changed; its version must still be the current one. Raises VersionConflict (412),
    Fixed (405), Forbidden (403).
    """
    if_match = f'W/"{document["meta"]["versionId"]}"'
    asked = _plain(request, "update", "DocumentReference", resource_id=document["id"])
    return await dispatch(replace(asked, resource=document, if_match=if_match), runtime)


def _plain(
    request: Request,
    interaction: str,
    resource_type: str,
    resource_id: str = "",
    parameters: tuple[tuple[str, str], ...] = (),
) -> Request:
    return Request(
        interaction,
        request.grant,
        resource_type,
        resource_id,
        parameters=parameters,
        base_url=request.base_url,
        request_id=request.request_id,
    )
