"""Capabilities: what this server does, made from what is really routed and known.

Spec: http.html#capabilities, capabilitystatement.html
"""

import asyncio
from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final

import msgspec

from fhir_server import __version__
from fhir_server.foundation import fhir_json
from fhir_server.foundation.compartment import COMPARTMENT_TYPES
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.conditional import names_etag
from fhir_server.interactions.patching.formats import UnknownPatch
from fhir_server.interactions.request import Guides, Operation, Request, Response, Runtime
from fhir_server.interactions.subset import subset_asked
from fhir_server.search.parameters import Parameters
from fhir_server.storage.store import Reader

TYPE_INTERACTIONS: Final = (
    "read",
    "vread",
    "update",
    "patch",
    "delete",
    "history-instance",
    "history-type",
    "create",
    "search-type",
)
SYSTEM_INTERACTIONS: Final = ("transaction", "batch", "search-system", "history-system")
ABILITIES: Final = {
    "versioning": "versioned",
    "readHistory": True,
    "updateCreate": True,
    "conditionalCreate": True,
    "conditionalRead": "full-support",
    "conditionalUpdate": True,
    "conditionalDelete": "multiple",
}
"""Choice: `updateCreate` tells what an operator, or a caller of an open server, may do. To all others ids are given by
the server, as an id that is refused would tell that it is taken; the statement is the same for everybody."""
COMPARTMENT: Final = "http://hl7.org/fhir/CompartmentDefinition"
MODES: Final = ("full", "normative")
TERMINOLOGY: Final = "terminology"
RELEASED: Final = "2026-11-22"
OAUTH_URIS: Final = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
SECURITY_SERVICE: Final = "http://terminology.hl7.org/CodeSystem/restful-security-service"

NO_GUIDES: Final = Guides()

DOCUMENTATION: Final = (
    "What is sent is stored as it came, and comes back so; id, meta.versionId and meta.lastUpdated are the server's. "
    "A version is kept for good. Criteria of conditional interactions and what they write are one transaction."
)
Element = dict[str, Any]
OauthUris = tuple[tuple[str, str], ...]


class Offered(msgspec.Struct, frozen=True):
    """What a server offers beside interactions and searches; `has_cors`: pages of some origins may call."""

    operations: tuple[Operation, ...] = ()
    oauth_uris: OauthUris = ()
    guides: Guides = NO_GUIDES
    has_cors: bool = False


async def capabilities(request: Request, reader: Reader, runtime: Runtime) -> Response:
    """Return the CapabilityStatement, or TerminologyCapabilities. Raises BadRequest for a `mode` that there is not."""
    mode = dict(request.parameters).get("mode", "full")
    if mode == TERMINOLOGY:
        if runtime.canonicals is not None:
            await runtime.canonicals.ready()
        return _answer(request, await asyncio.to_thread(_terminology_content, request.base_url, runtime))
    if mode not in MODES:
        known = ", ".join((*MODES, TERMINOLOGY))
        raise BadRequest(f"mode={mode[:50]} is none of {known}; full and normative give the same statement.")
    offered = Offered(runtime.operations, runtime.oauth_uris, runtime.guides, runtime.has_cors)
    return _answer(request, _content(request.base_url, runtime.parameters, offered))


def _answer(request: Request, content: bytes) -> Response:
    etag = _etag(content)
    if request.if_none_match and names_etag(request.if_none_match, etag):
        return Response(304, etag=etag)
    return Response(200, subset_asked(content, request.parameters), etag=etag)


@lru_cache(maxsize=8)
def _etag(content: bytes) -> str:
    return sha256(content).hexdigest()[:16]


@lru_cache(maxsize=8)
def _content(base_url: str, parameters: Parameters, offered: Offered) -> bytes:
    return fhir_json.format(capability_statement(base_url, parameters, offered))


