"""`Composition/$document`: the document Bundle of a Composition and all that it refers to.

Spec: composition-operation-document.html, documents.html#content
"""

from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.route import NoSuchMethod
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.gathering.referenced import read_referenced, references_of
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.inputs import flag, inputs, single

MOST: Final = 1_000


async def document(request: Request, runtime: Runtime) -> Response:
    """Return the document, and with `persist=true` store it first. Raises NotFound, Gone, Forbidden, TooCostly."""
    found = inputs(request, runtime, ("id", "persist", "graph"))
    if "graph" in found:
        raise BadRequest("No GraphDefinition is followed here: leave graph out.", code="not-supported")
    is_kept = flag(found, "persist")
    if is_kept and request.is_get:
        raise NoSuchMethod("GET", ("POST",))
    asked = replace(
        request,
        interaction="read",
        resource_id=request.resource_id or _composition_id(single(found, "id"), request.base_url),
        parameters=(),
        if_none_match="",
        if_modified_since=None,
    )
    composition = (await read(asked, runtime.store, runtime)).version
    assert composition is not None
    versions = await _closure(asked, runtime, composition)
    bundle = _bundle(request, runtime, versions)
    shown = tuple(version.reference for version in versions)
    if not is_kept:
        return Response(200, fhir_json.format(bundle), shown=shown)
    create = replace(
        asked, interaction="create", resource_type="Bundle", resource_id="", content=b"", resource=bundle,
        prefer_return="representation", if_none_exist=None,
    )  # fmt: skip
    created = await dispatch(create, runtime)
    return replace(created, status=200, version=None, shown=shown)


def _composition_id(text: str, base_url: str) -> str:
    named = parse_reference(text if "/" in text else f"Composition/{text}", (base_url,))
    if named.kind != "relative" or named.target_type != "Composition":
        raise BadRequest("id names a Composition of this server: Composition/1.")
    return named.target_id


async def _closure(request: Request, runtime: Runtime, composition: Version) -> list[Version]:
    """Return the Composition and whatever is reached from it.

    Choice: what the caller may not see, or what is not here, is left out, as are references to other servers.
    """
    found = {composition.reference: composition}
    waiting = [composition]
    while waiting:
        for reference in references_of(waiting.pop(0).content, request.base_url):
            version = None if reference in found else await read_referenced(request, runtime.store, reference)
            if version is not None:
                found[reference] = version
                waiting.append(version)
        if len(found) > MOST:
            raise TooCostly(f"The Composition leads to more than {MOST} resources.")
    return list(found.values())


def _bundle(request: Request, runtime: Runtime, versions: list[Version]) -> dict[str, Any]:
    entries = [
        {"fullUrl": f"{request.base_url}/{version.reference}", "resource": fhir_json.parse(version.content)}
        for version in versions
    ]
    return {
        "resourceType": "Bundle",
        "identifier": {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{runtime.new_id()}"},
        "type": "document",
        "timestamp": format_instant(runtime.now()),
        "entry": entries,
    }
