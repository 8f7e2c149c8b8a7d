"""Inputs: what an operation is given, in its address, in a form, or as Parameters.

Spec: operations.html#request
"""

from collections.abc import Collection, Iterator
from decimal import Decimal
from typing import Any, Final

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import Part, parts, value
from fhir_server.interactions.request import Request, Runtime
from fhir_server.validation.validate import validate

GENERAL: Final = frozenset({"_format", "_pretty"})


def posted(request: Request, runtime: Runtime) -> dict[str, Any] | None:
    """Return the resource in the body, None when there is no body. Raises Unparsable."""
    if request.resource is not None or not request.content.strip():
        return request.resource
    return fhir_json.parse(request.content, max_depth=runtime.limits.depth)


def inputs(request: Request, runtime: Runtime, known: Collection[str]) -> dict[str, list[str]]:
    """Return the simple inputs by name, as texts, wherever they were given. Raises BadRequest for unknown ones."""
    found: dict[str, list[str]] = {}
    for name, text in (*request.parameters, *simple(posted(request, runtime))):
        if name in known:
            found.setdefault(name, []).append(text)
        elif name not in GENERAL:
            names = ", ".join(sorted(known)) or "none"
            raise BadRequest(f"{request.interaction} has no parameter {name[:80]!r}. It has: {names}.")
    return found


def single(found: dict[str, list[str]], name: str) -> str:
    """Return an input that is given at most once, "" when it is absent. Raises BadRequest."""
    texts = found.get(name, [""])
    if len(texts) > 1:
        raise BadRequest(f"The parameter {name} is given {len(texts)} times: give it once.")
    return texts[0]


def flag(found: dict[str, list[str]], name: str) -> bool:
    """Return a boolean input, False when it is absent. Raises BadRequest."""
    text = single(found, name)
    if text not in ("", "true", "false"):
        raise BadRequest(f"{name} is true or false, and is {text[:50]!r}.")
    return text == "true"


def simple(parameters: dict[str, Any] | None) -> Iterator[tuple[str, str]]:
    """Yield the simple inputs of posted Parameters as (name, text). Raises BadRequest, Unprocessable."""
    if parameters is not None:
        validate(parameters, expected_type="Parameters")
        for part in parts(parameters):
            yield part["name"], _text(part)


def _text(part: Part) -> str:
    found = value(part)
    if isinstance(found, bool):
        return "true" if found else "false"
    if not isinstance(found, str | int | Decimal):
        raise BadRequest(f"The parameter {part['name'][:80]} has a simple value.", "Parameters.parameter")
    return str(found)
