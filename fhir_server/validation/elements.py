"""Checks of one element: its JSON type, its cardinality, its primitive value, its code.

Spec: json.html#primitive, formats.html#choice, terminologies.html#required
"""

from typing import Any

from fhir_server.foundation.structure import Element, code_set, codes
from fhir_server.validation.narrative import check_narrative
from fhir_server.validation.primitives import HINTS, IS_VALID, IsValid
from fhir_server.validation.problem import Check, Problem, Problems, below, kind, quote
from fhir_server.validation.texts import Words


def primitive_check(element: Element) -> Check:
    """Return the check of one value of a primitive element, its required code set included."""
    if element.type_code == "xhtml":
        return check_narrative
    if element.code_set:
        return _code_check(element.code_set)
    type_code, is_valid = element.type_code, IS_VALID[element.type_code]

    def check(value: Any) -> Problems | None:
        return None if is_valid(value) else [_explain(value, type_code)]

    return check


def acceptance(element: Element) -> IsValid | None:
    """Return the short answer for a single primitive, which spares right values a call; None for other elements."""
    if element.is_list or not element.is_primitive or element.type_code == "xhtml":
        return None
    if element.code_set:
        allowed = codes(element.code_set)
        return lambda value: value.__class__ is str and value in allowed
    return IS_VALID[element.type_code]


def _explain(value: Any, type_code: str) -> Problem:
    hint = HINTS[type_code]
    if value is None:
        return Problem("json-null", is_gap=True)
    if value == "":
        return Problem("empty-string", (hint,))
    if isinstance(value, list):
        return Problem("not-repeating")
    return Problem("primitive", (quote(value), type_code, hint))


def _code_check(name: str) -> Check:
    allowed = codes(name)

    def check(value: Any) -> Problems | None:
        if value.__class__ is str and value in allowed:
            return None
        if value.__class__ is not str or not value:
            return [_explain(value, "code")]
        count = len(allowed)
        listed = (
            ", ".join(sorted(allowed)) if count <= 24 else Words(f"one of the {count} codes", f"l'un des {count} codes")
        )
        return [Problem("code", (quote(value), name, listed))]

    return check


def concept_check(check_object: Check, element: Element) -> Check:
    """Add to the check of a Coding or CodeableConcept that its codes belong to the required value set."""
    systems = code_set(element.code_set)
    is_coding = element.type_code == "Coding"

    def check(value: Any) -> Problems | None:
        problems = check_object(value)
        if problems:
            return problems
        codings = [value] if is_coding else value.get("coding", ())
        # A text alone, or an extension such as data-absent-reason, says that no code applies.
        if not codings or any(coding.get("code") in systems.get(coding.get("system"), ()) for coding in codings):
            return None
        return [Problem("concept", (element.code_set, ", ".join(systems)))]

    return check


def single_check(check_value: Check) -> Check:
    """Return the check of an object that appears at most once."""

    def check(value: Any) -> Problems | None:
        if value.__class__ is dict:
            return check_value(value)
        if value.__class__ is list:
            return [Problem("single-object")]
        return _no_object(value)

    return check


def _no_object(value: Any) -> Problems:
    return [Problem("no-object", (kind(value),))]


def _no_array(value: Any) -> Problems:
    if value.__class__ is list:
        return [Problem("empty-array")]
    return [Problem("no-array", (kind(value),))]


def list_check(check_value: Check) -> Check:
    """Return the check of an element that repeats: an array with something in it, each item checked."""

    def check(values: Any) -> Problems | None:
        if values.__class__ is not list or not values:
            return _no_array(values)
        found: Problems | None = None
        for index, value in enumerate(values):
            problems = check_value(value)
            if problems:
                found = (found or []) + below(f"[{index}]", problems)
        return found

    return check


def object_list_check(check_value: Check) -> Check:
    """Return the check of an object that repeats: one call an item less than `list_check`, where the time goes."""

    def check(values: Any) -> Problems | None:
        if values.__class__ is not list or not values:
            return _no_array(values)
        found: Problems | None = None
        for index, value in enumerate(values):
            problems = check_value(value) if value.__class__ is dict else _no_object(value)
            if problems:
                found = (found or []) + below(f"[{index}]", problems)
        return found

    return check


def gap_check(check_value: Check) -> Check:
    """Return the check of one item of the extensions of a repeating primitive, where null means none."""

    def check(value: Any) -> Problems | None:
        if value.__class__ is dict:
            return check_value(value)
        return None if value is None else _no_object(value)

    return check
