"""The text of a regular expression to a tree.

Spec: https://hl7.org/fhirpath/N1/#matchesregex--string--boolean (PCRE's common part: no look-around, no back-reference)
"""

import re
import sys
import unicodedata
from collections.abc import Callable
from typing import Final

import msgspec

MAX_LENGTH: Final = 2_000
MAX_REPEAT: Final = 1_000
MAX_NESTING: Final = 40
UNBOUNDED: Final = sys.maxsize

Accepts = Callable[[str], bool]


class BadPattern(ValueError):
    """The text is no regular expression that is understood."""


class Part(msgspec.Struct, frozen=True):
    """Be one part of a pattern."""


class Char(Part, frozen=True):
    """Match one character that `accepts` says yes to."""

    accepts: Accepts


class Assertion(Part, frozen=True):
    """Match a place: `kind` is ^ $ b or B."""

    kind: str


class Sequence(Part, frozen=True):
    """Match all parts one after the other."""

    parts: tuple[Part, ...]


class Choice(Part, frozen=True):
    """Match the first part that leads to a match."""

    parts: tuple[Part, ...]


class Repeat(Part, frozen=True):
    """Match a part again and again."""

    part: Part
    least: int
    most: int
    is_lazy: bool


class Group(Part, frozen=True):
    """Remember what a part matched, by its number from 1."""

    part: Part
    number: int


def _is_digit(char: str) -> bool:
    return "0" <= char <= "9"


def is_word(char: str) -> bool:
    """Tell whether a character is of a word, as `\\w` and `\\b` see it."""
    return char == "_" or (char.isascii() and char.isalnum())


def _is_space(char: str) -> bool:
    return char in " \t\n\r\f\v" or (not char.isascii() and char.isspace())


def _not(accepts: Accepts) -> Accepts:
    return lambda char: not accepts(char)


def _any(_: str) -> bool:
    return True


_CLASSES: Final[dict[str, Accepts]] = {
    "d": _is_digit,
    "D": _not(_is_digit),
    "w": is_word,
    "W": _not(is_word),
    "s": _is_space,
    "S": _not(_is_space),
}
_CONTROLS: Final = {"n": "\n", "r": "\r", "t": "\t", "f": "\f", "v": "\v", "a": "\a", "e": "\x1b", "0": "\0"}
_GROUP_NAME: Final = re.compile(r"P?<([A-Za-z_]\w{0,31})>", re.ASCII)
_QUANTIFIERS: Final = {"*": (0, UNBOUNDED), "+": (1, UNBOUNDED), "?": (0, 1)}


def _same(char: str, *, ignores_case: bool) -> Accepts:
    if ignores_case and char.lower() != char.upper():
        lower = char.lower()
        return lambda other: other.lower() == lower
    return lambda other: other == char


def _category(name: str) -> Accepts:
    return lambda char: unicodedata.category(char).startswith(name)


def parse(text: str, *, ignores_case: bool = False) -> tuple[Part, int, dict[str, int]]:
    """Return the tree of a pattern, the number of its groups, the numbers of those with a name; raise BadPattern."""
    if len(text) > MAX_LENGTH:
        raise BadPattern(f"a pattern has at most {MAX_LENGTH} characters")
    parser = _Parser(text, ignores_case=ignores_case)
    part = parser.choice(0)
    if parser.place < len(text):
        raise BadPattern("a ) is too many")
    return part, parser.groups, parser.names


