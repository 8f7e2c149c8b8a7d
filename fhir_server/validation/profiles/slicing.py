"""Slicing: items are told apart, counted, ordered, and each is checked by its slice.

Spec: profiling.html#slicing
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from fhir_server.validation.profiles.definitions.tree import CHOICE, ElementNode
from fhir_server.validation.profiles.discriminators import Matcher, extension_url, matcher
from fhir_server.validation.profiles.place import Place
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check

if TYPE_CHECKING:
    from fhir_server.validation.profiles.profile import Profiles

DEFAULT: Final = "@default"
_BY_TYPE: Final[Mapping[str, Any]] = {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"}
_BY_URL: Final[Mapping[str, Any]] = {"discriminator": [{"type": "value", "path": "url"}], "rules": "open"}

CheckItems = Callable[[Place, list[Place], Run], None]
"""Take the object that the items are in, and the items."""
CheckOrder = Callable[[list[Place], Sequence["Part | None"], Run], None]
Sorted = tuple[Place, list[Place], Sequence["Part | None"]]
"""The object that the items are in, the items, and the slice of each."""


class Part(msgspec.Struct, frozen=True):
    """Hold one compiled slice; `again` checks the slices within it."""

    name: str
    matchers: list[Matcher]
    minimum: int
    maximum: float
    check: Check
    again: CheckItems | None


def maximum_of(definition: Mapping[str, Any]) -> float:
    """Return the highest number of items, infinity for `*`."""
    text = str(definition.get("max", "*"))
    return float(text) if text.isdecimal() else float("inf")


def slicing_check(node: ElementNode, profiles: "Profiles", url: str, within: str = "") -> CheckItems | None:
    """Return the check of a sliced element, or of the slices within a slice (`within`); None when it has no slices."""
    names = [name for name in node.slices if name.rpartition("/")[0] == within and name != DEFAULT]
    if not names:
        return None
    owner = node.slices[within] if within else node
    slicing = owner.definition.get("slicing") or (_BY_TYPE if node.name.endswith(CHOICE) else _BY_URL)
    parts = [_part(node, name, slicing, profiles, url) for name in names]
    default = node.slices.get(DEFAULT)
    rules = slicing.get("rules", "open")
    check_order = _order_check(slicing, names)
    unassigned = _unassigned(names, profiles.value_check(default, node, url) if default else None, rules, url)

    needed = [part for part in parts if part.minimum or part.again is not None]
    urls = _by_url(slicing, node, parts)

    def check(parent: Place, found: list[Place], run: Run) -> None:
        assigned: Sequence[Part | None]
        if urls is not None:
            assigned = [urls.get(item.value.get("url")) for item in found]
        else:
            assigned = [next((part for part in parts if _is_in(part, item, run)), None) for item in found]
        for item, part in zip(found, assigned, strict=True):
            if part is not None:
                part.check(item, run)
            elif unassigned is not _nothing and not any(_may_be_in(part, item, run) for part in parts):
                unassigned(item, run)
        check_order(found, assigned, run)
        for part in parts if found else needed:
            _count(part, f"{node.name}:{part.name}", url, (parent, found, assigned), run)

    return check


def is_of_slice(node: ElementNode, name: str, item: Place, run: Run) -> bool:
    """Tell whether an item is in one slice of an element, by the discriminators alone."""
    within = name.rpartition("/")[0]
    owner = node.slices.get(within, node)
    slicing = owner.definition.get("slicing") or (_BY_TYPE if node.name.endswith(CHOICE) else _BY_URL)
    return _is_in(_part(node, name, slicing, run.environment.profiles, ""), item, run)


def _by_url(slicing: Mapping[str, Any], node: ElementNode, parts: Sequence[Part]) -> Mapping[str, Part] | None:
    """Return url -> slice where extensions are told apart by their url, as nearly everywhere; None elsewhere."""
    is_by_url = [(one.get("type"), one.get("path")) for one in slicing.get("discriminator", ())] == [("value", "url")]
    if not is_by_url or node.name not in ("extension", "modifierExtension"):
        return None
    urls = {extension_url(node.slices[part.name]): part for part in parts}
    return urls if len(urls) == len(parts) and "" not in urls else None


def _unassigned(names: list[str], otherwise: Check | None, rules: str, url: str) -> Check:
    """Return what is said of an item that is in no slice."""
    if otherwise is not None or rules != "closed":
        return otherwise or _nothing
    allowed = ", ".join(names)
    return lambda place, run: run.add("slice-closed", place, allowed, url)


def _nothing(place: Place, run: Run) -> None:
    pass


def _count(part: Part, name: str, url: str, sorted_items: Sorted, run: Run) -> None:
    parent, found, assigned = sorted_items
    matched = [item for item, one in zip(found, assigned, strict=True) if one is part]
    count = len(matched)
    if count < part.minimum:
        free = (item for item, one in zip(found, assigned, strict=True) if one is None)
        doubtful = next((item for item in free if _may_be_in(part, item, run)), None)
        if doubtful is not None:
            run.add("slice-unchecked", doubtful, name, url)
        else:
            missing = Place(None, parent, "", name.partition(":")[0].removesuffix(CHOICE))
            run.add("minimum", missing, name, part.minimum, url, count)
    elif count > part.maximum:
        run.add("maximum", matched[int(part.maximum)], name, int(part.maximum), url, count)
    if part.again is not None:
        part.again(parent, matched, run)


def _part(node: ElementNode, name: str, slicing: Mapping[str, Any], profiles: "Profiles", url: str) -> Part:
    part = node.slices[name]
    return Part(
        name,
        [matcher(one, part, profiles) for one in slicing.get("discriminator", ())],
        int(part.definition.get("min", 0)),
        maximum_of(part.definition),
        profiles.value_check(part, node, url) or _nothing,
        slicing_check(node, profiles, url, name),
    )


def _is_in(part: Part, item: Place, run: Run) -> bool:
    return bool(part.matchers) and all(matches(item, run) for matches in part.matchers)


def _may_be_in(part: Part, item: Place, run: Run) -> bool:
    return all(matches(item, run) is not False for matches in part.matchers)


def _order_check(slicing: Mapping[str, Any], names: list[str]) -> CheckOrder:
    is_ordered, is_open_at_end = bool(slicing.get("ordered")), slicing.get("rules") == "openAtEnd"

    def check(found: list[Place], assigned: Sequence[Part | None], run: Run) -> None:
        if is_open_at_end:
            _check_end(found, assigned, run)
        if is_ordered:
            _check_order(found, assigned, names, run)

    return check


def _check_order(found: list[Place], assigned: Sequence[Part | None], names: list[str], run: Run) -> None:
    highest = -1
    for item, part in zip(found, assigned, strict=True):
        if part is None:
            continue
        if names.index(part.name) < highest:
            run.add("slice-order", item, part.name, ", ".join(names))
        highest = max(highest, names.index(part.name))


def _check_end(found: list[Place], assigned: Sequence[Part | None], run: Run) -> None:
    unmatched = None
    for item, part in zip(found, assigned, strict=True):
        if part is None:
            unmatched = unmatched or item
        elif unmatched is not None:
            run.add("slice-open-at-end", unmatched, part.name)
            return
