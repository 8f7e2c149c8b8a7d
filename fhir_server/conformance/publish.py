"""Conformance: the definitions of what the server itself promises, published as resources at start.

Spec: capabilitystatement.html, operationdefinition.html
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.foundation import fhir_json
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.custom import search_parameter_of
from fhir_server.search.parameters import Parameters

PUBLISHER = replace(OPEN, client_id="server", display="this server, at start")
_HERE = Path(__file__).parents[1]
FOLDERS = tuple((_HERE / "data" / name, _HERE.parent / name) for name in ("conformance", "profiles"))
"""What the server promises, and its own profiles: each in a wheel, and in a checkout."""
_NO_DEFINITIONS = {"package.json", "examples"}


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the conformance resources and profiles that travel with the server."""
    for places in FOLDERS:
        folder = next(place for place in places if place.is_dir())
        for file in sorted(folder.rglob("*.json")):
            if _NO_DEFINITIONS.isdisjoint(file.relative_to(folder).parts):
                yield fhir_json.parse(file.read_bytes())


@lru_cache(maxsize=1)
def own_parameters() -> Parameters:
    """Return the search parameters of the specification and those that travel with the server."""
    return Parameters(search_parameter_of(one) for one in definitions() if one["resourceType"] == "SearchParameter")


async def publish(runtime: Runtime) -> None:
    """Store the definitions under their ids, those alone that are new or changed since the last start.

    They are ours, and no profile holds them: nothing waits for the definitions of the store.
    """
    runtime = replace(runtime, canonicals=None, profiling=None)
    for resource in definitions():
        resource_type, resource_id = resource["resourceType"], resource["id"]
        stored = await runtime.store.read(resource_type, resource_id)
        if stored is not None and not stored.is_deleted and _is_same(stored.content, resource):
            continue
        request = Request("update", PUBLISHER, resource_type=resource_type, resource_id=resource_id, resource=resource)
        await dispatch(request, runtime)


def _is_same(content: bytes, resource: dict[str, Any]) -> bool:
    stored = msgspec.json.decode(content)
    stored.pop("meta")
    return bool(stored == resource)
