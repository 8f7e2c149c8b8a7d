"""Concept maps: from a code to those that it becomes, or back.

Spec: conceptmap.html, conceptmap-operation-translate.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable

Definition = Mapping[str, Any]

NO_MATCH: Final = frozenset({"unmatched", "disjoint"})
"""The equivalences that say that a target does not stand for the source."""
_TURNED: Final = {"wider": "narrower", "narrower": "wider", "subsumes": "specializes", "specializes": "subsumes"}


class Question(msgspec.Struct, frozen=True):
    """Hold what is translated; "" in a system stands for any.

    `dependencies` are (property, value): a target with dependsOn is chosen when all of its own are among them.
    """

    system: str
    code: str
    target_system: str = ""
    is_reverse: bool = False
    dependencies: frozenset[tuple[str, str]] = frozenset()


class Match(msgspec.Struct, frozen=True):
    """Hold one answer: `code` is "" when the map says that there is none; `source` is the canonical of the map."""

    equivalence: str
    system: str = ""
    code: str = ""
    display: str = ""
    version: str = ""
    source: str = ""
    products: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_positive(self) -> bool:
        """Tell whether the answer is a translation."""
        return bool(self.code) and self.equivalence not in NO_MATCH

    def coding(self) -> dict[str, str]:
        """Return the answer as a Coding."""
        members = {"system": self.system, "version": self.version, "code": self.code, "display": self.display}
        return {name: value for name, value in members.items() if value}

    def parts(self) -> list[dict[str, Any]]:
        """Return the parts of the `match` parameter."""
        parts: list[dict[str, Any]] = [{"name": "equivalence", "valueCode": self.equivalence}]
        if self.code:
            parts.append({"name": "concept", "valueCoding": self.coding()})
        parts.extend({"name": "product", "part": _product(product)} for product in self.products)
        return [*parts, {"name": "source", "valueUri": self.source}] if self.source else parts


class Ends(msgspec.Struct, frozen=True):
    """Hold from where to where a concept map leads: value sets without version, and the systems of its groups."""

    canonical: str
    source: str
    target: str
    groups: tuple[tuple[str, str], ...]


class Between(msgspec.Struct, frozen=True):
    """Hold between what a translation is sought, as for a map read forwards; "" stands for any.

    `systems` are those of the codes; a map is read backwards when `is_reverse`.
    """

    source: str
    target: str
    systems: frozenset[str]
    target_system: str = ""
    is_reverse: bool = False

    def holds(self, ends: Ends) -> bool:
        """Tell whether a map may translate."""
        first, second = (ends.target, ends.source) if self.is_reverse else (ends.source, ends.target)
        if self.source not in ("", first) or self.target not in ("", second):
            return False
        return any(self._concerns(*(reversed(group) if self.is_reverse else group)) for group in ends.groups)

    def _concerns(self, source: str, target: str) -> bool:
        return (not source or source in self.systems) and (not target or self.target_system in ("", target))


def ends_of(concept_map: Definition) -> Ends:
    """Return from where to where a map leads; its canonical has its version, when there is one."""
    source, target = (
        str(concept_map.get(f"{end}Canonical") or concept_map.get(f"{end}Uri") or "").partition("|")[0]
        for end in ("source", "target")
    )
    groups = tuple((group.get("source", ""), group.get("target", "")) for group in concept_map.get("group", ()))
    url, version = str(concept_map.get("url", "")), concept_map.get("version", "")
    return Ends(f"{url}|{version}" if version else url, source, target, groups)


def translate(
    concept_map: Definition, question: Question, other: Callable[[str], Definition | None]
) -> tuple[Match, ...]:
    """Return what a map says of a code, each answer once; `other` finds the maps that it refers to.

    Raises Unprocessable (422) when the map leads to one that is not here, or back to itself.
    """
    answers: list[Match] = []
    for match in _matches(concept_map, question, other, ()):
        if match not in answers:
            answers.append(match)
    return tuple(answers)


def is_translated(matches: tuple[Match, ...]) -> bool:
    """Return the `result` of the operation: whether one of the answers is a translation."""
    return any(match.is_positive for match in matches)


def _matches(
    concept_map: Definition, question: Question, other: Callable[[str], Definition | None], path: tuple[str, ...]
) -> Iterator[Match]:
    url = str(concept_map.get("url", ""))
    if url in path:
        raise Unprocessable(f"The concept map {url} leads back to itself.")
    for group in concept_map.get("group", ()):
        if question.is_reverse:
            yield from _backward(group, question, url)
        elif _concerns(group, question.system, question.target_system):
            found = list(_forward(group, question, url))
            yield from found or _unmapped(group, question, url)
            for canonical in () if found else _others(group):
                following = other(canonical)
                if following is None:
                    raise Unprocessable(f"The concept map {canonical}, to which {url} leads, is not here.")
                yield from _matches(following, question, other, (*path, url))


def _concerns(group: Definition, source: str, target: str) -> bool:
    return source in ("", group.get("source", source)) and target in ("", group.get("target", target))


def _forward(group: Definition, question: Question, url: str) -> Iterator[Match]:
    for element in group.get("element", ()):
        if element.get("code") == question.code:
            for target in element.get("target", ()):
                if _depends(target, question):
                    yield _match(group, "target", target, str(target.get("equivalence", "relatedto")), url)


def _backward(group: Definition, question: Question, url: str) -> Iterator[Match]:
    if not _concerns(group, question.target_system, question.system):
        return
    for element in group.get("element", ()):
        for target in element.get("target", ()):
            equivalence = str(target.get("equivalence", "relatedto"))
            if target.get("code") == question.code and _depends(target, question):
                yield _match(group, "source", element, _TURNED.get(equivalence, equivalence), url)


def _match(group: Definition, end: str, found: Definition, equivalence: str, url: str) -> Match:
    return Match(
        equivalence,
        group.get(end, "") if "code" in found else "",
        found.get("code", ""),
        found.get("display", ""),
        group.get(f"{end}Version", ""),
        url,
        tuple(found.get("product", ())),
    )


def _depends(target: Definition, question: Question) -> bool:
    needed = {(str(one.get("property", "")), str(one.get("value", ""))) for one in target.get("dependsOn", ())}
    return needed <= question.dependencies


def _unmapped(group: Definition, question: Question, url: str) -> Iterator[Match]:
    """Yield what a code that the group does not list becomes.

    Choice: as R4 gives no equivalence, a code taken as it is counts as equivalent, a fixed one as relatedto.
    """
    unmapped = group.get("unmapped", {})
    if unmapped.get("mode") == "provided":
        yield _match(group, "target", {"code": question.code}, "equivalent", url)
    elif unmapped.get("mode") == "fixed":
        yield _match(group, "target", unmapped, "relatedto", url)


def _others(group: Definition) -> Iterator[str]:
    unmapped = group.get("unmapped", {})
    if unmapped.get("mode") == "other-map" and "url" in unmapped:
        yield unmapped["url"]


def _product(product: Definition) -> list[dict[str, Any]]:
    coding = {"system": product.get("system"), "code": product.get("value"), "display": product.get("display")}
    shown = {name: value for name, value in coding.items() if value}
    return [{"name": "element", "valueUri": product.get("property", "")}, {"name": "concept", "valueCoding": shown}]
