"""The grammar of `_filter`: text to a tree; errors name the position.

Spec: search_filter.html
"""

import re
from typing import Final, NoReturn

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.search.query import ChainLink

NAME: Final = "_filter"
OPERATORS: Final = (
    "eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re",
)  # fmt: skip
MAXIMUM_LENGTH: Final = 10_000
MAXIMUM_DEPTH: Final = 20
MAXIMUM_COMPARISONS: Final = 100

_SPACE: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"[A-Za-z]+")
_STEP: Final = re.compile(r"(_?[A-Za-z][A-Za-z0-9_\-]*)(?::([A-Z][A-Za-z]*))?")
_TEXT: Final = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"')
_BARE: Final = re.compile(r'[^\s()\[\]"]+')


class Step(msgspec.Struct, frozen=True):
    """One name of a path, with the type after `:` and what is asked between brackets of the resource it leads to."""

    link: ChainLink
    within: "Expression | None" = None


class Comparison(msgspec.Struct, frozen=True):
    """`path operator value`; `position` counts characters from 1."""

    path: tuple[Step, ...]
    operator: str
    value: str
    position: int


class Negation(msgspec.Struct, frozen=True):
    """`not (expression)`."""

    expression: "Expression"


class Joined(msgspec.Struct, frozen=True):
    """Two expressions joined by `and`, or by `or`."""

    first: "Expression"
    second: "Expression"
    is_and: bool


Expression = Comparison | Negation | Joined


def parse_filter(text: str) -> Expression:
    """Return the tree of an expression; raises BadRequest that names the position, TooCostly for one too long."""
    if len(text) > MAXIMUM_LENGTH:
        raise TooCostly(f"{NAME}: give at most {MAXIMUM_LENGTH} characters.", NAME)
    reader = _Reader(text)
    expression = reader.expression(0)
    reader.space()
    if reader.position < len(text):
        reader.fail("expected `and`, `or` or the end")
    return expression


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.comparisons = 0

    def expression(self, depth: int) -> Expression:
        """Read terms from left to right: `and` and `or` have no precedence."""
        if depth > MAXIMUM_DEPTH:
            raise TooCostly(f"{NAME}: parentheses are nested more than {MAXIMUM_DEPTH} deep.", NAME)
        found = self.term(depth)
        while word := self.word(("and", "or")):
            found = Joined(found, self.term(depth), word == "and")
        return found

    def term(self, depth: int) -> Expression:
        if self.accept("("):
            return self.closed(depth, ")")
        start = self.position
        if self.word(("not",)):
            if self.accept("("):
                return Negation(self.closed(depth, ")"))
            self.position = start
        return self.comparison(depth)

    def closed(self, depth: int, mark: str) -> Expression:
        inner = self.expression(depth + 1)
        if not self.accept(mark):
            self.fail(f"expected `{mark}`, `and` or `or`")
        return inner

    def comparison(self, depth: int) -> Comparison:
        self.comparisons += 1
        if self.comparisons > MAXIMUM_COMPARISONS:
            raise TooCostly(f"{NAME}: give at most {MAXIMUM_COMPARISONS} comparisons.", NAME)
        self.space()
        position = self.position + 1
        path = [self.step(depth)]
        while self.text[self.position : self.position + 1] == ".":
            self.position += 1
            path.append(self.step(depth))
        operator = self.word(OPERATORS)
        if not operator:
            self.fail(f"expected an operator: one of {', '.join(OPERATORS)}")
        if path[-1].link.resource_type or path[-1].within is not None:
            self.fail(f"expected a parameter after {path[-1].link.parameter}, as in subject:Patient.name", position - 1)
        return Comparison(tuple(path), operator, self.value(), position)

    def step(self, depth: int) -> Step:
        found = _STEP.match(self.text, self.position)
        if found is None:
            self.fail("expected the name of a search parameter, `not (` or `(`")
        self.position = found.end()
        within = None
        if self.text[self.position : self.position + 1] == "[":
            self.position += 1
            within = self.closed(depth, "]")
        return Step(ChainLink(found[1], found[2] or ""), within)

    def value(self) -> str:
        self.space()
        if self.text[self.position : self.position + 1] == '"':
            return self.quoted()
        found = _BARE.match(self.text, self.position)
        if found is None:
            self.fail("expected a value")
        self.position = found.end()
        return found[0]

    def quoted(self) -> str:
        found = _TEXT.match(self.text, self.position)
        try:
            text: str = msgspec.json.decode(found[0] if found else b"", type=str)
        except (msgspec.DecodeError, UnicodeError):
            self.fail('expected a text in quotes, in which \\" stands for a quote')
        self.position += len(found[0]) if found else 0
        return text

    def word(self, words: tuple[str, ...]) -> str:
        """Read one of these words; return "" and stay when another thing is there."""
        self.space()
        found = _WORD.match(self.text, self.position)
        if found is None or found[0] not in words:
            return ""
        self.position = found.end()
        return found[0]

    def accept(self, mark: str) -> bool:
        self.space()
        if self.text.startswith(mark, self.position):
            self.position += 1
            return True
        return False

    def space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def fail(self, expected: str, position: int | None = None) -> NoReturn:
        self.space()
        place = self.position if position is None else position
        rest = self.text[place : place + 20]
        there = f"there is {rest!r}" if rest else "the text ends"
        raise BadRequest(f"{NAME}: {expected} at character {place + 1}, where {there}.", NAME)
