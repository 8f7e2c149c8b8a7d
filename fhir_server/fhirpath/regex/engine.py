"""Matching in time linear to the text, whatever the pattern: a Thompson automaton, its state sets remembered.

Source: https://swtch.com/~rsc/regexp/regexp1.html, regexp2.html (the method of Thompson and Pike)

No pattern can make it hang, where a backtracking matcher may take exponential time. The price: no look-around and no
back-reference.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final

import msgspec

from fhir_server.fhirpath.regex.pattern import (
    UNBOUNDED,
    Accepts,
    Assertion,
    BadPattern,
    Char,
    Choice,
    Group,
    Part,
    Repeat,
    Sequence,
    is_word,
    parse,
)

MAX_STATES: Final = 5_000
_MAX_REMEMBERED: Final = 20_000  # States of sets that are kept, a pattern.
Charge = Callable[[int], None]
Key = tuple[frozenset[int], str, str, bool]
Place = tuple[str, str]  # The characters before and after; "" at an end of the text.


class State(msgspec.Struct, eq=False):
    """Hold one state: a test of a character, an assertion, a mark of a group, or a fork; first outs are preferred."""

    number: int
    accepts: Accepts | None = None
    assertion: str = ""
    mark: int = -1
    outs: list[int] = []


class Match(msgspec.Struct, frozen=True):
    """Hold where a pattern matched: `marks` are the start and end of the whole and of each group, None if unused."""

    marks: tuple[int | None, ...]


class Regex:
    """Be a compiled pattern."""

    def __init__(self, text: str, *, ignores_case: bool = False, is_multiline: bool = False) -> None:
        part, self.groups, self.names = parse(text, ignores_case=ignores_case)
        self.is_multiline = is_multiline
        self.states: list[State] = []
        end = self._state()
        self.final = end.number
        self.start = self._build(Group(part, 0), end.number)
        self.remembered: dict[Key, tuple[frozenset[int], bool]] = {}
        self.remembered_size = 0

    def _state(self) -> State:
        if len(self.states) >= MAX_STATES:
            raise BadPattern("it is too large: its repetitions multiply")
        state = State(len(self.states), outs=[])
        self.states.append(state)
        return state

    def _build(self, part: Part, then: int) -> int:
        """Add the states of a part that go on to `then`; return the first."""
        match part:
            case Char(accepts=accepts):
                return self._link(then, accepts=accepts)
            case Assertion(kind=kind):
                return self._link(then, assertion=kind)
            case Sequence(parts=parts):
                for one in reversed(parts):
                    then = self._build(one, then)
                return then
            case Choice(parts=parts):
                return self._fork([self._build(one, then) for one in parts])
            case Group(part=inner, number=number):
                return self._link(self._build(inner, self._link(then, mark=2 * number + 1)), mark=2 * number)
            case Repeat():
                return self._repeat(part, then)
        raise BadPattern("a part is not known")

    def _link(self, then: int, accepts: Accepts | None = None, assertion: str = "", mark: int = -1) -> int:
        state = self._state()
        state.accepts, state.assertion, state.mark, state.outs = accepts, assertion, mark, [then]
        return state.number

    def _fork(self, outs: list[int]) -> int:
        state = self._state()
        state.outs = outs
        return state.number

    def _repeat(self, part: Repeat, then: int) -> int:
        if part.most == UNBOUNDED:
            loop = self._state()
            body = self._build(part.part, loop.number)
            loop.outs = [then, body] if part.is_lazy else [body, then]
            then = loop.number
        else:
            leave = then
            for _ in range(part.most - part.least):
                body = self._build(part.part, then)
                then = self._fork([leave, body] if part.is_lazy else [body, leave])
        for _ in range(part.least):
            then = self._build(part.part, then)
        return then

    def _holds(self, kind: str, place: Place) -> bool:
        before, after = place
        match kind:
            case "^":
                return not before or (self.is_multiline and before == "\n")
            case "$":
                return not after or (self.is_multiline and after == "\n")
            case _:
                is_edge = (before != "" and is_word(before)) != (after != "" and is_word(after))
                return is_edge == (kind == "b")

    def _closure(self, first: list[int], place: Place) -> list[int]:
        """Return the states that are reached without a character, in order of preference."""
        found: dict[int, None] = {}
        open_states = first[::-1]
        while open_states:
            number = open_states.pop()
            if number in found:
                continue
            found[number] = None
            state = self.states[number]
            if state.accepts is None and (not state.assertion or self._holds(state.assertion, place)):
                open_states.extend(reversed(state.outs))
        return list(found)

    def is_match(self, text: str, charge: Charge, *, is_full: bool = False) -> bool:
        """Tell whether the pattern matches somewhere in the text, or all of it when `is_full`."""
        states = frozenset({self.start})
        remembered = self.remembered
        before = ""
        for char in text:
            key = (states, self._kind(before), char, is_full)
            found = remembered.get(key)
            if found is None:
                found = self._advance(states, (before, char), charge, is_full=is_full)
                self._remember(key, found)
            states, has_matched = found
            if has_matched:
                return True
            if not states:
                return False
            before = char
        charge(1 + len(text) // 50)
        return self.final in self._closure(list(states), (before, ""))

    @staticmethod
    def _kind(before: str) -> str:
        return before if before in ("", "\n") else "w" if is_word(before) else "-"

    def _remember(self, key: Key, found: tuple[frozenset[int], bool]) -> None:
        self.remembered_size += len(found[0]) + 5
        if self.remembered_size > _MAX_REMEMBERED:
            self.remembered.clear()
            self.remembered_size = 0
        self.remembered[key] = found

    def _advance(
        self, states: frozenset[int], place: Place, charge: Charge, *, is_full: bool
    ) -> tuple[frozenset[int], bool]:
        reached = self._closure(list(states), place)
        charge(len(reached) + 5)
        if not is_full and self.final in reached:
            return frozenset(), True
        following = {out for number in reached for out in self._taken(number, place[1])}
        if not is_full:
            following.add(self.start)
        return frozenset(following), False

    def _taken(self, number: int, char: str) -> list[int]:
        state = self.states[number]
        return state.outs if state.accepts is not None and state.accepts(char) else []

    def search(self, text: str, start: int, charge: Charge) -> Match | None:
        """Return the first match at or after a place, with its groups."""
        width = 2 * (self.groups + 1)
        threads: dict[int, tuple[int | None, ...]] = {}
        best: Match | None = None
        for position in range(start, len(text) + 1):
            place = text[position - 1 : position] if position else "", text[position : position + 1]
            if best is None:
                threads.setdefault(self.start, (None,) * width)
            reached = self._threads(threads, position, place)
            charge(len(reached) + 1)
            threads = {}
            for number, marks in reached.items():
                if number == self.final:
                    best = Match(marks)
                    break
                for out in self._taken(number, place[1]) if place[1] else []:
                    threads.setdefault(out, marks)
            if not threads and best is not None:
                return best
        return best

    def _threads(
        self, first: dict[int, tuple[int | None, ...]], position: int, place: Place
    ) -> dict[int, tuple[int | None, ...]]:
        found: dict[int, tuple[int | None, ...]] = {}
        open_states = list(first.items())[::-1]
        while open_states:
            number, marks = open_states.pop()
            if number in found:
                continue
            found[number] = marks
            state = self.states[number]
            if state.accepts is not None or (state.assertion and not self._holds(state.assertion, place)):
                continue
            if state.mark >= 0:
                marks = (*marks[: state.mark], position, *marks[state.mark + 1 :])
            open_states.extend((out, marks) for out in reversed(state.outs))
        return found

    def matches(self, text: str, charge: Charge) -> Iterator[Match]:
        """Yield the matches that do not overlap, from left to right."""
        position = 0
        while position <= len(text):
            found = self.search(text, position, charge)
            if found is None:
                return
            yield found
            first, last = found.marks[0] or 0, found.marks[1] or 0
            position = last if last > first else last + 1


@lru_cache(maxsize=128)
def compile_regex(text: str, flags: str = "") -> Regex:
    """Compile a pattern; `flags` are of i (ignore case) and m (line anchors); raise BadPattern."""
    if not set(flags) <= {"i", "m"}:
        raise BadPattern(f"'{flags}' are no flags: only i and m are known")
    return Regex(text, ignores_case="i" in flags, is_multiline="m" in flags)
