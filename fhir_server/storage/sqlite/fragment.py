"""Fragment: a text of a statement that was printed before, with room for the numbers of its arguments."""

import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

_MARK: Final = re.compile(r"\?(\d+)", re.ASCII)


class Fragment(msgspec.Struct, frozen=True):
    """A text in pieces; after each but the last comes the mark of the argument at the position told."""

    pieces: tuple[str, ...]
    positions: tuple[int, ...]
    arguments: tuple[Any, ...]

    def text(self, marks: Sequence[str]) -> str:
        """Return the text with a mark for each of its arguments."""
        begun = (f"{piece}{marks[position]}" for piece, position in zip(self.pieces, self.positions, strict=False))
        return "".join((*begun, self.pieces[-1]))


def fragment_of(text: str, arguments: Sequence[Any]) -> Fragment:
    """Return the fragment of a text whose marks are `?1`, `?2` ..., one for each argument; equal ones become one."""
    pieces = _MARK.split(text)
    # 1, 1.0 and True are equal, and not the same argument.
    keys = [(type(argument), argument) for argument in arguments]
    places = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    positions = tuple(places[keys[int(mark) - 1]] for mark in pieces[1::2])
    return Fragment(tuple(pieces[::2]), positions, tuple(argument for _, argument in places))
