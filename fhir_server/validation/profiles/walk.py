"""What holds for every value, whatever the profile: R4's own rules, extensions, profiles that nested resources name.

Spec: conformance-rules.html#constraints, extensibility.html, resource.html#Meta.profile
"""

from functools import cache
from typing import Any, Final

import msgspec

from fhir_server.foundation.structure import ABSTRACT_TYPES, Element, structure
from fhir_server.validation.profiles.datatypes import DATATYPE_RULES, duplicate_ids, is_absolute, targets_check
from fhir_server.validation.profiles.extensions import check_extension
from fhir_server.validation.profiles.invariants import class_checks
from fhir_server.validation.profiles.narratives import check_narratives
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.resources.table import RULES
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check

_EXTENSIONS: Final = frozenset({"extension", "modifierExtension"})


class Step(msgspec.Struct, frozen=True):
    """Hold what walking needs of one member: its FHIRPath name, its class ("" for a primitive), its rules."""

    name: str
    class_name: str
    checks: tuple[Check, ...]


@cache
def steps(class_name: str) -> dict[str, Step]:
    """Return the members of a class by their key."""
    return {key: _step(class_name, element) for key, element in structure(class_name).elements.items()}


def _step(class_name: str, element: Element) -> Step:
    name = element.choice.removesuffix("[x]") or element.name
    below = "" if element.is_primitive else element.class_name
    if below == "Resource":
        return Step(name, below, ())
    rules = (DATATYPE_RULES.get(element.type_code), targets_check(element))
    checks = class_checks(element.class_name, f"{class_name}.{name}")
    return Step(name, below, (*checks, *(rule for rule in rules if rule is not None)))


@cache
def resource_checks(resource_type: str) -> tuple[Check, ...]:
    """Return R4's rules for a resource of a type, those of its abstract types among them."""
    return class_checks("DomainResource", "Resource") + class_checks(resource_type, resource_type)


def check_everywhere(place: Place, run: Run) -> None:
    """Check a resource and all within it: R4's rules, extensions, and the profiles that resources within name."""
    resource = place.value
    for check in resource_checks(resource["resourceType"]):
        check(place, run)
    # The elements of a StructureDefinition have the same ids in its snapshot and its differential.
    for twice in sorted(duplicate_ids(resource)) if resource["resourceType"] != "StructureDefinition" else ():
        run.add("duplicate-id", place, twice)
    _check_own_url(place, run)
    if "text" in resource or "section" in resource:
        check_narratives(place, run)
    rule = RULES.get(resource["resourceType"])
    if rule is not None:
        rule(place, run)
    _walk(place, steps(resource["resourceType"]), run)


def _check_own_url(place: Place, run: Run) -> None:
    """Check that a canonical resource has an absolute URL."""
    url = place.value.get("url")
    if isinstance(url, str) and not is_absolute(url):
        run.add("canonical-relative", Place(url, place, "url", "url"), url)


def _walk(place: Place, members: dict[str, Step], run: Run) -> None:
    for key, value in place.value.items():
        kind = value.__class__
        if kind is not dict and kind is not list:
            step = members.get(key)
            if step is not None and step.checks:
                _visit(Place(value, place, key, step.name), step, run)
            continue
        plain = key.removeprefix("_")
        step = members.get(plain)
        if step is None:
            continue
        values = enumerate(value) if kind is list else ((-1, value),)
        if plain != key:
            _walk_primitives(place, plain, list(values), step, run)
            continue
        for index, one in values:
            if one is not None:
                _visit(Place(one, place, key, step.name, index), step, run)


def _visit(place: Place, step: Step, run: Run) -> None:
    for check in step.checks:
        check(place, run)
    if place.value.__class__ is not dict:
        return
    if step.class_name == "Resource":
        check_everywhere(place, run)
        check_named(place, run)
        return
    if place.key in _EXTENSIONS:
        check_extension(place, run)
    if step.class_name and step.class_name not in ABSTRACT_TYPES:
        _walk(place, steps(step.class_name), run)


def _walk_primitives(place: Place, key: str, values: list[tuple[int, Any]], step: Step, run: Run) -> None:
    """Walk the extensions beside primitives."""
    for index, one in values:
        if one.__class__ is dict:
            _walk(Place(one, place, key, step.name, index), steps("Element"), run)


def check_named(place: Place, run: Run) -> None:
    """Check a resource against every profile that its meta names."""
    meta = place.value.get("meta")
    for canonical in meta.get("profile", ()) if meta.__class__ is dict else ():
        if isinstance(canonical, str):
            check_profile(place, canonical, run)


def check_profile(place: Place, canonical: str, run: Run) -> None:
    """Check a resource against one profile; one for another type is a mistake of its own."""
    profiles, found = run.environment.profiles, place.value["resourceType"]
    kind = profiles.type_of(canonical)
    if kind and kind not in (found, "Resource", "DomainResource"):
        run.add("profile-other-type", place, canonical, kind, found)
        return
    profiles.check_place(place, canonical, run)
