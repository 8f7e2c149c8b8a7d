"""Checks of one object: its members, what it must have, its choices; compiled from the element index at first use.

Spec: json.html#primitive, formats.html#choice, conformance-rules.html#cardinality
"""

from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from fhir_server.foundation.structure import RESOURCE_TYPES, Element, Structure, structure
from fhir_server.validation.contained import check_contained
from fhir_server.validation.elements import (
    acceptance,
    concept_check,
    gap_check,
    list_check,
    object_list_check,
    primitive_check,
    single_check,
)
from fhir_server.validation.primitives import IsValid
from fhir_server.validation.problem import Check, Problem, Problems, below, kind, quote
from fhir_server.validation.rules import RULES, target_check
from fhir_server.validation.texts import Words

_CONCEPTS: Final = frozenset({"Coding", "CodeableConcept"})


class ObjectCheck:
    """Check the objects of one class of the element index."""

    __slots__ = ("_accepts", "_checks", "_choice_of", "_has_rules", "_name", "_needed_choices", "_required", "_rule")

    def __init__(self, name: str) -> None:
        self._name = name
        self._accepts: dict[str, IsValid] = {}
        self._checks: dict[str, Check] = {}
        self._required: tuple[str, ...] = ()
        self._choice_of: dict[str, str] = {}
        self._needed_choices: frozenset[str] = frozenset()
        self._rule = RULES.get(name)
        self._has_rules = False

    def check(self, node: dict[str, Any]) -> Problems | None:
        """Return the problems of an object, or None."""
        checks = self._checks or self._compile()
        found: Problems | None = None
        accepts = self._accepts
        for name, value in node.items():
            is_valid = accepts.get(name)
            if is_valid is not None and is_valid(value):
                continue
            check = checks.get(name)
            problems = self._other(name, node) if check is None else check(value)
            if problems:
                found = (found or []) + self._locate(name, problems, node)
        for name in self._required:
            if name not in node:
                found = (found or []) + self._missing(name, node)
        if self._has_rules or len(node) < 2:
            return self._check_whole(node, found)
        return found

    def _check_whole(self, node: dict[str, Any], found: Problems | None) -> Problems | None:
        if self._choice_of:
            found = self._check_choices(node, found)
        if self._rule is not None and (problems := self._rule(node)):
            found = (found or []) + problems
        if len(node) < 2 and "resourceType" not in node and self._is_empty(node):
            found = (found or []) + [Problem("ele-1")]
        return found

    def _is_empty(self, node: dict[str, Any]) -> bool:
        # The id of a primitive stands in an object of its own, which adds to the value.
        return not node or ("id" in node and self._name != "Element")

    def _compile(self) -> dict[str, Check]:
        facts = structure(self._name)
        checks = {name: element_check(element) for name, element in facts.elements.items()}
        if facts.kind == "resource":
            checks["resourceType"] = lambda value: None
        self._accepts = {
            name: is_valid for name, element in facts.elements.items() if (is_valid := acceptance(element))
        }
        self._required = tuple(name for name, element in facts.elements.items() if element.minimum)
        for choice in facts.choices.values():
            for name in choice.names:
                self._choice_of[name] = self._choice_of["_" + name] = choice.name
        self._needed_choices = frozenset(choice.name for choice in facts.choices.values() if choice.is_required)
        self._has_rules = bool(self._choice_of) or self._rule is not None
        # Last, because threads that find checks rely on all the rest.
        self._checks = checks
        return checks

    def _locate(self, name: str, problems: Problems, node: dict[str, Any]) -> Problems:
        extensions = node.get("_" + name)
        if isinstance(extensions, list):
            gaps = {f"[{index}]" for index, extension in enumerate(extensions) if extension}
            problems = [problem for problem in problems if not (problem.is_gap and problem.path in gaps)]
        choice = self._choice_of.get(name)
        return below("." + (choice[:-3] if choice else name.removeprefix("_")), problems)

    def _other(self, name: str, node: dict[str, Any]) -> Problems | None:
        """Check a member that is no element: the extensions of a primitive, or a mistake."""
        elements = structure(self._name).elements
        element = elements.get(name[1:]) if name.startswith("_") else None
        if element is not None and element.is_primitive and not _is_bare(self._name, element):
            return _extensions_check(element.is_list)(node[name]) or _misaligned(node.get(element.name), node[name])
        return [self._unknown(name, structure(self._name))]

    def _unknown(self, name: str, facts: Structure) -> Problem:
        said = (quote(name), self._name)
        if f"{name}[x]" in facts.choices:
            return Problem("untyped-choice", (*said, ", ".join(facts.choices[f"{name}[x]"].names[:12])))
        for choice in facts.choices.values():
            if name.startswith(choice.name[:-3]):
                return Problem("choice-type", (*said, choice.name, ", ".join(choice.names)))
        close = get_close_matches(name[:64], facts.elements, 1, 0.6)
        return Problem("unknown-element-near", (*said, close[0])) if close else Problem("unknown-element", said)

    def _missing(self, name: str, node: dict[str, Any]) -> Problems:
        if "_" + name in node:
            return []
        return [Problem("required", (f"{self._name}.{name}",), "." + name)]

    def _check_choices(self, node: dict[str, Any], found: Problems | None) -> Problems | None:
        choice_of = self._choice_of
        chosen = [choice_of[name] for name in node if name in choice_of]
        if len(chosen) < 2 and not self._needed_choices.difference(chosen):
            return found
        problems = found or []
        for choice in self._needed_choices.difference(chosen):
            problems.append(Problem("required", (f"{self._name}.{choice}",), "." + choice[:-3]))
        for choice in sorted(set(chosen)):
            names = {name.removeprefix("_") for name in node if choice_of.get(name) == choice}
            if len(names) > 1:
                both = Words(" and ".join(sorted(names)), " et ".join(sorted(names)))
                problems.append(Problem("choice-twice", (choice, both), "." + choice[:-3]))
        return problems or None


