"""Explanation: how a search is answered, for those who run the server (`_explain=true`).

Choice: its own parameter, as search.html has none for this.
"""

from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.storage.store import Search

EXPLAIN: Final = ("_explain", "true")


def asks_explanation(request: Request, runtime: Runtime) -> bool:
    """Say whether an operator, or anybody on an open server, asks how the search is answered.

    To all others `_explain` is an unknown parameter: the arguments of a statement hold the access decision.
    """
    is_trusted = request.grant.kind == "open" or request.grant.is_operator
    return runtime.explain is not None and is_trusted and EXPLAIN in request.parameters


async def explanation(search: Search, runtime: Runtime) -> Response:
    """Return Parameters that tell each statement of a search, its plan and what it took."""
    assert runtime.explain is not None
    told = await runtime.explain(search)
    statements = [parameter("statement", "part", [*map(_part, one.items())]) for one in told["statements"]]
    counts = [
        parameter(name, "integer", told[name]) for name in ("matches", "included", "total") if told[name] is not None
    ]
    return Response(200, fhir_json.format(parameters_resource([*statements, *counts])))


def _part(item: tuple[str, Any]) -> dict[str, Any]:
    name, value = item
    if isinstance(value, int):
        return parameter(name, "integer", value)
    text = "\n".join(map(str, value)) if isinstance(value, list) else str(value)
    return parameter(name, "string", text or "-")
