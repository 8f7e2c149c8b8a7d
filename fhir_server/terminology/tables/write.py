"""Writing a table: what a loader tells of codes, in any order, becomes rows in the order of codes.

Nothing but the codes themselves and one part of the rows is in memory at a time: what is told is sorted into parts in
files first.
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Final, Protocol

import msgspec

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.expansion import folded
from fhir_server.terminology.tables.file import ALIGNMENT, MAGIC, Header

PART: Final = 8_192
"""Concepts whose rows are in memory at a time."""
MAX_CONCEPTS: Final = 5_000_000
Fact = tuple[str, str, Any]
"""A code, what is told of it (`display`, `definition`, `parent`, `property` or `designation`), and the value.

A property is (code, value element, value), a designation (value, language, use); a `parent` that is no code of the
system is left out.
"""
Progress = Callable[[str, int], None]
"""Told what is being done, and how many concepts it is done for."""


class Source(Protocol):
    """A code system in the files of its owner."""

    def system(self) -> dict[str, Any]:
        """Return the CodeSystem resource without its concepts."""
        ...

    def codes(self) -> Iterable[str]:
        """Yield each code, repeated or not."""
        ...

    def facts(self) -> Iterable[Fact]:
        """Yield all that is told of the codes."""
        ...


def write_table(path: Path, source: Source, progress: Progress = lambda doing, count: None) -> int:
    """Write the file of a system in one step, and return the number of its concepts; raises Unprocessable (422)."""
    codes = sorted({code.encode() for code in source.codes()})
    if not codes or len(codes) > MAX_CONCEPTS:
        raise Unprocessable(f"The files hold {len(codes)} codes: a table has 1 to {MAX_CONCEPTS}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix="import-") as folder:
        parts = _Parts(Path(folder), codes)
        for fact in source.facts():
            parts.put(fact)
        made = _Sections(Path(folder))
        for first, rows in parts.read():
            made.add(codes[first : first + PART], rows, codes)
            progress("Writing", min(first + PART, len(codes)))
        whole = Path(folder) / "whole"
        made.join(whole, source.system() | {"count": len(codes)})
        whole.replace(path)
    return len(codes)


class _Parts:
    """Facts by parts of the codes, in files."""

    def __init__(self, folder: Path, codes: list[bytes]) -> None:
        self._codes = codes
        count = -(-len(codes) // PART)
        self._files: list[BinaryIO] = [(folder / f"part{part}").open("w+b") for part in range(count)]
        self._encode = msgspec.msgpack.Encoder().encode

    def put(self, fact: Fact) -> None:
        """Keep a fact; one of a code that does not exist is left out."""
        place = _place(self._codes, fact[0])
        if place is None:
            return
        content = self._encode((place, fact[1], fact[2]))
        self._files[place // PART].write(len(content).to_bytes(4, "little") + content)

    def read(self) -> Iterator[tuple[int, dict[int, list[tuple[str, Any]]]]]:
        """Yield the first place of each part, and the facts by place."""
        for part, file in enumerate(self._files):
            rows: dict[int, list[tuple[str, Any]]] = {}
            file.seek(0)
            while size := file.read(4):
                place, kind, value = msgspec.msgpack.decode(file.read(int.from_bytes(size, "little")))
                rows.setdefault(place, []).append((kind, value))
            file.close()
            yield part * PART, rows


class _Sections:
    """The sections, as they grow."""

    def __init__(self, folder: Path) -> None:
        self._content: dict[str, BinaryIO] = {name: (folder / name).open("w+b") for name in ("codes", "rows", "texts")}
        self._numbers: dict[str, array[int]] = {
            name: array("I") for name in ("code_ends", "row_ends", "text_ends", "parent_ends", "parents")
        }
        self._encode = msgspec.msgpack.Encoder().encode

    def add(self, part: list[bytes], rows: Mapping[int, list[tuple[str, Any]]], codes: list[bytes]) -> None:
        """Add the rows of one part, in order."""
        first = bisect_left(codes, part[0])
        for place, code in enumerate(part, first):
            told = rows.get(place, [])
            self._append("codes", "code_ends", code)
            properties = [value for kind, value in told if kind == "property"]
            designations = [value for kind, value in told if kind == "designation"]
            display, definition = _last(told, "display"), _last(told, "definition")
            self._append("rows", "row_ends", self._encode((display, definition, properties, designations)))
            texts = (code.decode(), display, *(value for value, _, _ in designations))
            self._append("texts", "text_ends", folded(" ".join(texts)).replace("\n", " ").encode() + b"\n")
            above = (_place(codes, value) for kind, value in told if kind == "parent")
            self._numbers["parents"].extend(dict.fromkeys(one for one in above if one is not None and one != place))
            self._numbers["parent_ends"].append(len(self._numbers["parents"]))

    def _append(self, name: str, ends: str, content: bytes) -> None:
        self._content[name].write(content)
        self._numbers[ends].append(self._content[name].tell())

    def join(self, path: Path, system: dict[str, Any]) -> None:
        """Write the whole file."""
        self._numbers |= _turned(self._numbers["parent_ends"], self._numbers["parents"])
        sizes = {name: len(numbers) * numbers.itemsize for name, numbers in self._numbers.items()}
        sizes |= {name: file.tell() for name, file in self._content.items()}
        header = b""
        for _ in range(2):  # The places depend on the length of the header, which is padded once it is known.
            start = _aligned(len(MAGIC) + 4 + len(header) + ALIGNMENT * len(sizes))
            sections, end = {}, start
            for name, size in sizes.items():
                sections[name] = (end, size)
                end = _aligned(end + size)
            header = msgspec.json.encode(Header(system, sections))
        with path.open("wb") as file:
            file.write(MAGIC + len(header).to_bytes(4, "little") + header)
            for name, (first, _) in sections.items():
                file.seek(first)
                self._copy(name, file)
            file.truncate(end)

    def _copy(self, name: str, file: BinaryIO) -> None:
        if name in self._numbers:
            self._numbers[name].tofile(file)
            return
        content = self._content[name]
        content.seek(0)
        while block := content.read(1 << 20):
            file.write(block)
        content.close()


def _turned(ends: "array[int]", parents: "array[int]") -> "dict[str, array[int]]":
    """Return who is below whom, from who is above whom."""
    counts = array("I", bytes(4 * len(ends)))
    for parent in parents:
        counts[parent] += 1
    child_ends, total = array("I"), 0
    for count in counts:
        total += count
        child_ends.append(total)
    children = array("I", bytes(4 * len(parents)))
    following = array("I", [0, *child_ends[:-1]]) if child_ends else array("I")
    low = 0
    for place, high in enumerate(ends):
        for parent in parents[low:high]:
            children[following[parent]] = place
            following[parent] += 1
        low = high
    return {"child_ends": child_ends, "children": children}


def _place(codes: list[bytes], code: str) -> int | None:
    sought = code.encode()
    place = bisect_left(codes, sought)
    return place if place < len(codes) and codes[place] == sought else None


def _last(told: list[tuple[str, Any]], kind: str) -> str:
    return next((str(value) for name, value in reversed(told) if name == kind), "")


def _aligned(place: int) -> int:
    return -(-place // ALIGNMENT) * ALIGNMENT