@cache
def object_check(name: str) -> ObjectCheck:
    """Return the check of a class, compiled when it first meets an object."""
    return ObjectCheck(name)


def element_check(element: Element) -> Check:
    """Return the check of an element's value, list or single."""
    if element.is_primitive:
        check = primitive_check(element)
        return list_check(check) if element.is_list else check
    check = check_resource if element.type_code == "Resource" else object_check(element.class_name).check
    if element.type_code in _CONCEPTS and element.code_set:
        check = concept_check(check, element)
    elif element.type_code == "Reference" and element.targets:
        check = target_check(check, element.targets)
    return object_list_check(check) if element.is_list else single_check(check)


def _is_bare(class_name: str, element: Element) -> bool:
    """Tell whether a primitive has no id and no extensions: XML writes it as an attribute, or as XHTML."""
    return element.name == "id" or element.type_code == "xhtml" or (class_name == "Extension" and element.name == "url")


@cache
def _extensions_check(is_list: bool) -> Check:
    check = object_check("Element").check
    return list_check(gap_check(check)) if is_list else single_check(check)


def _misaligned(values: Any, extensions: Any) -> Problems | None:
    if not isinstance(extensions, list):
        return None
    if not any(extensions):
        return [Problem("only-nulls")]
    if isinstance(values, list) and len(values) != len(extensions):
        return [Problem("misaligned", (len(values), len(extensions)))]
    return None


def check_resource(resource: dict[str, Any]) -> Problems | None:
    """Check a resource within another, or by itself."""
    resource_type = resource.get("resourceType")
    if not isinstance(resource_type, str) or resource_type not in RESOURCE_TYPES:
        return [unknown_type(resource_type)]
    problems = object_check(resource_type).check(resource)
    if problems or "contained" in resource:
        return check_contained(resource, problems or [])
    return None


def unknown_type(resource_type: Any) -> Problem:
    """Return what is wrong with a resourceType that is no type of R4."""
    if resource_type is None:
        return Problem("no-resource-type")
    if not isinstance(resource_type, str):
        return Problem("resource-type-kind", (kind(resource_type),))
    close = get_close_matches(resource_type[:64], RESOURCE_TYPES, 1, 0.6)
    if close:
        return Problem("unknown-type-near", (quote(resource_type), close[0]))
    return Problem("unknown-type", (quote(resource_type),))
