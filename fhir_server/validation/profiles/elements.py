"""What a profile says of one element, compiled: how many, of which type, with which value, and all below.

Spec: elementdefinition.html, profiling.html
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from fhir_server.foundation.structure import Element, Invariant, structure
from fhir_server.validation.profiles.bindings import binding_check
from fhir_server.validation.profiles.definitions.snapshot import type_code
from fhir_server.validation.profiles.definitions.tree import CHOICE, ElementNode
from fhir_server.validation.profiles.invariants import core_keys, invariant_check
from fhir_server.validation.profiles.place import Place, beside, items
from fhir_server.validation.profiles.references import reference_check
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.slicing import CheckItems, maximum_of, slicing_check
from fhir_server.validation.profiles.values import Check, value_checks

if TYPE_CHECKING:
    from fhir_server.validation.profiles.profile import Profiles

_ANY_RESOURCE: Final = frozenset({"Resource", "DomainResource"})


def value_check(
    node: ElementNode, profiles: "Profiles", url: str, same: ElementNode | None, element: Element | None
) -> Check | None:
    """Return the check of one value of an element, without its number; None when the profile asks nothing of it.

    `same` is the element that a slice is of: what it says already is checked once.
    """
    definition, known = node.definition, same.definition if same is not None else {}
    checks = list(value_checks(definition))
    if definition.get("binding") != known.get("binding"):
        checks += [check for check in [binding_check(definition, element)] if check]
    if definition.get("type") != known.get("type"):
        checks += _type_checks(node, profiles, url, element)
    checks += _constraints(definition, known)
    members = list(_members(node, profiles, url))
    if members:
        checks.append(_below(members))
    return _together(checks)


def _together(checks: Sequence[Check]) -> Check | None:
    if len(checks) < 2:
        return checks[0] if checks else None

    def check(place: Place, run: Run) -> None:
        for one in checks:
            one(place, run)

    return check


def _below(members: Sequence[Check]) -> Check:
    def check(place: Place, run: Run) -> None:
        if place.value.__class__ is not dict:
            # A primitive without extensions may lack one that the profile requires.
            place = place._replace(value=beside(place) or {})
        for member in members:
            member(place, run)

    return check


def _constraints(definition: Mapping[str, Any], known: Mapping[str, Any]) -> Iterator[Check]:
    inherited = {rule.get("key") for rule in known.get("constraint", ())}
    for rule in definition.get("constraint", ()):
        key = rule.get("key", "")
        if key not in inherited and key not in core_keys() and "expression" in rule:
            severity = rule.get("severity", "error")
            is_of_holder = "." in str(definition.get("path", ""))
            yield invariant_check(
                Invariant(key, severity, rule["expression"], rule.get("human", "")), is_of_holder=is_of_holder
            )


def _type_checks(node: ElementNode, profiles: "Profiles", url: str, element: Element | None) -> Iterator[Check]:
    codes = frozenset(type_code(kind) for kind in node.types)
    if element is not None and element.class_name == "Resource" and codes and not codes & _ANY_RESOURCE:
        yield _resource_type_check(codes, url)
    for kind in node.types:
        code = type_code(kind)
        wanted = kind.get("profile", ())
        check = _profile_check(wanted, profiles) if wanted and code != "Extension" else None
        if code == "Reference":
            check = reference_check(kind, element, profiles, url)
        if check is not None:
            yield check if len(node.types) == 1 else _only(code, check)


def _only(code: str, check: Check) -> Check:
    """Return a check for values of one type of a choice."""

    def check_one(place: Place, run: Run) -> None:
        suffix = place.key.removeprefix(place.name)
        if suffix in (code, code[:1].upper() + code[1:]) or _resource_type(place) == code:
            check(place, run)

    return check_one


def _resource_type(place: Place) -> str:
    return str(place.value.get("resourceType", "")) if place.value.__class__ is dict else ""


def _resource_type_check(codes: frozenset[str], url: str) -> Check:
    def check(place: Place, run: Run) -> None:
        if _resource_type(place) not in codes:
            run.add("type", place, place.name, _resource_type(place), url, ", ".join(sorted(codes)))

    return check


def _profile_check(wanted: Sequence[str], profiles: "Profiles") -> Check:
    def check(place: Place, run: Run) -> None:
        found = _resource_type(place)
        kinds = {profiles.type_of(one) for one in wanted}
        if found and not kinds & {found, "", *_ANY_RESOURCE}:
            run.add("profile-other-type", place, ", ".join(wanted), ", ".join(sorted(kinds)), found)
        elif len(wanted) == 1:
            profiles.check_place(place, wanted[0], run)
        elif not any(profiles.conforms_place(place, one, run) for one in wanted):
            run.add("type-profile", place, ", ".join(wanted))

    return check


def _members(node: ElementNode, profiles: "Profiles", url: str) -> Iterator[Check]:
    elements = structure(node.class_name).elements if node.class_name else {}
    for child in node.children.values():
        name = child.name.removesuffix(CHOICE)
        if child.name.endswith(CHOICE):
            keys = {element.name: element for element in elements.values() if element.choice == child.name}
            check = _choice_check(child, profiles, url, keys)
        else:
            check = _member_check(child, profiles, url, elements.get(name))
        if check is not None:
            yield check


def _numbers(child: ElementNode, *, is_needed: bool, is_list: bool) -> tuple[int, float]:
    """Return the bounds that R4 itself does not set already."""
    minimum = int(child.definition.get("min", 0))
    maximum = maximum_of(child.definition)
    return (0 if is_needed and minimum < 2 else minimum), (float("inf") if not is_list and maximum >= 1 else maximum)


def _member_check(child: ElementNode, profiles: "Profiles", url: str, element: Element | None) -> Check | None:
    name = child.name
    is_needed, is_list = (bool(element.minimum), element.is_list) if element is not None else (False, True)
    bounds = _numbers(child, is_needed=is_needed, is_list=is_list)
    each = profiles.value_check(child, None, url, element)
    sliced = slicing_check(child, profiles, url)
    if bounds == (0, float("inf")) and each is None and sliced is None:
        return None
    numbered: list[CheckItems] = [_count(name, bounds, url)]
    if sliced is not None:
        numbered.append(sliced)
    return _list_check(name, each, numbered, is_asked=bounds[0] > 0 or sliced is not None)


def _list_check(name: str, each: Check | None, numbered: Sequence[CheckItems], *, is_asked: bool) -> Check:
    """Return the check of a member: of each item, and of all together; of none only when that `is_asked`."""
    under = f"_{name}"

    def check(place: Place, run: Run) -> None:
        is_there = name in place.value or under in place.value
        if not is_there and not is_asked:
            return
        found = list(items(place, name, name)) if is_there else []
        for check_items in numbered:
            check_items(place, found, run)
        if each is not None:
            for item in found:
                each(item, run)

    return check


def _count(name: str, bounds: tuple[int, float], url: str) -> CheckItems:
    minimum, maximum = bounds

    def check(place: Place, found: list[Place], run: Run) -> None:
        if len(found) < minimum:
            run.add("minimum", Place(None, place, name, name), name, minimum, url, len(found))
        elif len(found) > maximum:
            run.add("maximum", found[int(maximum)], name, int(maximum), url, len(found))

    return check


def _choice_check(child: ElementNode, profiles: "Profiles", url: str, keys: Mapping[str, Element]) -> Check | None:
    name = child.name.removesuffix(CHOICE)
    codes = frozenset(type_code(kind) for kind in child.types)
    known = {key: element.type_code for key, element in keys.items()}
    known = known or {name + code[:1].upper() + code[1:]: code for code in codes}
    is_narrow = not set(known.values()) <= codes
    bounds = _numbers(child, is_needed=False, is_list=False)
    each, sliced = profiles.value_check(child, None, url), slicing_check(child, profiles, url)
    if bounds == (0, float("inf")) and each is None and sliced is None and not is_narrow:
        return None
    count, allowed = _count(name, bounds, url), ", ".join(sorted(codes))

    def check(place: Place, run: Run) -> None:
        value = place.value
        found = [item for key in known if key in value or f"_{key}" in value for item in items(place, key, name)]
        count(place, found, run)
        for item in found:
            if known[item.key] not in codes and bounds[1] > 0:
                run.add("type", item, name, known[item.key], url, allowed)
            elif each is not None:
                each(item, run)
        if sliced is not None:
            sliced(place, found, run)

    return check
