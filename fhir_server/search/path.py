"""Path: the part of FHIRPath that search parameters are written in, as steps.

Spec: searchparameter.html, fhirpath.html
"""

import re
from collections.abc import Iterator
from functools import cache
from typing import Final, NamedTuple

from fhir_server.foundation.operation_outcome import Unprocessable


class Step(NamedTuple):
    """One step: `kind` is field, as, equals, resolves, item, extension, has_extension or truth."""

    kind: str
    name: str
    value: str = ""


class Path(NamedTuple):
    """One alternative of an expression; `root` is a type, `%resource`, or "" when it starts where it is asked."""

    root: str
    steps: tuple[Step, ...]


_CAST: Final = re.compile(r"\(([\w.%]+) as (\w+)\)")
_STEP: Final = re.compile(r"\.?(%?\w+)(\(((?:[^()]|\([^()]*\))*)\))?(?:\[(\d+)\])?")
_TRUTH: Final = re.compile(r"([\w.]+)\.exists\(\) and \1 != false")
_EQUALS: Final = re.compile(r"(\w+)\s*=\s*'([^']*)'")
_RESOLVES: Final = re.compile(r"resolve\(\) is (\w+)")
_HAS_EXTENSION: Final = re.compile(r"hasExtension\('([^']*)'\)|extension\('([^']*)'\)\.exists\(\)")


@cache
def parse_path(expression: str) -> tuple[Path, ...]:
    """Return the alternatives of an expression; raises Unprocessable when it says more than these steps can.

    A path that starts in lower case has no root: that is how the components of a composite are written.
    """
    alternatives = (part.strip() for part in _alternatives(expression))
    return tuple(_path(tuple(_steps(text, expression))) for text in alternatives if text)


def _alternatives(expression: str) -> Iterator[str]:
    depth, start = 0, 0
    for position, character in enumerate(expression):
        depth += (character == "(") - (character == ")")
        if character == "|" and depth == 0:
            yield expression[start:position]
            start = position + 1
    yield expression[start:]


def _path(steps: tuple[Step, ...]) -> Path:
    first = steps[0].name
    return Path(first, steps[1:]) if first[0] == "%" or first[0].isupper() else Path("", steps)


def _steps(text: str, expression: str) -> Iterator[Step]:
    truth = _TRUTH.fullmatch(text)
    if truth:
        *fields, last = truth[1].split(".")
        yield from (Step("field", name) for name in fields)
        yield Step("truth", last)
        return
    cast = _CAST.match(text)
    if cast:
        yield from (Step("field", name) for name in cast[1].split("."))
        yield Step("as", cast[2])
    position = cast.end() if cast else 0
    while position < len(text):
        found = _STEP.match(text, position)
        if not found:
            raise Unprocessable(f"Search expressions here cannot say {text[position:]!r} ({expression}).")
        yield _call(found[1], found[3].strip(), expression) if found[2] else Step("field", found[1])
        if found[4]:
            yield Step("item", found[4])
        position = found.end()


def _call(name: str, argument: str, expression: str) -> Step:
    if name in ("as", "ofType") and argument.isalpha():
        return Step("as", argument)
    if name == "extension" and argument[:1] == "'":
        return Step("extension", argument.strip("'"))
    if name == "where":
        if equals := _EQUALS.fullmatch(argument):
            return Step("equals", equals[1], equals[2])
        if resolves := _RESOLVES.fullmatch(argument):
            return Step("resolves", resolves[1])
        if extension := _HAS_EXTENSION.fullmatch(argument):
            return Step("has_extension", extension[1] or extension[2])
    raise Unprocessable(f"Search expressions here cannot say {name}({argument}) ({expression}).")
