"""What can be read of a resource that the structure refuses, so that profiles speak of the rest at the same time.

Spec: json.html, validation.html
"""

from collections.abc import Iterable, Mapping
from typing import Any

from fhir_server.foundation.structure import RESOURCE_TYPES, Element, structure
from fhir_server.validation.primitives import IS_VALID


def readable(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a resource with only those members whose JSON is of the kind that their elements want.

    What cannot be read in a list leaves a hole (null, or an empty object), so that all else keeps its position.
    """
    kept = _object(resource, resource["resourceType"])
    return {"resourceType": resource["resourceType"], **kept}


def is_about(expression: str, spoilt: Iterable[str]) -> bool:
    """Tell whether a place holds, is, or is within one of those that could not be read: nothing is known of it."""
    return any(_holds(expression, path) or _holds(path, expression) for path in spoilt)


def _holds(outer: str, inner: str) -> bool:
    return inner.startswith(outer) and inner[len(outer) : len(outer) + 1] in ("", ".", "[")


def _object(found: Mapping[str, Any], class_name: str) -> dict[str, Any]:
    elements = structure(class_name).elements
    kept: dict[str, Any] = {}
    for key, value in found.items():
        plain = key.removeprefix("_")
        element = elements.get(plain)
        if element is None:
            continue
        read = _member(value, element) if plain == key else _extensions(value, element)
        if read:
            kept[key] = read[0]
    return kept


def _member(value: Any, element: Element) -> list[Any]:
    """Return the member that can be read, as the only item; nothing when none can."""
    if not element.is_list:
        return _one(value, element)
    if value.__class__ is not list:
        return []
    hole: Any = None if element.is_primitive or element.class_name == "Resource" else {}
    read = [next(iter(_one(item, element)), hole) for item in value]
    return [read] if any(item for item in read) else []


def _one(value: Any, element: Element) -> list[Any]:
    if element.is_primitive:
        is_right = value.__class__ is str if element.type_code == "xhtml" else IS_VALID[element.type_code](value)
        return [value] if is_right else []
    if value.__class__ is not dict:
        return []
    if element.class_name != "Resource":
        return [_object(value, element.class_name)]
    kind = value.get("resourceType")
    return [readable(value)] if isinstance(kind, str) and kind in RESOURCE_TYPES else []


def _extensions(value: Any, element: Element) -> list[Any]:
    """Return what stands beside a primitive."""
    if not element.is_primitive:
        return []
    if not element.is_list:
        return [_object(value, "Element")] if value.__class__ is dict else []
    if value.__class__ is not list:
        return []
    return [[_object(item, "Element") if item.__class__ is dict else None for item in value]]
