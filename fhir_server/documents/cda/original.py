"""Original: the document that a DocumentReference describes, as its caller may read it.

Spec: documentreference.html, binary.html
"""

from base64 import b64decode
from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError, NotFound
from fhir_server.foundation.references import parse_reference
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Runtime

Resource = dict[str, Any]
CDA_TYPES: Final = frozenset({"text/xml", "application/xml", "application/xslt+xml"})


class Reading:
    """Reads what a caller may read, and remembers it."""

    def __init__(self, request: Request, runtime: Runtime) -> None:
        self._request = request
        self._runtime = runtime
        self._found: dict[str, Resource | None] = {}

    async def read(self, reference: str) -> Resource | None:
        """Return the resource of a reference to this server, None when the caller may not read it or it is nowhere."""
        if reference not in self._found:
            self._found[reference] = await self._read(reference)
        return self._found[reference]

    async def asked(self) -> Resource:
        """Return the resource that the request is about. Raises NotFound, Gone, Forbidden."""
        plain = self._plain(self._request.resource_type, self._request.resource_id)
        return fhir_json.parse((await read(plain, self._runtime.store, self._runtime)).content)

    async def _read(self, reference: str) -> Resource | None:
        named = parse_reference(reference, (self._request.base_url,))
        if named.kind != "relative":
            return None
        try:
            plain = self._plain(named.target_type, named.target_id)
            return fhir_json.parse((await read(plain, self._runtime.store, self._runtime)).content)
        except FhirError:
            return None

    def _plain(self, resource_type: str, resource_id: str) -> Request:
        request = self._request
        return Request("read", request.grant, resource_type, resource_id, base_url=request.base_url)


async def document_of(document_reference: Resource, reading: Reading) -> Resource:
    """Return the Binary, or the FHIR document, that a DocumentReference describes. Raises NotFound."""
    attachment = document_reference["content"][0]["attachment"]
    if "data" in attachment:
        content_type = attachment.get("contentType", "application/octet-stream")
        return {"resourceType": "Binary", "contentType": content_type, "data": attachment["data"]}
    found = await reading.read(str(attachment.get("url", "")))
    if found is None or found["resourceType"] not in ("Binary", "Bundle"):
        raise NotFound("The document itself is not kept here, or not for you.", "DocumentReference.content")
    return found


def bytes_of(binary: Resource) -> bytes:
    """Return the bytes of a Binary."""
    return b64decode(binary.get("data", ""))


def is_cda(binary: Resource) -> bool:
    """Say whether a Binary holds a CDA R2."""
    media_type = str(binary.get("contentType", "")).partition(";")[0].strip().lower()
    return media_type in CDA_TYPES and b"ClinicalDocument" in bytes_of(binary)[:4096]
