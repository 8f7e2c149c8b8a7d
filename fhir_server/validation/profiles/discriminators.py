"""Discriminators: which slice an item belongs to.

Spec: profiling.html#discriminator
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from fhir_server.foundation.references import parse_reference
from fhir_server.validation.profiles.bindings import codes_of
from fhir_server.validation.profiles.definitions.snapshot import type_code
from fhir_server.validation.profiles.definitions.tree import CHOICE, ElementNode
from fhir_server.validation.profiles.place import Place, beside, items
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import contains, equals, value_of

if TYPE_CHECKING:
    from fhir_server.validation.profiles.profile import Profiles

Matcher = Callable[[Place, Run], bool | None]
"""Tell whether a value is what a slice is told by; None when nobody knows."""
_STEP: Final = re.compile(r"[^.(]+(?:\([^)]*\))?")
_CALL: Final = re.compile(r"(\w+)\(\s*'?([^')]*)'?\s*\)")


def matcher(discriminator: Mapping[str, Any], part: ElementNode, profiles: "Profiles") -> Matcher:
    """Return whether an item meets one discriminator of a slice."""
    steps = _STEP.findall(discriminator["path"])
    kind = discriminator["type"]
    if kind in ("type", "profile"):
        return _by_type(steps, part, profiles) if kind == "type" else _by_profile(steps, part, profiles)
    nodes = definitions(steps, [part], profiles)
    is_forbidden = bool(nodes) and all(node.definition.get("max") == "0" for node in nodes)
    if kind == "exists" or is_forbidden:
        must_exist = not is_forbidden
        return lambda place, run: bool(follow(steps, place, run)) is must_exist
    wanted = extension_url(part) if steps == ["url"] else ""
    if wanted:
        return lambda place, run: place.value.__class__ is dict and place.value.get("url") == wanted
    tests = [test for node in nodes if (test := _value_test(node, profiles))] or _own_tests(steps, part)
    if not tests:
        return lambda place, run: None  # The path leads nowhere, or to nothing that tells the slice.
    if len(tests) == 1 and steps == ["$this"]:
        return tests[0]
    return lambda place, run: _any([test(found, run) for found in follow(steps, place, run) for test in tests])


def _own_tests(steps: list[str], part: ElementNode) -> list[Matcher]:
    """Return the test that the slice's own fixed value or pattern makes, when the path leads into that value."""
    for prefix in ("fixed", "pattern"):
        found = value_of(part.definition, prefix)
        wanted = _within(found[1], steps) if found is not None else []
        if wanted:
            return [_holds_one(wanted)]
    return []


def _holds_one(wanted: list[Any]) -> Matcher:
    return lambda place, run: any(contains(place.value, one) for one in wanted)


def _within(value: Any, steps: list[str]) -> list[Any]:
    """Return what a path of plain names leads to in a value; nothing for other paths."""
    found = [value]
    for step in steps:
        if step != "$this":
            below = [one.get(step) for one in found if isinstance(one, dict)]
            found = [item for one in below if one is not None for item in (one if isinstance(one, list) else [one])]
    return found


def _any(answers: list[bool | None]) -> bool | None:
    return True if True in answers else None if None in answers else False


def extension_url(part: ElementNode) -> str:
    """Return the url of an extension's profile, which slices of extensions are told by; "" when there is none."""
    profiles = [url for kind in part.types if kind.get("code") == "Extension" for url in kind.get("profile", ())]
    return str(profiles[0]).partition("|")[0] if len(profiles) == 1 else ""


def _value_test(node: ElementNode, profiles: "Profiles") -> Matcher | None:
    """Return whether a value is the one that a slice is told by; None when the definition asks nothing of it."""
    for prefix, compare in (("fixed", equals), ("pattern", contains)):
        found = value_of(node.definition, prefix)
        if found is not None:
            wanted, same = found[1], compare
            return lambda place, run: same(place.value, wanted)
    binding = node.definition.get("binding", {})
    if node.children or node.slices:
        check = profiles.value_check(node)
        if check is not None:
            return lambda place, run: not _has_errors(check, place, run)
    if binding.get("strength") == "required":
        url = binding.get("valueSet", "")
        return lambda place, run: _any([run.is_member(url, *code) for code in codes_of(place)])
    return (lambda place, run: True) if node.definition.get("min") else None


def _has_errors(check: Callable[[Place, Run], None], place: Place, run: Run) -> bool:
    probe = run.probe()
    check(place, probe)
    return probe.error_count > 0


