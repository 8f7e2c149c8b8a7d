"""`$fhirpath`: evaluate an expression on a resource that is sent or stored.

Spec: fhirpath.html, https://github.com/brianpos/fhirpath-lab/blob/develop/server-api.md
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server import __version__, fhirpath
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import Part, parameter, parameters_resource, parts, value
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.fhirpath.items import JSON_VALUE, XML_VALUE, item_part
from fhir_server.operations.fhirpath.surroundings import surroundings
from fhir_server.operations.fhirpath.tree import tree_of
from fhir_server.operations.inputs import GENERAL, posted
from fhir_server.operations.terminology.answering import aside
from fhir_server.validation.validate import validate

KNOWN: Final = ("expression", "context", "variables", "resource", "terminologyserver", "validate")
"""terminologyserver changes nothing: the terminology of this server is asked."""
EVALUATOR: Final = f"fhir-server {__version__} (R4)"
STEPS: Final = 200_000
MAX_EXPRESSION: Final = 20_000
MAX_CONTEXTS: Final = 1_000
Given = Mapping[str, Part]


async def evaluate(request: Request, runtime: Runtime) -> Response:
    """Return Parameters with the results. Raises BadRequest, EvaluationFailed (422), TooCostly, NotFound, Forbidden.

    A reference that leads out of the resource does not resolve.
    """
    stored: dict[str, Any] | None = None
    if request.resource_id:
        plain = replace(request, interaction="read", parameters=(), if_none_match="", if_modified_since=None)
        stored = fhir_json.parse((await read(plain, runtime.store, runtime)).content)
    if runtime.canonicals is not None:
        await runtime.canonicals.ready()
    return await aside(lambda: _answer(request, runtime, stored))


def _answer(request: Request, runtime: Runtime, stored: dict[str, Any] | None) -> Response:
    given = _given(request, runtime)
    resource = stored if stored is not None else _resource(given.get("resource"), runtime)
    expression, start = _text(given, "expression"), _text(given, "context")
    if not expression:
        raise BadRequest("An expression is required.", code="required")
    echo = [
        parameter("evaluator", "string", EVALUATOR),
        parameter("parseDebugTree", "string", tree_of(expression)),
        *_complaints(given, expression, resource),
        *(dict(given[name]) for name in ("expression", "context", "variables") if name in given),
        parameter("resource", "resource", resource),
    ]
    shown = [
        parameter("parameters", "part", echo),
        *_results(expression, start, resource, surroundings(given.get("variables", {}), runtime, STEPS)),
    ]
    return Response(200, fhir_json.format({**parameters_resource(shown), "id": "fhirpath"}))


def _results(
    expression: str, start: str, resource: Mapping[str, Any], context: fhirpath.Context
) -> Iterator[dict[str, Any]]:
    """Yield a result for each item of the context expression, or one for the resource."""
    root = fhirpath.root(resource)
    starts = fhirpath.evaluate(start, root, context) if start else [root]
    if len(starts) > MAX_CONTEXTS:
        raise BadRequest(f"The context has {len(starts)} items; at most {MAX_CONTEXTS} are evaluated.")
    compiled = fhirpath.compile(expression)
    for place, found in enumerate(starts):
        if not isinstance(found, fhirpath.Node):
            raise BadRequest("The context is a path into the resource, and gives a value: write a path.")
        traces: list[dict[str, Any]] = []

        def trace(name: str, items: list[Any], traces: list[dict[str, Any]] = traces) -> None:
            parted = [item_part(item) for item in items]
            traces.append(parameter("trace", "string", name) | ({"part": parted} if parted else {}))

        bounded = msgspec.structs.replace(context, trace=trace, steps=max(1_000, STEPS // len(starts)))
        listed = [item_part(item) for item in compiled(found, bounded)] + traces
        described = {"valueString": fhirpath.path(found) or f"{start}[{place}]"} if start else {}
        yield {"name": "result", **described, **({"part": listed} if listed else {})}


def _given(request: Request, runtime: Runtime) -> Given:
    given: dict[str, Part] = {}
    queried = ({"name": name, "valueString": text} for name, text in request.parameters if name not in GENERAL)
    body = posted(request, runtime)
    if body is not None:
        validate(body, expected_type="Parameters")
    for part in (*queried, *parts(body or {"parameter": []})):
        name = part["name"]
        if name not in KNOWN:
            raise BadRequest(f"$fhirpath has no parameter {name[:80]!r}. It has: {', '.join(KNOWN)}.")
        if name in given:
            raise BadRequest(f"The parameter {name} is given twice: give it once.")
        given[name] = part
    return given


def _text(given: Given, name: str) -> str:
    found = value(given.get(name, {})) or ""
    if not isinstance(found, str):
        raise BadRequest(f"{name} is a string: give it as valueString.", code="value")
    if len(found) > MAX_EXPRESSION:
        raise BadRequest(f"{name} has more than {MAX_EXPRESSION} characters: shorten it.", code="too-long")
    return found


def _resource(part: Part | None, runtime: Runtime) -> dict[str, Any]:
    """Return the resource of the parameter, or what its extension holds as JSON or XML text."""
    if part is None:
        raise BadRequest("A resource is required: send it, or invoke $fhirpath on one.", code="required")
    found = part.get("resource")
    for extension in part.get("extension", ()):
        text = str(extension.get("valueString", "")).encode()
        if extension["url"] == JSON_VALUE:
            found = fhir_json.parse(text, max_depth=runtime.limits.depth)
        elif extension["url"] == XML_VALUE:
            found = fhir_xml.parse(text, max_depth=runtime.limits.depth)
    if not isinstance(found, dict):
        raise BadRequest("resource is a resource, or has the extension json-value or xml-value.", code="value")
    validate(found)
    return found


def _complaints(given: Given, expression: str, resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a strict reading says against the expression, when that is asked."""
    start = _text(given, "context")
    if value(given.get("validate", {})) not in (True, "true") or start:
        return
    try:
        fhirpath.compile(expression, root_type=str(resource["resourceType"]), is_strict=True)
    except fhirpath.InvalidExpression as error:
        yield parameter("parseDebug", "string", str(error))
