"""Source places: line and column of the elements of a resource, in the JSON or XML that it was read from.

Spec: operationoutcome.html, json.html, xml.html
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final
from xml.parsers import expat

LineColumn = tuple[int, int]
Steps = tuple[str | int, ...]
"""The way to an element as JSON has it: names and positions, such as ("name", 0, "given", 1)."""
Places = Mapping[Steps, LineColumn]

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],]|[^\s{}\[\],:"]+')
_STEP: Final = re.compile(r"(\w+)(?:\[(\d+)\])?")


def json_places(text: str) -> Places:
    """Return where each element of well-formed JSON stands: a member at its name, an item at its value."""
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    places: dict[Steps, LineColumn] = {}
    stack: list[tuple[Steps, bool]] = []
    here: Steps = ()
    line, expects_name, is_item = 0, False, True
    for match in _TOKEN.finditer(text):
        mark, at = match[0], match.start()
        if mark == ",":
            parent, expects_name = stack[-1][0], stack[-1][1]
            here = parent if expects_name else (*parent, int(here[-1]) + 1)
            is_item = not expects_name
        elif mark in "}]":
            here = stack.pop()[0]
        else:
            while line + 1 < len(starts) and starts[line + 1] <= at:
                line += 1
            if expects_name:
                here, expects_name, is_item = (*stack[-1][0], mark[1:-1]), False, False
                places[here] = (line + 1, at - starts[line] + 1)
                continue
            if is_item:
                places[here] = (line + 1, at - starts[line] + 1)
            if mark in "{[":
                stack.append((here, mark == "{"))
                expects_name, is_item = mark == "{", mark == "["
                here = here if expects_name else (*here, 0)
    return places


class _XmlReader:
    """Note where each element of a resource in XML stands."""

    def __init__(self) -> None:
        self.places: dict[Steps, LineColumn] = {}
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._stack: list[tuple[Steps, dict[str, int]]] = []

    def read(self, content: bytes) -> Places:
        self._parser.Parse(content, True)
        return self.places

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        name = tag.rpartition("}")[2]
        here: Steps = ()
        if self._stack:
            above, counts = self._stack[-1]
            # A resource within `contained` or `resource` is that element itself.
            here = above if name[0].isupper() else (*above, name, counts.setdefault(name, 0))
            counts[name] = counts.get(name, 0) + 1
        place = (self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1)
        self.places.setdefault(here, place)
        for attribute in attributes:
            self.places.setdefault((*here, attribute), place)
        self._stack.append((here, {}))

    def _end(self, tag: str) -> None:
        self._stack.pop()


def xml_places(content: bytes) -> Places:
    """Return where each element of well-formed XML stands; each with a position, for XML marks no lists."""
    return _XmlReader().read(content)


def locate(expression: str, resource: Mapping[str, Any], places: Places, start: Steps = ()) -> LineColumn | None:
    """Return where the element of a FHIRPath such as `Patient.name[0].given` stands, or what is nearest above it.

    `start` is the way from the root of the source to the resource. None when the source says nothing.
    """
    node: Any = resource
    steps, found = start, _place(places, start)
    for name, position in _STEP.findall(expression.partition(".")[2]):
        key = _key(node, name)
        if key is None:
            break
        node, steps = node[key], (*steps, key)
        found = _place(places, steps) or found
        if isinstance(node, list):
            index = int(position or 0)
            node, steps = (node[index] if index < len(node) else None), (*steps, index)
            found = _place(places, steps) or found
    return found


def _key(node: Any, name: str) -> str | None:
    """Return the member that FHIRPath calls by a name, `valueQuantity` for `value`; None when it is absent."""
    if not isinstance(node, dict):
        return None
    chosen = (key for key in node if key.lstrip("_").startswith(name) and key.lstrip("_")[len(name) :][:1].isupper())
    return next((key for key in (name, f"_{name}") if key in node), next(chosen, None))


def _place(places: Places, steps: Sequence[str | int]) -> LineColumn | None:
    found = places.get(tuple(steps))
    return found if found is not None else places.get(tuple(_numbered(steps)))


def _numbered(steps: Sequence[str | int]) -> Iterator[str | int]:
    """Yield steps as XML has them: a position after each name, and no `_birthDate` for what is within `birthDate`."""
    for index, step in enumerate(steps):
        yield step.removeprefix("_") if isinstance(step, str) else step
        if isinstance(step, str) and not (index + 1 < len(steps) and isinstance(steps[index + 1], int)):
            yield 0
