"""Rules of ValueSet, CodeSystem and ConceptMap: what they name is absolute, declared, and has the codes they speak of.

Spec: valueset.html, codesystem.html, conceptmap.html
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from fhir_server.validation.profiles.datatypes import is_absolute
from fhir_server.validation.profiles.place import Place, items
from fhir_server.validation.profiles.run import Run

_PROPERTY_TYPES: Final[Mapping[str, str]] = {
    "code": "valueCode",
    "Coding": "valueCoding",
    "string": "valueString",
    "integer": "valueInteger",
    "boolean": "valueBoolean",
    "dateTime": "valueDateTime",
    "decimal": "valueDecimal",
}
_FLAGS: Final = frozenset({"true", "false"})


def check_value_set(place: Place, run: Run) -> None:
    """Check what a value set includes and excludes."""
    for compose in items(place, "compose", "compose"):
        for key in ("include", "exclude"):
            for include in items(compose, key, key):
                _check_include(include, run)


def _check_include(include: Place, run: Run) -> None:
    system = include.value.get("system")
    if not isinstance(system, str):
        return
    at = Place(system, include, "system", "system")
    if not is_absolute(system):
        run.add("system-relative", at, system)
        return
    if run.environment.profiles.is_value_set(system):
        run.add("system-value-set", at, system)
        return
    concepts = run.environment.concepts
    for concept in items(include, "concept", "concept") if concepts is not None else ():
        code = concept.value.get("code")
        if concepts is not None and isinstance(code, str) and concepts(system, code, "").result is False:
            run.add("concept-unknown", concept, code, system)
    properties = _properties(run.environment.profiles.resolve(system, "CodeSystem"))
    for condition in items(include, "filter", "filter"):
        _check_condition(condition, properties, run)


def _properties(code_system: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return property -> type as a code system declares them."""
    declared = code_system.get("property", ()) if code_system is not None else ()
    return {str(one.get("code")): str(one.get("type")) for one in declared}


def _check_condition(condition: Place, properties: Mapping[str, str], run: Run) -> None:
    kind = properties.get(str(condition.value.get("property")))
    value, operator = condition.value.get("value"), condition.value.get("op")
    if not isinstance(value, str) or operator not in ("=", "in", "not-in"):
        return
    if operator == "exists" or kind == "boolean":
        if value not in _FLAGS:
            run.add("condition-value", condition, condition.value.get("property"), value)
    elif kind == "Coding":
        concepts = run.environment.concepts
        for one in value.split(",") if concepts is not None else ():
            system, _, code = one.partition("#")
            if concepts is not None and concepts(system, code, "").result is False:
                run.add("condition-value", condition, condition.value.get("property"), one)


def check_code_system(place: Place, run: Run) -> None:
    """Check what the concepts of a code system say by its properties, and what supplements name."""
    if place.value.get("content") == "supplement" and "supplements" not in place.value:
        run.add("supplement", Place(None, place, "supplements", "supplements"))
    properties = _properties(place.value)
    for concept in _concepts(place):
        for one in items(concept, "property", "property"):
            kind = properties.get(str(one.value.get("code")))
            wanted = _PROPERTY_TYPES.get(kind or "")
            if wanted is not None and wanted not in one.value:
                run.add("property-type", one, one.value.get("code"), kind)


def _concepts(place: Place) -> Iterator[Place]:
    for concept in items(place, "concept", "concept"):
        yield concept
        yield from _concepts(concept)


def check_concept_map(place: Place, run: Run) -> None:
    """Check that what is mapped is in the value sets that the map is between."""
    sides = {side: _named(place.value, side) for side in ("source", "target")}
    for group in items(place, "group", "group"):
        for element in items(group, "element", "element"):
            _check_mapped(element, group.value.get("source"), sides["source"], run)
            for target in items(element, "target", "target"):
                _check_mapped(target, group.value.get("target"), sides["target"], run)


def _named(concept_map: Mapping[str, Any], side: str) -> str:
    return str(concept_map.get(f"{side}Canonical") or concept_map.get(f"{side}Uri") or "")


def _check_mapped(place: Place, system: Any, value_set: str, run: Run) -> None:
    code = place.value.get("code")
    if not isinstance(code, str) or not isinstance(system, str):
        return
    at, concepts = Place(code, place, "code", "code"), run.environment.concepts
    if concepts is not None and concepts(system, code, "").result is False:
        run.add("code-unknown", at, code, system)
    elif value_set and run.is_member(value_set, system, code) is False:
        run.add("binding-required", at, value_set, f"{system}#{code}")
