"""Full text: `_text`, the words of the narrative, and `_content`, those of the whole resource.

Choice: words are compared whole, without case and accents, in any order; `w*` stands for those that start with w;
what AND, OR and parentheses join is read as the specification's example is, AND before OR; words side by side must
all be there. No related words are looked for, and there is no score.
Spec: search.html#content
"""

import re
from typing import Final

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.search.condition import Compare, Condition, all_of, any_of
from fhir_server.search.index_row import TEXT
from fhir_server.search.query import Clause
from fhir_server.search.special.asking import Asking
from fhir_server.search.types.string import fold
from fhir_server.search.types.value import unescape

MAXIMUM_WORDS: Final = 50
MAXIMUM_DEPTH: Final = 10
_PIECE: Final = re.compile(r"[()]|[^\s()]+")


def in_text(asking: Asking, resource_type: str, clause: Clause) -> Condition:
    """Return that the text has the words of one of the values."""
    return any_of(*(_Reader(clause.parameter, unescape(value)).condition() for value in clause.values))


class _Reader:
    def __init__(self, parameter: str, text: str) -> None:
        self.parameter = parameter
        self.pieces = _PIECE.findall(text)
        self.place = 0
        self.text = text
        if len(self.pieces) > MAXIMUM_WORDS:
            raise TooCostly(f"{parameter}: give at most {MAXIMUM_WORDS} words.", parameter)

    def condition(self) -> Condition:
        found = self.either(0)
        if self.place < len(self.pieces):
            raise self.refusal()
        return found

    def either(self, depth: int) -> Condition:
        if depth > MAXIMUM_DEPTH:
            raise self.refusal()
        parts = [self.both(depth)]
        while self.accept("or"):
            parts.append(self.both(depth))
        return any_of(*parts)

    def both(self, depth: int) -> Condition:
        words: list[str] = []
        parts: list[Condition] = []
        while self.place < len(self.pieces) and self.pieces[self.place] != ")" and not self.is_next("or"):
            if self.accept("("):
                parts.append(self.either(depth + 1))
                if not self.accept(")"):
                    raise self.refusal()
            else:
                words += self.words()
            if self.accept("and") and (self.place == len(self.pieces) or self.pieces[self.place] == ")"):
                raise self.refusal()
        if words:
            parts.append(Compare(TEXT, self.parameter, (("words", "words", tuple(words)),)))
        if not parts:
            raise self.refusal()
        return all_of(*parts)

    def words(self) -> list[str]:
        piece = self.pieces[self.place]
        self.place += 1
        found = fold(piece).split()
        if not found or piece.lower() == "and":
            raise self.refusal()
        return [*found[:-1], found[-1] + "*"] if piece.endswith("*") else found

    def is_next(self, word: str) -> bool:
        return self.place < len(self.pieces) and self.pieces[self.place].lower() == word

    def accept(self, word: str) -> bool:
        if not self.is_next(word):
            return False
        self.place += 1
        return True

    def refusal(self) -> BadRequest:
        return BadRequest(
            f"{self.parameter}: {self.text[:80]!r} is not understood; write words of letters and digits, as "
            "metastas* (bone OR liver).",
            self.parameter,
        )
