"""Formats: which patch a body is.

Spec: http.html#patch
"""

from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any, Final

import msgspec

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, Unparsable, UnsupportedMediaType
from fhir_server.interactions.patching.change import Change, Resource
from fhir_server.interactions.patching.fhirpath_patch import fhirpath_patch
from fhir_server.interactions.patching.json_patch import json_patch
from fhir_server.interactions.patching.xml_patch import xml_patch

JSON_PATCH: Final = "application/json-patch+json"
XML_PATCH: Final = "application/xml-patch+xml"
PATCHES: Final = (JSON_PATCH, XML_PATCH)
_encode: Final = msgspec.json.Encoder(decimal_format="number").encode


class UnknownPatch(UnsupportedMediaType):
    """The body is no patch that is read here; `accepted` are the media types that are."""

    accepted = (JSON_PATCH, XML_PATCH, "application/fhir+json", "application/fhir+xml")


def change_of(content: bytes, media_type: str, resource: Resource | None, depth: int) -> Change:
    """Return the change that a body means: bytes of a media type, or a resource that was parsed already.

    Parameters are a FHIRPath Patch; a Binary, as bundles have it, holds a patch of its contentType. Raises BadRequest,
    Unparsable, UnknownPatch.
    """
    if resource is None:
        if not content.strip():
            raise Unparsable("The body is empty: send a patch.")
        name = media_type.partition(";")[0].strip().lower()
        if name == XML_PATCH:
            return xml_patch(content)
        if name == JSON_PATCH or content.lstrip()[:1] == b"[":
            return json_patch(_list(content, depth))
        resource = fhir_json.parse(content, max_depth=depth)
    if resource.get("resourceType") == "Binary":
        return _of_binary(resource, depth)
    return fhirpath_patch(resource)


def relinked(resource: Resource, relink: Callable[[Resource], Resource], depth: int) -> Resource:
    """Return a patch of a bundle with its links replaced, also those of a JSON Patch within a Binary."""
    resource = relink(resource)
    if resource.get("resourceType") != "Binary" or _media_type(resource) != JSON_PATCH:
        return resource
    operations = relink({"patch": _list(_data(resource), depth)})["patch"]
    return {**resource, "data": b64encode(_encode(operations)).decode()}


def _of_binary(binary: Resource, depth: int) -> Change:
    media_type = _media_type(binary)
    if media_type not in PATCHES:
        raise UnknownPatch(f"A Binary of {media_type[:80]!r} is no patch; {' and '.join(PATCHES)} are.")
    return change_of(_data(binary), media_type, None, depth)


def _media_type(binary: Resource) -> str:
    return str(binary.get("contentType", "")).partition(";")[0].strip().lower()


def _data(binary: Resource) -> bytes:
    try:
        return b64decode(binary.get("data", ""), validate=True)
    except (ValueError, TypeError):
        raise BadRequest("The data of the Binary is no base64.", "Binary.data") from None


def _list(content: bytes, depth: int) -> Any:
    """Return the list of a JSON Patch, parsed as strictly as any resource is."""
    members = fhir_json.parse(b'{"patch":%b}' % content, max_depth=depth)
    if len(members) != 1:
        raise BadRequest("The body is no JSON Patch: send one list.")
    return members["patch"]
