r"""Regular expressions of value set filters, matched in time that grows with the text alone: no backtracking.

Spec: valueset-filter-operator.html

Understood: literals, `.`, classes, escapes, groups, `|`, `* + ? {n} {n,} {n,m}`. Choice: the whole value must match,
so that `^` at the start and `$` at the end are dropped.
"""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fhir_server.foundation.operation_outcome import TooCostly, Unprocessable

MAX_STATES: Final = 2_000
MAX_PATTERN: Final = 500
MAX_DEPTH: Final = 20
_ATOM: Final = re.compile(r"\\[dDwWsS]|\\[^A-Za-z0-9]|\[\^?\]?(?:\\.|[^\]\\])*\]|[^\\()\[\]|*+?{}^$]", re.DOTALL)
_REPEAT: Final = re.compile(r"([*+?])|\{(\d{1,4})(,(\d{1,4})?)?\}")
_BOUNDS: Final = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}


class Regex:
    """Match texts against one pattern; raises Unprocessable (422) for a pattern that is not understood."""

    def __init__(self, pattern: str) -> None:
        if len(pattern) > MAX_PATTERN:
            raise TooCostly(f"A regex of more than {MAX_PATTERN} characters is not evaluated: shorten it.")
        self._source = pattern.removeprefix("^")
        if self._source.endswith("$") and not self._source.endswith(r"\$"):
            self._source = self._source[:-1]
        self._place = self._depth = 0
        self._atoms: list[re.Pattern[str] | None] = []
        self._next: list[list[int]] = []
        start, end = self._alternatives()
        if self._place != len(self._source):
            raise self._refusal()
        self._end = end
        self._start = self._closed({start})

    def matches(self, text: str) -> bool:
        """Tell whether the whole text matches."""
        states = self._start
        for character in text:
            reached = {
                self._next[state][0]
                for state in states
                if (atom := self._atoms[state]) is not None and atom.fullmatch(character)
            }
            if not reached:
                return False
            states = self._closed(reached)
        return self._end in states

    def _closed(self, states: set[int]) -> set[int]:
        closed, waiting = set(states), list(states)
        while waiting:
            state = waiting.pop()
            if self._atoms[state] is None:
                waiting.extend(found for found in self._next[state] if found not in closed)
                closed.update(self._next[state])
        return closed

    def _state(self, *following: int, atom: re.Pattern[str] | None = None) -> int:
        if len(self._atoms) >= MAX_STATES:
            raise TooCostly(f"The regex {self._source!r} repeats too much: write smaller bounds.")
        self._atoms.append(atom)
        self._next.append(list(following))
        return len(self._atoms) - 1

    def _alternatives(self) -> tuple[int, int]:
        """Read `a|b`; return the first and the last state of what was read."""
        branches = [self._sequence()]
        while self._source.startswith("|", self._place):
            self._place += 1
            branches.append(self._sequence())
        if len(branches) == 1:
            return branches[0]
        end = self._state()
        for _, last in branches:
            self._next[last].append(end)
        return self._state(*(first for first, _ in branches)), end

    def _sequence(self) -> tuple[int, int]:
        first = last = self._state()
        while self._place < len(self._source) and self._source[self._place] not in "|)":
            begin, end = self._repeated()
            self._next[last].append(begin)
            last = end
        return first, last

    def _repeated(self) -> tuple[int, int]:
        start = self._place
        begin, end = self._piece()
        after = self._place
        found = _REPEAT.match(self._source, after)
        if found is None:
            return begin, end
        low, high = _BOUNDS[found[1]] if found[1] else _counts(found)
        if high != -1 and low > high:
            raise self._refusal()

        pieces = [(begin, end)]

        def copy() -> tuple[int, int]:
            if pieces:
                return pieces.pop()
            self._place = start
            return self._piece()

        whole = self._copies(low, high, copy)
        self._place = found.end()
        return whole

    def _copies(self, low: int, high: int, copy: Callable[[], tuple[int, int]]) -> tuple[int, int]:
        first = last = self._state()
        for _ in range(low):
            begin, end = copy()
            self._next[last].append(begin)
            last = end
        finish = self._state()
        for _ in range(1 if high == -1 else high - low):
            begin, end = copy()
            self._next[last].extend((begin, finish))
            if high == -1:
                self._next[end].append(last)
            last = end
        self._next[last].append(finish)
        return first, finish

    def _piece(self) -> tuple[int, int]:
        if self._source.startswith("(", self._place):
            self._place += 3 if self._source.startswith("(?:", self._place) else 1
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise TooCostly(f"The regex {self._source!r} nests more than {MAX_DEPTH} groups: write fewer.")
            inside = self._alternatives()
            self._depth -= 1
            if not self._source.startswith(")", self._place):
                raise self._refusal()
            self._place += 1
            return inside
        found = _ATOM.match(self._source, self._place)
        if found is None:
            raise self._refusal()
        try:
            atom = re.compile(found[0], re.DOTALL)
        except re.error:
            raise self._refusal() from None
        self._place = found.end()
        end = self._state()
        return self._state(end, atom=atom), end

    def _refusal(self) -> Unprocessable:
        return Unprocessable(f"The regex {self._source!r} is not understood at character {self._place + 1}.")


def _counts(found: re.Match[str]) -> tuple[int, int]:
    low = int(found[2])
    if found[3] is None:
        return low, low
    return low, int(found[4]) if found[4] else -1


@lru_cache(maxsize=64)
def regex(pattern: str) -> Regex:
    """Return the compiled pattern."""
    return Regex(pattern)
