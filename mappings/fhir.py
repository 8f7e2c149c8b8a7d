"""The FHIR JSON shapes that every converter builds. Spec: json.html, datatypes.html."""

from typing import Any

Json = dict[str, Any]

DATA_ABSENT_REASON = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"


def compact(element: Json) -> Json:
    """Drop the members that JSON may not hold: None, empty text, empty arrays, empty objects."""
    return {name: value for name, value in element.items() if value is not None and value not in ("", [], {})}


def one(value: Any) -> list[Any]:
    """Wrap a value in a list, or give an empty list for nothing."""
    return [] if value in (None, "", {}) else [value]


def extension(url: str, **value: Any) -> Json:
    """Build an extension that has a single value[x]."""
    return {"url": url, **value}


def nested_extension(url: str, parts: list[Json]) -> Json:
    """Build an extension that is made of extensions."""
    return {"url": url, "extension": parts}


def absent(reason: str) -> Json:
    """Build the element that says why a value is missing."""
    return {"extension": [extension(DATA_ABSENT_REASON, valueCode=reason)]}


def coding(system: str, code: str, display: str | None = None) -> Json:
    """Build a Coding."""
    return compact({"system": system, "code": code, "display": display})


def concept(system: str, code: str, display: str | None = None) -> Json:
    """Build a CodeableConcept of one Coding."""
    return {"coding": [coding(system, code, display)]}
