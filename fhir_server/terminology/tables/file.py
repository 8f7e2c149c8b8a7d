"""One code system in one file, read where it lies; `write` makes such files.

Choice: half a million concepts are no JSON document, neither in a store nor in memory. The file holds the codes in
order, so that one is found by halving; a row for each; above and below as numbers; and all texts without case and
accents, in which words are found at the speed of memory. Processes share its pages.

Layout: MAGIC, the header's length (4 bytes), the header as JSON with the place of each section, the sections.
Numbers are unsigned, of 32 bits, of this machine's order.
"""

import mmap
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.code_system import Concept, Designation

MAGIC: Final = b"FHIRTAB1"
SUFFIX: Final = ".table"
ALIGNMENT: Final = 8
_NUMBERS: Final = ("code_ends", "row_ends", "parent_ends", "parents", "child_ends", "children", "text_ends")

Row = tuple[str, str, list[tuple[str, str, Any]], list[tuple[str, str, dict[str, Any] | None]]]
"""Display, definition, properties (code, value element, value), designations (value, language, use)."""


class UnreadableTable(Unprocessable):
    """The file is no table of a code system, or was cut short."""


class Header(msgspec.Struct, frozen=True):
    """Hold what CodeSystem says of itself as `system`, and name -> (start, length) of the sections."""

    system: dict[str, Any]
    sections: dict[str, tuple[int, int]]


class Table:
    """Read one file; raises UnreadableTable when it is none."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            self._view = memoryview(self._map)
            start = len(MAGIC) + 4
            size = int.from_bytes(self._view[len(MAGIC) : start], "little")
            if bytes(self._view[: len(MAGIC)]) != MAGIC:
                raise ValueError
            header = msgspec.json.decode(self._view[start : start + size], type=Header)
            if any(low + size > len(self._view) for low, size in header.sections.values()):
                raise ValueError
            self._sections = {name: self._view[low : low + size] for name, (low, size) in header.sections.items()}
            numbers = {name: self._sections[name].cast("I") for name in _NUMBERS}
            self._codes, self._rows, self._texts = (self._sections[name] for name in ("codes", "rows", "texts"))
        except (OSError, ValueError, KeyError, TypeError, msgspec.DecodeError):
            raise UnreadableTable(f"{path.name} is no table of a code system: import it again.") from None
        self.system = header.system
        self._first_text, size = header.sections["texts"]
        self._last_text = self._first_text + size
        self._numbers = numbers
        self._decode = msgspec.msgpack.Decoder(Row).decode

    def __len__(self) -> int:
        return len(self._numbers["code_ends"])

    def _bounds(self, name: str, place: int) -> tuple[int, int]:
        ends = self._numbers[name]
        return (ends[place - 1] if place else 0), ends[place]

    def code(self, place: int) -> str:
        """Return the code at a place from 0, in the order of bytes."""
        low, high = self._bounds("code_ends", place)
        return str(self._codes[low:high], "utf-8")

    def place(self, code: str) -> int | None:
        """Return the place of a code, None when it is not here."""
        sought = code.encode()
        low, high = 0, len(self)
        while low < high:
            middle = (low + high) // 2
            first, last = self._bounds("code_ends", middle)
            if bytes(self._codes[first:last]) < sought:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.code(low) == code else None

    def parents(self, place: int) -> Sequence[int]:
        """Return the places right above one."""
        low, high = self._bounds("parent_ends", place)
        return self._numbers["parents"][low:high]

    def children(self, place: int) -> Sequence[int]:
        """Return the places right below one."""
        low, high = self._bounds("child_ends", place)
        return self._numbers["children"][low:high]

    def concept(self, place: int) -> Concept:
        """Return the concept at a place."""
        low, high = self._bounds("row_ends", place)
        display, definition, properties, designations = self._decode(self._rows[low:high])
        return Concept(
            self.code(place),
            display,
            definition,
            tuple(map(self.code, self.parents(place))),
            tuple(properties),
            tuple(Designation(value, language, use) for value, language, use in designations),
        )

    def search(self, words: Sequence[bytes]) -> Iterator[int]:
        """Yield the places whose code or texts hold every word, without case and accents; `words` has at least one."""
        rarest, ends, first = max(words, key=len), self._numbers["text_ends"], self._first_text
        found = self._map.find(rarest, first, self._last_text)
        while found >= 0:
            place = bisect_right(ends, found - first)
            low, high = self._bounds("text_ends", place)
            row = bytes(self._texts[low:high])
            if all(word in row for word in words):
                yield place
            found = self._map.find(rarest, first + high, self._last_text)
