"""Places: where in a resource type's JSON a path leads, and what type of value is there.

Spec: searchparameter.html, json.html
"""

from collections.abc import Iterator
from typing import NamedTuple

from fhir_server.foundation.structure import Element, structure
from fhir_server.search.path import Path, Step


class Place(NamedTuple):
    """A place: `keys` lead there; `type_code`, `class_name`, `targets` and `code_set` are the element's."""

    keys: tuple[Step, ...]
    type_code: str
    class_name: str
    targets: frozenset[str] = frozenset()
    code_set: str = ""


def places(start: Place, path: Path) -> tuple[Place, ...]:
    """Return the places a path leads to from a start; a choice leads to one for each of its types.

    Keys are steps of kind get (one value), each (a list), item (one of a list), equals, resolves, has_extension, and
    truth, whose `value` lists the JSON names of the element, parted by spaces.
    """
    found: tuple[Place, ...] = (start,)
    for step in path.steps:
        found = tuple(next_place for place in found for next_place in _step(place, step))
    return found


def members(place: Place, name: str) -> Iterator[Place]:
    """Yield the place of an element, or one for each type of a choice."""
    for element in _elements(place, name):
        key = Step("each" if element.is_list else "get", element.name, "primitive" if element.is_primitive else "")
        yield Place((*place.keys, key), element.type_code, element.class_name, element.targets, element.code_set)


def _elements(place: Place, name: str) -> Iterator[Element]:
    elements = structure(place.class_name).elements
    if name in elements:
        yield elements[name]
    else:
        yield from (element for element in elements.values() if element.choice == f"{name}[x]")


def _step(place: Place, step: Step) -> Iterator[Place]:
    if step.kind == "field":
        yield from members(place, step.name)
    elif step.kind == "as":
        # R4 writes `as DateTime` once; FHIR's types differ by more than case.
        if place.type_code.casefold() == step.name.casefold():
            yield place
    elif step.kind == "extension":
        (extension,) = members(place, "extension")
        yield extension._replace(keys=(*extension.keys, Step("equals", "url", step.name)))
    elif step.kind == "item":
        *keys, last = place.keys
        yield place._replace(keys=(*keys, Step("item", last.name, step.name)))
    elif step.kind == "truth":
        names = " ".join(element.name for element in _elements(place, step.name))
        yield Place((*place.keys, Step("truth", step.name, names)), "boolean", "boolean")
    elif step.kind == "resolves":
        narrowed = place._replace(targets=frozenset({step.name}))
        yield narrowed._replace(keys=(*place.keys, step))
    else:
        yield place._replace(keys=(*place.keys, step))
