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
FOLDERS = (_HERE / "data" / "conformance", _HERE.parent / "conformance")
"""In a wheel, and in a checkout."""


def definitions() -> Iterator[dict[str, Any]]:
    """Yield the conformance resources that travel with the server."""
    folder = next(folder for folder in FOLDERS if folder.is_dir())
    for file in sorted(folder.rglob("*.json")):
        yield fhir_json.parse(file.read_bytes())


@lru_cache(maxsize=1)
def own_parameters() -> Parameters:
    """Return the search parameters of the specification and those that travel with the server."""
    return Parameters(search_parameter_of(one) for one in definitions() if one["resourceType"] == "SearchParameter")


async def publish(runtime: Runtime) -> None:
    """Store the definitions under their ids, those alone that are new or changed since the last start."""
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
