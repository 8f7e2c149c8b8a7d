"""Narratives beyond safety: their attributes are those of basic HTML, their ids are unique, their inner links lead on.

Spec: narrative.html#xhtml, narrative.html#id
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final
from xml.parsers import expat

from fhir_server.validation.profiles.place import Place, items
from fhir_server.validation.profiles.run import Run

_ATTRIBUTES: Final = frozenset(
    name
    for names in (
        "id class style title lang xml:lang dir name accesskey tabindex href hreflang rel rev type charset shape",
        "coords target src alt longdesc width height usemap ismap border align valign char charoff abbr axis scope",
        "headers rowspan colspan nowrap summary frame rules cellspacing cellpadding bgcolor background span cite",
        "datetime compact start value noshade size clear color face xmlns xml:space",
    )
    for name in names.split()
)
"""Attributes of HTML 4.0, chapters 7 to 11 and 15."""


class _Reader:
    """Gather what the narratives of one resource name and link to."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.anchors: set[str] = set()
        self.links: list[tuple[Place, str]] = []
        self.foreign: list[tuple[Place, str]] = []

    def read(self, place: Place) -> None:
        """Read one div; what is not well-formed is the structure's affair."""
        parser = expat.ParserCreate()

        def start(tag: str, attributes: dict[str, str]) -> None:
            for name, value in attributes.items():
                if name not in _ATTRIBUTES and not name.startswith("xmlns:"):
                    self.foreign.append((place, name))
                elif name == "id":
                    self.names.append(value)
                elif name == "name":
                    self.anchors.add(value)
                elif name in ("href", "src") and value.startswith("#") and len(value) > 1:
                    self.links.append((place, value))

        parser.StartElementHandler = start
        try:
            parser.Parse(place.value, True)
        except expat.ExpatError:
            return


def check_narratives(resource: Place, run: Run) -> None:
    """Check all narratives of a resource, those of a document's sections among them."""
    reader = _Reader()
    for place in _narratives(resource):
        if isinstance(place.value, str):
            reader.read(place)
    for name, place in {name: place for place, name in reader.foreign}.items():
        run.add("narrative-attribute", place, name)
    for name in sorted(name for name, count in Counter(reader.names).items() if count > 1):
        run.add("narrative-id", resource, name)
    known = {*reader.names, *reader.anchors, *_contained(resource.value)}
    for link, place in {link: place for place, link in reader.links}.items():
        if link[1:] not in known:
            run.add("narrative-link", place, link)


def _narratives(place: Place) -> Iterator[Place]:
    for text in items(place, "text", "text"):
        if isinstance(text.value, dict):
            yield from items(text, "div", "div")
    for section in items(place, "section", "section"):
        yield from _narratives(section)


def _contained(resource: dict[str, Any]) -> Iterator[str]:
    """Yield the ids that a link may lead to besides those of the text: of contained resources and of elements."""
    waiting: list[Any] = [value for key, value in resource.items() if key != "text"]
    while waiting:
        value = waiting.pop()
        if value.__class__ is list:
            waiting += value
        elif value.__class__ is dict:
            if isinstance(value.get("id"), str):
                yield value["id"]
            waiting += value.values()
