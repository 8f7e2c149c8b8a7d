"""Expansions: the page of members that was asked for, as a ValueSet resource.

Spec: valueset-operation-expand.html, valueset.html#expansion
"""

import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.terminology.code_system import Designation
from fhir_server.terminology.value_set import Member

_LANGUAGES: Final = "urn:ietf:bcp:47"
_COPIED: Final = ("url", "version", "name", "title", "status", "experimental", "publisher", "language")


class ExpansionParameters(msgspec.Struct, frozen=True):
    """Hold what `$expand` was asked: `text` is its filter, `count` None asks for all, 0 only for the total.

    Choice: without `exclude_nested` false and a whole expansion, what is contained is flat.
    """

    text: str = ""
    offset: int = 0
    count: int | None = None
    display_language: str = ""
    has_designations: bool = False
    is_active_only: bool = False
    exclude_nested: bool = True
    is_selectable_only: bool = False
    has_definition: bool = False
    designations: tuple[str, ...] = ()
    """Which designations are wanted: tokens of a use, or of a language as `urn:ietf:bcp:47|fr`; empty for all."""
    excluded_systems: tuple[str, ...] = ()

    @property
    def is_flat(self) -> bool:
        """Tell whether nothing is nested: pages and searches are of a list."""
        return self.exclude_nested or self.count is not None or self.offset > 0 or bool(self.text)

    def elements(self) -> list[dict[str, Any]]:
        """Return the elements of ValueSet.expansion.parameter: what differs from the defaults."""
        found: list[dict[str, Any]] = []
        for field, (name, kind) in _NAMES.items():
            value = getattr(self, field)
            if value != getattr(_DEFAULTS, field):
                values = value if isinstance(value, tuple) else (value,)
                found.extend({"name": name, kind: one} for one in values)
        return found


_DEFAULTS: Final = ExpansionParameters()
_NAMES: Final = {
    "text": ("filter", "valueString"),
    "offset": ("offset", "valueInteger"),
    "count": ("count", "valueInteger"),
    "display_language": ("displayLanguage", "valueCode"),
    "has_designations": ("includeDesignations", "valueBoolean"),
    "is_active_only": ("activeOnly", "valueBoolean"),
    "exclude_nested": ("excludeNested", "valueBoolean"),
    "is_selectable_only": ("excludeNotForUI", "valueBoolean"),
    "has_definition": ("includeDefinition", "valueBoolean"),
    "designations": ("designation", "valueString"),
    "excluded_systems": ("exclude-system", "valueUri"),
}


def expansion(
    definition: Mapping[str, Any],
    members: Sequence[Member],
    asked: ExpansionParameters,
    identifier: str,
    timestamp: str,
) -> dict[str, Any]:
    """Return the ValueSet with the page of `members` that was asked for; `timestamp` is an instant.

    Raises BadRequest (400) when the offset or count is negative.
    """
    if asked.offset < 0 or (asked.count or 0) < 0:
        raise BadRequest("offset and count are 0 or more.")
    selected = select(members, asked)
    shown: dict[str, Any] = {
        "identifier": identifier,
        "timestamp": timestamp,
        "total": len(selected),
        "offset": asked.offset,
    }
    if parameters := asked.elements() + _versions(selected):
        shown["parameter"] = parameters
    end = None if asked.count is None else asked.offset + asked.count
    page = selected[asked.offset : end]
    contains = [_element(member, asked) for member in page] if asked.is_flat else _nested(page, asked)
    if contains:
        shown["contains"] = contains
    copied = {name: value for name, value in definition.items() if asked.has_definition or name in _COPIED}
    return {"resourceType": "ValueSet", "status": "active", **copied, "expansion": shown}


def select(members: Iterable[Member], asked: ExpansionParameters) -> list[Member]:
    """Return the members that pass the text, and the wishes for active and selectable ones of certain systems."""
    words = folded(asked.text).split()
    excluded = frozenset(asked.excluded_systems)
    return [
        member
        for member in members
        if not (asked.is_active_only and member.is_inactive)
        and not (asked.is_selectable_only and member.is_abstract)
        and not (excluded and not excluded.isdisjoint((member.system, f"{member.system}|{member.version}")))
        and (not words or _has_words(member, words))
    ]


def _has_words(member: Member, words: Iterable[str]) -> bool:
    """Tell whether every word is in the code or in one of the texts, without case and accents."""
    text = folded(" ".join((member.code, member.display, *(found.value for found in member.designations))))
    return all(word in text for word in words)


def folded(text: str) -> str:
    """Return a text without case and accents."""
    if text.isascii():
        return text.lower()
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(character for character in decomposed if not unicodedata.combining(character))


def _versions(members: Iterable[Member]) -> list[dict[str, Any]]:
    found = sorted({f"{member.system}|{member.version}" for member in members if member.version})
    return [{"name": "version", "valueUri": canonical} for canonical in found]


def _element(member: Member, asked: ExpansionParameters) -> dict[str, Any]:
    element: dict[str, Any] = {"system": member.system} if member.system else {}
    if member.is_abstract:
        element["abstract"] = True
    if member.is_inactive:
        element["inactive"] = True
    if member.version:
        element["version"] = member.version
    element["code"] = member.code
    if display := member.shown(asked.display_language):
        element["display"] = display
    if asked.has_designations and (
        wanted := [found.element() for found in member.designations if _wants(asked, found)]
    ):
        element["designation"] = wanted
    return element


def _wants(asked: ExpansionParameters, found: Designation) -> bool:
    use = found.use or {}
    told = {f"{_LANGUAGES}|{found.language}", found.language, f"{use.get('system', '')}|{use.get('code', '')}"}
    return not asked.designations or not told.isdisjoint(asked.designations)


def _nested(members: Sequence[Member], asked: ExpansionParameters) -> list[dict[str, Any]]:
    """Return the members below their first parent that is a member too."""
    elements = {(member.system, member.code): _element(member, asked) for member in members}
    order = {key: place for place, key in enumerate(elements)}
    roots: list[dict[str, Any]] = []
    for member in members:
        key = (member.system, member.code)
        # A parent that comes later would let a circle swallow its members.
        above = ((member.system, parent) for parent in member.parents)
        parent = next((found for found in above if order.get(found, order[key]) < order[key]), None)
        siblings = roots if parent is None else elements[parent].setdefault("contains", [])
        siblings.append(elements[key])
    return roots
