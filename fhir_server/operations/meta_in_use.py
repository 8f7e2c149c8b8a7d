"""`$meta` of a type or of the whole system: the profiles, tags and security labels that are in use.

Spec: resource-operation-meta.html
"""

from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import TooCostly
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.search import find

LOOKED_AT: Final = 10_000
PAGE: Final = "500"
ASKED: Final = {"profile": "_profile", "security": "_security", "tag": "_tag"}
"""The search parameter that finds what has one, by the list of a Meta."""


class Marked(msgspec.Struct, frozen=True):
    """What of a resource is looked at."""

    meta: dict[str, Any]


_decode = msgspec.json.Decoder(Marked).decode


async def meta_in_use(request: Request, runtime: Runtime) -> Response:
    """Return each profile, tag and label once, of what the caller may search. Raises TooCostly, Forbidden."""
    in_use: dict[str, dict[Any, Any]] = {}
    for name, search_parameter in ASKED.items():
        found = in_use[name] = {}
        async for marked in _marked(request, runtime, search_parameter):
            for item in marked.meta.get(name, ()):
                found.setdefault(_key(item), item)
    made = {name: list(found.values()) for name, found in in_use.items() if found}
    # An empty Meta is no FHIR JSON.
    returned = [parameter("return", "Meta", made)] if made else []
    return Response(200, fhir_json.format(parameters_resource(returned)))


def _key(item: Any) -> Any:
    return (item.get("system"), item.get("version"), item.get("code")) if isinstance(item, dict) else item


async def _marked(request: Request, runtime: Runtime, search_parameter: str) -> AsyncIterator[Marked]:
    cursor, left = "", LOOKED_AT
    while True:
        pairs = ((f"{search_parameter}:missing", "false"), ("_count", PAGE), *([("_cursor", cursor)] if cursor else []))
        asked = replace(request, interaction="search", parameters=pairs, is_lenient=False)
        _, page = await find(asked, runtime.store, runtime)
        left -= len(page.versions)
        if left < 0:
            raise TooCostly(f"More than {LOOKED_AT} resources have a {search_parameter[1:]}: ask one type.")
        for version in page.versions:
            yield _decode(version.content)
        cursor = page.cursor
        if not cursor:
            return
