"""A code system whose concepts lie in a table: it answers as any other does, and is never read as a whole.

Spec: codesystem.html
"""

from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from typing import Any

from fhir_server.terminology.bounded_cache import BoundedCache
from fhir_server.terminology.code_system import CodeSystem, Concept
from fhir_server.terminology.compose_filter import EXPRESSION
from fhir_server.terminology.expansion import folded
from fhir_server.terminology.tables.file import Table

_BELOW = {"is-a", "descendent-of"}
_NAMES = {"concept", "code"}
_ASKED_UPWARDS = 64
_SELECTED = 200_000
"""Codes that the expressions which are kept may select in all."""


class TabledCodeSystem(CodeSystem):
    """Answer about the codes of one table. Codes are told apart by case."""

    def __init__(self, table: Table) -> None:
        super().__init__({**table.system, "caseSensitive": True})
        self._table = table
        self.described = table.system
        """The CodeSystem resource without its concepts."""
        self._selected: BoundedCache[str, frozenset[str]] = BoundedCache(_SELECTED)
        self.concepts = _Concepts(table)
        self.children = _Children(table)

    def candidates(self, filters: Sequence[Mapping[str, Any]], text: str = "") -> Iterable[Concept]:
        """See CodeSystem.candidates: what is below one concept, or has the words, is found without the others."""
        table = self._table
        within = self._within(filters)
        words = [word.encode() for word in folded(text).split()]
        if words:
            places: Iterable[int] = table.search(words)
            if within is not None:
                places = (place for place in places if place in within)
        else:
            places = range(len(table)) if within is None else sorted(within)
        return map(table.concept, places)

    def _within(self, filters: Sequence[Mapping[str, Any]]) -> set[int] | None:
        """Return the places below the concept of a filter, itself included; None when no filter names one."""
        for one in filters:
            if one.get("op") in _BELOW and one.get("property") in _NAMES:
                place = self._table.place(str(one.get("value", "")))
                return set() if place is None else self.walk_down(place) | {place}
            if one.get("op") == "=" and one.get("property") in EXPRESSION:
                found = map(self._table.place, self.select(str(one.get("value", ""))))
                return {place for place in found if place is not None}
        return None

    def has_property(self, name: str) -> bool:
        """See CodeSystem.has_property; of a table only its owner knows the properties."""
        return True

    def below(self, code: str) -> Container[str]:
        """See CodeSystem.below: a few codes are asked about upwards, many are looked up in what was walked once."""
        return _Below(self, self._table, code)

    def select(self, expression: str) -> frozenset[str]:
        """See CodeSystem.select; the last answers are kept."""
        kept = self._selected.get(expression)
        if kept is None:
            kept = super().select(expression)
            self._selected.put(expression, kept, len(kept) + 1)
        return kept

    def walk_down(self, place: int) -> set[int]:
        """Return the places below one."""
        return self._walk(place, self._table.children)

    def walk_up(self, place: int) -> set[int]:
        """Return the places above one."""
        return self._walk(place, self._table.parents)

    def ancestors(self, code: str) -> frozenset[str]:
        """See CodeSystem.ancestors."""
        return self._walked(code, self._table.parents)

    def descendants(self, code: str) -> frozenset[str]:
        """See CodeSystem.descendants."""
        return self._walked(code, self._table.children)

    def _walked(self, code: str, step: Callable[[int], Sequence[int]]) -> frozenset[str]:
        place = self._table.place(code)
        return frozenset() if place is None else frozenset(map(self._table.code, self._walk(place, step) - {place}))

    @staticmethod
    def _walk(place: int, step: Callable[[int], Sequence[int]]) -> set[int]:
        reached: set[int] = set()
        waiting = [place]
        while waiting:
            found = [one for one in step(waiting.pop()) if one not in reached]
            reached.update(found)
            waiting.extend(found)
        return reached


class _Below(Container[str]):
    def __init__(self, system: TabledCodeSystem, table: Table, code: str) -> None:
        self._system = system
        self._table = table
        self._code = code
        self._top = table.place(code)
        self._asked = 0
        self._codes: frozenset[str] | None = None

    def __contains__(self, code: object) -> bool:
        if self._codes is not None:
            return code in self._codes
        self._asked += 1
        if self._asked > _ASKED_UPWARDS:
            self._codes = self._system.descendants(self._code)
            return code in self._codes
        place = self._table.place(code) if isinstance(code, str) else None
        return place is not None and place != self._top and self._top in self._system.walk_up(place)


class _Concepts(Mapping[str, Concept]):
    def __init__(self, table: Table) -> None:
        self._table = table

    def __getitem__(self, code: str) -> Concept:
        place = self._table.place(code)
        if place is None:
            raise KeyError(code)
        return self._table.concept(place)

    def __contains__(self, code: object) -> bool:
        return isinstance(code, str) and self._table.place(code) is not None

    def __iter__(self) -> Iterator[str]:
        return map(self._table.code, range(len(self._table)))

    def __len__(self) -> int:
        return len(self._table)


class _Children(Mapping[str, Sequence[str]]):
    def __init__(self, table: Table) -> None:
        self._table = table

    def __getitem__(self, code: str) -> Sequence[str]:
        place = self._table.place(code)
        if place is None:
            raise KeyError(code)
        return list(map(self._table.code, self._table.children(place)))

    def __iter__(self) -> Iterator[str]:
        return map(self._table.code, range(len(self._table)))

    def __len__(self) -> int:
        return len(self._table)