class _Parser:
    def __init__(self, text: str, *, ignores_case: bool) -> None:
        self.text = text
        self.ignores_case = ignores_case
        self.place = 0
        self.groups = 0
        self.names: dict[str, int] = {}

    def peek(self) -> str:
        return self.text[self.place : self.place + 1]

    def take(self) -> str:
        char = self.peek()
        if not char:
            raise BadPattern("it ends too early")
        self.place += 1
        return char

    def accept(self, text: str) -> bool:
        if self.text.startswith(text, self.place):
            self.place += len(text)
            return True
        return False

    def choice(self, depth: int) -> Part:
        if depth > MAX_NESTING:
            raise BadPattern(f"groups nest more than {MAX_NESTING} levels")
        parts = [self.sequence(depth)]
        while self.accept("|"):
            parts.append(self.sequence(depth))
        return parts[0] if len(parts) == 1 else Choice(tuple(parts))

    def sequence(self, depth: int) -> Part:
        parts: list[Part] = []
        while self.peek() not in ("", "|", ")"):
            parts.append(self.repeated(self.atom(depth)))
        return parts[0] if len(parts) == 1 else Sequence(tuple(parts))

    def repeated(self, part: Part) -> Part:
        while self.peek() in ("*", "+", "?", "{"):
            bounds = self.bounds()
            if bounds is None:
                break
            if self.accept("+"):
                raise BadPattern("possessive quantifiers are not known")
            part = Repeat(part, *bounds, is_lazy=self.accept("?"))
        return part

    def bounds(self) -> tuple[int, int] | None:
        if self.peek() in _QUANTIFIERS:
            return _QUANTIFIERS[self.take()]
        inside, closed, _ = self.text[self.place + 1 :].partition("}")
        least, comma, most = inside.partition(",")
        if not closed or not least.isdecimal() or (most and not most.isdecimal()):
            return None
        self.place += len(inside) + 2
        found = int(least[:6]), int(most[:6]) if most else UNBOUNDED if comma else int(least[:6])
        if found[0] > MAX_REPEAT or (found[1] != UNBOUNDED and not found[0] <= found[1] <= MAX_REPEAT):
            raise BadPattern(f"a quantifier counts up to {MAX_REPEAT}, the smaller number first")
        return found

    def atom(self, depth: int) -> Part:
        char = self.take()
        match char:
            case "(":
                return self.group(depth)
            case "[":
                return Char(self.char_class())
            case ".":
                return Char(_any)  # Single-line mode: the point stands for line breaks too.
            case "^" | "$":
                return Assertion(char)
            case "\\" if self.peek() in ("b", "B"):
                return Assertion(self.take())
            case "\\":
                return Char(self.escaped())
            case "*" | "+" | "?":
                raise BadPattern(f"nothing stands before {char}")
            case _:
                return Char(_same(char, ignores_case=self.ignores_case))

    def group(self, depth: int) -> Part:
        number = 0
        if self.accept("?:"):
            pass
        else:
            self.groups += 1
            number = self.groups
            if self.accept("?"):
                self.names[self.group_name()] = number
        part = self.choice(depth + 1)
        if not self.accept(")"):
            raise BadPattern("a ) is missing")
        return Group(part, number) if number else part

    def group_name(self) -> str:
        """The name behind `(?`, such as `<month>`."""
        found = _GROUP_NAME.match(self.text, self.place)
        if found is None:
            raise BadPattern("look-around is not known: use ( ), (?: ) or (?<name> )")
        if found[1] in self.names:
            raise BadPattern(f"two groups have the name {found[1]}")
        self.place = found.end()
        return found[1]

    def escaped(self) -> Accepts:
        char = self.take()
        if char in _CLASSES:
            return _CLASSES[char]
        if char in "pP":
            name = self.take()
            if name == "{":
                name, _, _ = self.text[self.place :].partition("}")
                self.place += len(name) + 1
            accepts = _category(name)
            return accepts if char == "p" else _not(accepts)
        return _same(self.literal(char), ignores_case=self.ignores_case)

    def literal(self, char: str) -> str:
        """The character that an escape stands for."""
        if char in "xu":
            digits = self.text[self.place : self.place + (2 if char == "x" else 4)]
            self.place += len(digits)
            try:
                return chr(int(digits, 16))
            except ValueError:
                raise BadPattern(f"\\{char} takes hexadecimal digits") from None
        if char in "123456789" or (char.isalpha() and char not in _CONTROLS):
            raise BadPattern(f"\\{char} is not known")
        return _CONTROLS.get(char, char)

    def char_class(self) -> Accepts:
        is_negated = self.accept("^")
        tests: list[Accepts] = []
        is_first = True
        while is_first or self.peek() != "]":
            is_first = False
            tests.append(self.class_member())
        self.take()

        def accepts(char: str) -> bool:
            return any(test(char) for test in tests) != is_negated

        return accepts

    def class_member(self) -> Accepts:
        low = self.class_char()
        if callable(low):
            return low
        if self.peek() == "-" and self.text[self.place + 1 : self.place + 2] not in ("]", ""):
            self.take()
            high = self.class_char()
            if callable(high) or high < low:
                raise BadPattern("a range goes from a lower to a higher character")
            return self.range(low, high)
        return _same(low, ignores_case=self.ignores_case)

    def range(self, low: str, high: str) -> Accepts:
        if self.ignores_case:
            return lambda char: low <= char <= high or low <= char.lower() <= high or low <= char.upper() <= high
        return lambda char: low <= char <= high

    def class_char(self) -> str | Accepts:
        char = self.take()
        if char != "\\":
            return char
        if self.peek() in _CLASSES or self.peek() in ("p", "P"):
            return self.escaped()
        return "\b" if self.accept("b") else self.literal(self.take())
