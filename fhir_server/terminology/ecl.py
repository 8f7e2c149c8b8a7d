"""Expressions over a hierarchy: the plain part of SNOMED CT's Expression Constraint Language.

Spec: https://confluence.ihtsdotools.org/display/DOCECL (1.x: simple and compound expression constraints), snomedct.html

Understood: `< << > >> <! >!` before a code, `|terms|`, `*`, parentheses, AND (or a comma), OR, MINUS. Refinements,
reference sets and filters are refused.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from fhir_server.foundation.operation_outcome import TooCostly, Unprocessable

MAX_LENGTH: Final = 2_000
MAX_NESTING: Final = 20
_TOKEN: Final = re.compile(r"\s*(<<|>>|<!|>!|[<>*(),]|\d{6,18}(?:\s*\|[^|]*\|)?|AND\b|OR\b|MINUS\b)\s*", re.IGNORECASE)
_JOINING: Final = frozenset({"AND", "OR", "MINUS"})
Codes = frozenset[str]


class Hierarchy(Protocol):
    """What an expression asks of a code system."""

    @property
    def concepts(self) -> Mapping[str, Any]:
        """Return the concepts by code, each with its `parents`."""
        ...

    @property
    def children(self) -> Mapping[str, Sequence[str]]:
        """Return the codes right below each code."""
        ...

    def ancestors(self, code: str) -> Codes:
        """Return the codes above a code, without itself."""
        ...

    def descendants(self, code: str) -> Codes:
        """Return the codes below a code, without itself."""
        ...


def select(code_system: Hierarchy, expression: str) -> Codes:
    """Return the codes that an expression selects; raise Unprocessable (422) for one that is not understood."""
    reader = _Reader(code_system, expression)
    found = reader.compound(0)
    if reader.tokens:
        raise reader.refusal()
    return found


class _Reader:
    def __init__(self, code_system: Hierarchy, expression: str) -> None:
        self.code_system = code_system
        self.expression = expression
        self.tokens = self._split()[::-1]

    def _split(self) -> list[str]:
        if len(self.expression) > MAX_LENGTH:
            raise TooCostly(f"An expression of more than {MAX_LENGTH} characters is not evaluated: shorten it.")
        tokens, place = [], 0
        while place < len(self.expression):
            found = _TOKEN.match(self.expression, place)
            if found is None:
                raise self.refusal()
            tokens.append(found[1].partition("|")[0].strip().upper().replace(",", "AND"))
            place = found.end()
        return tokens

    def refusal(self) -> Unprocessable:
        return Unprocessable(f"The expression {self.expression[:200]!r} is not in the part of ECL that is understood.")

    def compound(self, depth: int) -> Codes:
        if depth > MAX_NESTING:
            raise TooCostly(f"The expression nests more than {MAX_NESTING} levels: write fewer.")
        found = self.operand(depth)
        joining = ""
        while self.tokens and self.tokens[-1] in _JOINING:
            following = self.tokens.pop()
            # ECL asks for parentheses where two operators would follow each other.
            if joining and (following != joining or following == "MINUS"):
                raise self.refusal()
            joining = following
            other = self.operand(depth)
            found = found & other if joining == "AND" else found | other if joining == "OR" else found - other
        return found

    def operand(self, depth: int) -> Codes:
        sign = self.tokens.pop() if self.tokens else ""
        if sign == "(":
            found = self.compound(depth + 1)
            if not self.tokens or self.tokens.pop() != ")":
                raise self.refusal()
            return found
        if sign == "*":
            return frozenset(self.code_system.concepts)
        if sign in _AROUND:
            code = self.tokens.pop() if self.tokens else ""
            if not code.isdecimal():
                raise self.refusal()
            return _AROUND[sign](self.code_system, code)
        if not sign.isdecimal():
            raise self.refusal()
        return frozenset({sign}) & self.code_system.concepts.keys()


def _right_below(code_system: Hierarchy, code: str) -> Codes:
    return frozenset(code_system.children.get(code, ()))


def _right_above(code_system: Hierarchy, code: str) -> Codes:
    concept = code_system.concepts.get(code)
    return frozenset(concept.parents if concept else ())


def _and_itself(around: Callable[[Hierarchy, str], Codes]) -> Callable[[Hierarchy, str], Codes]:
    return lambda code_system, code: around(code_system, code) | ({code} & code_system.concepts.keys())


_AROUND: Final[dict[str, Callable[[Hierarchy, str], Codes]]] = {
    "<": lambda code_system, code: code_system.descendants(code),
    "<<": _and_itself(lambda code_system, code: code_system.descendants(code)),
    ">": lambda code_system, code: code_system.ancestors(code),
    ">>": _and_itself(lambda code_system, code: code_system.ancestors(code)),
    "<!": _right_below,
    ">!": _right_above,
}
