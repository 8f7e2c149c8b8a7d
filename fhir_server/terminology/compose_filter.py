"""The filters of a value set's include: which concepts of a code system they select.

Spec: valueset-definitions.html#ValueSet.compose.include.filter, valueset-filter-operator.html
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.bounded_regex import regex
from fhir_server.terminology.code_system import CodeSystem, Concept

EXPRESSION: Final = frozenset({"constraint", "expression"})
"""The names under which SNOMED CT takes an expression (snomedct.html)."""
Test = Callable[[Concept], bool]
CODE: Final = frozenset({"code", "concept"})
"""The names of the property that is the concept itself."""


def filter_test(code_system: CodeSystem, definition: Mapping[str, Any]) -> Test:
    """Return the test of one filter; raise Unprocessable (422) when it cannot be evaluated."""
    operator, name, value = (str(definition.get(part, "")) for part in ("op", "property", "value"))
    make = _HIERARCHIC.get(operator)
    if make is not None:
        if not code_system.is_hierarchy_of_kinds:
            raise Unprocessable(f"The hierarchy of {code_system.url} is not one of kinds: {operator!r} has no meaning.")
        is_in = make(code_system, value)
        return lambda concept: is_in(concept.code) is (operator != "is-not-a")
    if name in EXPRESSION and operator == "=":
        selected = code_system.select(value)
        return lambda concept: concept.code in selected
    plain = _PLAIN.get(operator)
    if plain is None:
        raise Unprocessable(f"The filter operator {operator!r} is none of FHIR R4.")
    if not code_system.has_property(name):
        raise Unprocessable(f"The code system {code_system.url} has no property {name!r}: filter by one of its own.")
    accepts = plain(value)
    return lambda concept: accepts(_values(code_system, concept, name))


def _values(code_system: CodeSystem, concept: Concept, name: str) -> list[str]:
    if name in CODE:
        return [concept.code]
    if name == "parent":
        return list(concept.parents)
    if name == "child":
        return list(code_system.children.get(concept.code, ()))
    return [value for value in concept.values(name) if value]


def _kinds(code_system: CodeSystem, value: str) -> Callable[[str], bool]:
    found = code_system.find(value)
    if found is None:
        return lambda code: False
    below, itself = code_system.below(found.code), found.code
    return lambda code: code == itself or code in below


def _below(code_system: CodeSystem, value: str) -> Callable[[str], bool]:
    found = code_system.find(value)
    below = code_system.below(found.code) if found else frozenset()
    return lambda code: code in below


def _generalizes(code_system: CodeSystem, value: str) -> Callable[[str], bool]:
    found = code_system.find(value)
    above = code_system.ancestors(found.code) | {found.code} if found else frozenset()
    return lambda code: code in above


def _equals(value: str) -> Callable[[list[str]], bool]:
    return lambda values: value in values


def _in(value: str) -> Callable[[list[str]], bool]:
    listed = frozenset(part.strip() for part in value.split(","))
    return lambda values: not listed.isdisjoint(values)


def _not_in(value: str) -> Callable[[list[str]], bool]:
    listed = frozenset(part.strip() for part in value.split(","))
    return lambda values: listed.isdisjoint(values)


def _matches(value: str) -> Callable[[list[str]], bool]:
    pattern = regex(value)
    return lambda values: any(pattern.matches(found) for found in values)


def _exists(value: str) -> Callable[[list[str]], bool]:
    if value not in ("true", "false"):
        raise Unprocessable(f"The filter 'exists' has the value {value!r}: write true or false.")
    return lambda values: bool(values) is (value == "true")


_HIERARCHIC: Final[Mapping[str, Callable[[CodeSystem, str], Callable[[str], bool]]]] = {
    "is-a": _kinds,
    "is-not-a": _kinds,
    "descendent-of": _below,
    "generalizes": _generalizes,
}
_PLAIN: Final[Mapping[str, Callable[[str], Callable[[list[str]], bool]]]] = {
    "=": _equals,
    "in": _in,
    "not-in": _not_in,
    "regex": _matches,
    "exists": _exists,
}
