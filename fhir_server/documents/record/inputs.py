"""Inputs: the simple parameters of an operation on the record, from its address or from Parameters.

Spec: operations.html#request
"""

from collections.abc import Collection
from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import parts, value
from fhir_server.interactions.request import Request, Runtime
from fhir_server.validation.validate import validate

GENERAL: Final = frozenset({"_format", "_pretty"})


def read_inputs(request: Request, runtime: Runtime, known: Collection[str]) -> dict[str, Any]:
    """Return the inputs by name, texts or values, each once. Raises BadRequest for others."""
    found: dict[str, Any] = {}
    for name, given in (*request.parameters, *_posted(request, runtime)):
        if name in GENERAL:
            continue
        if name not in known or name in found:
            raise BadRequest(f"{request.interaction} takes each of {', '.join(sorted(known))} once, not {name[:80]!r}.")
        found[name] = given
    return found


def flag(found: dict[str, Any], name: str) -> bool:
    """Return a boolean, False when it is absent. Raises BadRequest."""
    given = found.get(name, False)
    if given not in (True, False, "true", "false"):
        raise BadRequest(f"{name} is true or false.", f"Parameters.parameter.where(name='{name}')")
    return given in (True, "true")


def text(found: dict[str, Any], name: str) -> str:
    """Return a text, "" when it is absent. Raises BadRequest."""
    given = found.get(name, "")
    if not isinstance(given, str):
        raise BadRequest(f"{name} is a text.", f"Parameters.parameter.where(name='{name}')")
    return given


def _posted(request: Request, runtime: Runtime) -> list[tuple[str, Any]]:
    resource = request.resource
    if resource is None:
        if not request.content.strip():
            return []
        resource = fhir_json.parse(request.content, max_depth=runtime.limits.depth)
    validate(resource, expected_type="Parameters")
    return [(part["name"], value(part)) for part in parts(resource)]
