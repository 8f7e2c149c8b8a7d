"""Given: what a terminology operation is given, in its address, in a form, as Parameters, or as one resource.

Spec: operations.html#request
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.parameters import Part, parts
from fhir_server.interactions.request import Request, Runtime
from fhir_server.operations.inputs import GENERAL, posted
from fhir_server.validation.validate import validate

Kinds = Mapping[str, str]
"""Name -> FHIR type of a parameter, `*` behind it when it repeats, `part` for one with parts."""

MANY: Final = "*"
_TEXTS: Final = frozenset({"canonical", "code", "string", "uri"})
_INTEGER: Final = re.compile(r"-?\d{1,9}", re.ASCII)


class Given(msgspec.Struct, frozen=True):
    """Hold the values by name."""

    values: Mapping[str, list[Any]]

    def text(self, name: str) -> str:
        """Return a text, "" when it is absent."""
        return str(self.one(name) or "")

    def flag(self, name: str) -> bool:
        """Return a boolean, False when it is absent."""
        return self.one(name) is True

    def one(self, name: str) -> Any:
        """Return the value of a parameter, None when it is absent."""
        return next(iter(self.all(name)), None)

    def all(self, name: str) -> list[Any]:
        """Return every value of a parameter."""
        return self.values.get(name, [])


def given(request: Request, runtime: Runtime, kinds: Kinds, refused: Mapping[str, str] | None = None) -> Given:
    """Return what is given; `refused` names the parameters that are not done here, and says why.

    Raises BadRequest (400) for an unknown or refused name, a value of another type, or one too many.
    """
    found: dict[str, list[Any]] = {}
    for name, value in _named(request, runtime, kinds, refused or {}):
        found.setdefault(name, []).append(value)
    for name, values in found.items():
        if len(values) > 1 and not kinds[name].endswith(MANY):
            raise BadRequest(f"The parameter {name} is given {len(values)} times: give it once.")
    return Given(found)


def _named(request: Request, runtime: Runtime, kinds: Kinds, refused: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    for name, text in request.parameters:
        if name not in GENERAL:
            yield name, _read(name, text, _kind(request, name, kinds, refused))
    body = posted(request, runtime)
    if body is None:
        return
    own = next((name for name, kind in kinds.items() if kind == body.get("resourceType")), "")
    if own:
        validate(body, expected_type=kinds[own])
        yield own, body
        return
    validate(body, expected_type="Parameters")
    for part in parts(body):
        yield part["name"], _taken(part, _kind(request, part["name"], kinds, refused))


def _kind(request: Request, name: str, kinds: Kinds, refused: Mapping[str, str]) -> str:
    if name in refused:
        raise BadRequest(
            f"{name} is not supported by {request.interaction} here: {refused[name]}", code="not-supported"
        )
    if name not in kinds:
        known = ", ".join(sorted(kinds))
        raise BadRequest(f"{request.interaction} has no parameter {name[:80]!r}. It has: {known}.")
    return kinds[name].removesuffix(MANY)


def _read(name: str, text: str, kind: str) -> Any:
    """Return the value that a text in an address or a form stands for."""
    if kind in _TEXTS and text:
        return text
    if kind == "boolean" and text in ("true", "false"):
        return text == "true"
    if kind == "integer" and _INTEGER.fullmatch(text):
        return int(text)
    if kind not in (*_TEXTS, "boolean", "integer"):
        raise BadRequest(f"{name} is no simple value: POST it in Parameters, as {_member(kind)}.")
    raise BadRequest(f"{name} is of type {kind}, and is {text[:50]!r}.", code="value")


def _taken(part: Part, kind: str) -> Any:
    """Return the value of a posted parameter."""
    if kind in _TEXTS:
        found = next((value for name, value in part.items() if name.startswith("value")), None)
        is_right = isinstance(found, str)
    else:
        found = part.get(_member(kind))
        is_right = found is not None and (kind[0].islower() or found.get("resourceType", kind) == kind)
    if not is_right:
        raise BadRequest(f"{part['name'][:80]} is of type {kind}: give it as {_member(kind)}.", code="value")
    return found


def _member(kind: str) -> str:
    if kind == "part":
        return "part"
    is_resource = kind in ("CodeSystem", "ConceptMap", "ValueSet")
    return "resource" if is_resource else f"value{kind[0].upper()}{kind[1:]}"