def capability_statement(base_url: str, parameters: Parameters, offered: Offered) -> Element:
    """Return the statement of a server at this base, which knows these search parameters and offers this."""
    operations, guides = offered.operations, offered.guides
    referring = _referring(parameters)
    rest: Element = {"mode": "server", "documentation": DOCUMENTATION, "security": _security(offered)}
    rest["resource"] = [
        _resource(resource_type, parameters, operations, referring.get(resource_type, []))
        for resource_type in sorted(RESOURCE_TYPES)
    ]
    for resource in rest["resource"]:
        supported = [profile for resource_type, profile in guides.profiles if resource_type == resource["type"]]
        if supported:
            resource["supportedProfile"] = supported
    rest["interaction"] = [{"code": code} for code in SYSTEM_INTERACTIONS]
    rest["searchParam"] = _search_parameters("", parameters)
    of_system = _operations("system", "", operations)
    if of_system:
        rest["operation"] = of_system
    rest["compartment"] = [f"{COMPARTMENT}/{name[0].lower()}{name[1:]}" for name in sorted(COMPARTMENT_TYPES)]
    return {
        "resourceType": "CapabilityStatement",
        **_instance(base_url),
        **_guides(guides),
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": list(UnknownPatch.accepted),
        "rest": [rest],
    }


def _guides(guides: Guides) -> Element:
    named = {"instantiates": guides.instantiates, "implementationGuide": guides.implementation_guides}
    return {name: list(canonicals) for name, canonicals in named.items() if canonicals}


def _terminology_content(base_url: str, runtime: Runtime) -> bytes:
    held = {} if runtime.describe_terminology is None else runtime.describe_terminology()
    return fhir_json.format(terminology_capabilities(base_url, held))


def terminology_capabilities(base_url: str, held: Mapping[str, Any]) -> Element:
    """Return what this server does for terminologies, with what it holds. Spec: terminologycapabilities.html.

    It lists no operations: those that are offered are in the CapabilityStatement.
    """
    return {"resourceType": "TerminologyCapabilities", **_instance(base_url), "codeSearch": "explicit", **held}


def _instance(base_url: str) -> Element:
    return {
        "status": "active",
        "date": RELEASED,
        "kind": "instance",
        "software": {"name": "fhir-server", "version": __version__},
        "implementation": {"description": "A FHIR R4 server for the French personal health record", "url": base_url},
    }


def _security(offered: Offered) -> Element:
    security: Element = {"cors": offered.has_cors}
    if not offered.oauth_uris:
        return security | {"description": "No authorization: this server runs open."}
    uris = [{"url": name, "valueUri": uri} for name, uri in offered.oauth_uris]
    return {
        "extension": [{"url": OAUTH_URIS, "extension": uris}],
        **security,
        "service": [{"coding": [{"system": SECURITY_SERVICE, "code": "SMART-on-FHIR"}], "text": "SMART App Launch"}],
    }


def _resource(
    resource_type: str, parameters: Parameters, operations: tuple[Operation, ...], referring: list[str]
) -> Element:
    resource: Element = {
        "type": resource_type,
        "profile": f"http://hl7.org/fhir/StructureDefinition/{resource_type}",
        "interaction": [{"code": code} for code in TYPE_INTERACTIONS],
        **ABILITIES,
    }
    includes = [f"{resource_type}:{code}" for code in parameters.included(resource_type)]
    if includes:
        resource["searchInclude"] = ["*", *includes]
    if referring:
        resource["searchRevInclude"] = referring
    resource["searchParam"] = _search_parameters(resource_type, parameters)
    offered = _operations("type", resource_type, operations)
    if offered:
        resource["operation"] = offered
    return resource


def _search_parameters(resource_type: str, parameters: Parameters) -> list[Element]:
    known = sorted(parameters.of_type(resource_type).items())
    return [{"name": code, "definition": one.url, "type": one.type} for code, one in known]


def _referring(parameters: Parameters) -> dict[str, list[str]]:
    """Return for each type the `Source:parameter` that can refer to it."""
    referring: dict[str, list[str]] = {}
    for source_type in sorted(RESOURCE_TYPES):
        for code in parameters.included(source_type):
            for target_type in parameters.targets(source_type, code):
                # A canonical of anything names what has a URL.
                if not parameters.is_followed(source_type, code) and "url" not in parameters.of_type(target_type):
                    continue
                referring.setdefault(target_type, []).append(f"{source_type}:{code}")
    return referring


def _operations(level: str, resource_type: str, operations: tuple[Operation, ...]) -> list[Element]:
    """Return the operations of the system, or of a type (and its instances)."""
    found = []
    for operation in operations:
        is_of_type = {resource_type, "Resource"} & {*operation.resource_types} and {"type", "instance"} & {
            *operation.levels
        }
        if "system" in operation.levels if level == "system" else is_of_type:
            found.append({"name": operation.code, "definition": operation.definition})
    return found
