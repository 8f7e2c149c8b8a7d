"""Places: a value within a resource, with the way back to the root; paths and FHIRPath nodes are made when asked for.

Spec: fhirpath.html, json.html#primitive
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fhir_server.fhirpath import Node, root
from fhir_server.fhirpath.node import of_type


class Place(NamedTuple):
    """Hold a value and where it stands: `parent.value[key][position]`, or without position (-1) `parent.value[key]`.

    `name` is what FHIRPath calls the key, such as `value` for `valueQuantity`; `value` is None for a primitive that
    has extensions only.
    """

    value: Any
    parent: "Place | None" = None
    key: str = ""
    name: str = ""
    position: int = -1


def of_resource(resource: Mapping[str, Any]) -> Place:
    """Return the place of a whole resource."""
    return Place(resource, name=str(resource.get("resourceType", "")))


def path(place: Place) -> str:
    """Return the FHIRPath of a place, such as `Patient.name[0].given[1]`."""
    steps: list[str] = []
    here: Place | None = place
    while here is not None:
        steps.append(here.name if here.position < 0 else f"{here.name}[{here.position}]")
        here = here.parent
    return ".".join(reversed(steps))


def items(place: Place, key: str, name: str) -> Iterator[Place]:
    """Yield the places of a member, each item of a list by itself; primitives that have only extensions too."""
    parent = place.value
    value, under = parent.get(key), parent.get("_" + key)
    if value.__class__ is list or under.__class__ is list:
        values = value if value.__class__ is list else ()
        extensions = under if under.__class__ is list else ()
        for index in range(max(len(values), len(extensions))):
            one = values[index] if index < len(values) else None
            if one is not None or (index < len(extensions) and extensions[index]):
                yield Place(one, place, key, name, index)
    elif value is not None or under is not None:
        yield Place(value, place, key, name)


def beside(place: Place) -> dict[str, Any] | None:
    """Return the object that holds id and extensions of a primitive; None when there is none."""
    found = place.parent.value.get("_" + place.key) if place.parent is not None else None
    if found.__class__ is list:
        found = found[place.position] if 0 <= place.position < len(found) else None
    return found if found.__class__ is dict else None


def resource_place(place: Place) -> Place:
    """Return the nearest resource that a place is in."""
    here = place
    while here.parent is not None and not (here.value.__class__ is dict and "resourceType" in here.value):
        here = here.parent
    return here


def container_place(place: Place) -> Place:
    """Return the resource around a place that is not itself contained."""
    here = resource_place(place)
    while here.key == "contained" and here.parent is not None:
        here = resource_place(here.parent)
    return here


def node_of(place: Place) -> Node:
    """Return the FHIRPath node of a place, with its parents."""
    if place.parent is None:
        return root(place.value) if "resourceType" in place.value else of_type(place.value, place.name)
    parent = node_of(place.parent)
    if place.value.__class__ is dict and "resourceType" in place.value:
        return Node(place.value, root(place.value).type, parent, place.key, place.position)
    slot = parent.type.by_key.get(place.key)
    if slot is None:
        return of_type(place.value, "", parent, place.key, place.position)
    return Node(place.value, slot.type, parent, place.key, place.position, beside(place))