def _by_type(steps: list[str], part: ElementNode, profiles: "Profiles") -> Matcher:
    if "resolve()" in steps:
        before = steps[: steps.index("resolve()")]
        targets = [url for node in definitions(before, [part], profiles) for url in _profiles(node, "targetProfile")]
        wanted = {profiles.type_of(url) for url in targets}
        return lambda place, run: any(_target_type(at, run) in wanted for at in follow(before, place, run))
    # Slices of the choice say more than the choice itself does.
    nodes = [node for node in definitions(steps, [part], profiles) if not node.slices]
    allowed = {type_code(kind) for node in nodes for kind in node.types} or {node.name for node in nodes}
    return lambda place, run: any(_type_at(found) in allowed for found in follow(steps, place, run))


def _by_profile(steps: list[str], part: ElementNode, profiles: "Profiles") -> Matcher:
    before = steps[: steps.index("resolve()")] if "resolve()" in steps else steps
    key = "targetProfile" if "resolve()" in steps else "profile"
    wanted = [url for node in definitions(before, [part], profiles) for url in _profiles(node, key)]

    def matches(place: Place, run: Run) -> bool:
        found = follow(steps, place, run)
        return any(profiles.conforms_place(at, url, run) for at in found for url in wanted)

    return matches


def _profiles(node: ElementNode, key: str) -> list[str]:
    return [url for kind in node.types for url in kind.get(key, ())]


def _target_type(place: Place, run: Run) -> str:
    reference = place.value.get("reference") if place.value.__class__ is dict else None
    if not isinstance(reference, str):
        return ""
    target = run.target(reference, place)[1]
    return str(target.value["resourceType"]) if target else parse_reference(reference).target_type


def _type_at(place: Place) -> str:
    """Return the type that the key of a choice, or the resource itself, tells."""
    if place.value.__class__ is dict and "resourceType" in place.value:
        return str(place.value["resourceType"])
    suffix = place.key.removeprefix(place.name)
    lower = suffix[:1].lower() + suffix[1:]
    return lower if place.value.__class__ is not dict else suffix


def follow(steps: list[str], place: Place, run: Run) -> list[Place]:
    """Return what a discriminator's path leads to in an instance."""
    found = [place]
    for step in steps:
        if step.isidentifier():
            found = [below for at in found for below in _members(at, step)]
        elif step != "$this":
            found = [below for at in found for below in _follow(step, at, run)]
    return found


def _follow(step: str, place: Place, run: Run) -> Iterator[Place]:
    call = _CALL.fullmatch(step)
    if step == "resolve()":
        reference = place.value.get("reference") if place.value.__class__ is dict else None
        target = run.target(reference, place)[1] if isinstance(reference, str) else None
        if target is not None:
            yield target
    elif call is not None and call[1] == "extension":
        yield from (found for found in _members(place, "extension") if found.value.get("url") == call[2])
    elif call is not None and _type_at(place) == call[2]:
        yield place


def _members(place: Place, name: str) -> Iterator[Place]:
    value = place.value
    if value.__class__ is not dict:
        value = beside(place)
        if value is None:
            return
        place = place._replace(value=value)
    keys = [name] if name in value or f"_{name}" in value else _choice_keys(value, name)
    for key in keys:
        yield from items(place, key, name)


def _choice_keys(value: Mapping[str, Any], name: str) -> list[str]:
    return [key for key in value if key.startswith(name) and key[len(name) :][:1].isupper()]


def definitions(steps: list[str], nodes: list[ElementNode], profiles: "Profiles") -> list[ElementNode]:
    """Return the definitions that a discriminator's path leads to in a profile."""
    for step in steps:
        nodes = [below for node in nodes for below in _definitions(step, node, profiles)]
    return nodes


def _definitions(step: str, node: ElementNode, profiles: "Profiles") -> list[ElementNode]:
    call = _CALL.fullmatch(step)
    if step == "$this":
        return [node]
    if step == "resolve()":
        return [tree for url in _profiles(node, "targetProfile") if (tree := profiles.tree(url))]
    if call is not None and call[1] == "extension":
        known = _child(node, "extension", profiles)
        return [part for one in known for part in one.slices.values() if call[2] in _profiles(part, "profile")]
    if call is not None:
        return [node]
    return _child(node, step, profiles)


def _child(node: ElementNode, name: str, profiles: "Profiles") -> list[ElementNode]:
    child = node.children.get(name) or node.children.get(name + CHOICE)
    # A type that names one element of another profile says more than the element itself.
    if child is not None and not any("#" in url for url in _profiles(node, "profile")):
        return [child, *child.slices.values()]
    trees = [tree for url in _profiles(node, "profile") if (tree := profiles.tree(url))]
    return [found for tree in trees for found in _child(tree, name, profiles)]
