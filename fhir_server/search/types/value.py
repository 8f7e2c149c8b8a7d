"""Values as a client writes them: escapes, prefixes, and the refusal of what cannot be understood.

Spec: search.html#escaping, search.html#prefix
"""

import re
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import IndexRow
from fhir_server.search.types.terminology import SPECIFIED_CODES, Terminology

PREFIXES: Final = ("eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap")

Emit = Callable[[IndexRow], None]

_PREFIXED: Final = re.compile(rf"({'|'.join(PREFIXES)})?(.*)", re.DOTALL)
_ESCAPED: Final = re.compile(r"\\([\\|$,])")
_SPLITTERS: Final = {mark: re.compile(rf"((?:[^\\{mark}]|\\.|\\$)*)({re.escape(mark)}|$)", re.DOTALL) for mark in "|$,"}


class Leaf(NamedTuple):
    """How one FHIR data type gives rows: `write(emit, parameter + suffix, element, value)`.

    It is not called for a value that lacks the property that it `needs`.
    """

    suffix: str
    write: Callable[[Emit, str, int, Any], None]
    needs: str = ""


class Use(msgspec.Struct, frozen=True):
    """One use of a parameter, as its search type needs it: what is known beside the value itself."""

    parameter: str
    """The parameter that rows carry."""
    modifier: str = ""
    targets: tuple[str, ...] = ()
    base_urls: tuple[str, ...] = ()
    """Addresses of this server, without a final slash: absolute references below them are its own."""
    now: int = 0
    """Microseconds since 1970 UTC: the prefix `ap` of dates depends on it."""
    terminology: Terminology = SPECIFIED_CODES

    def refusal(self, value: str, right: str) -> BadRequest:
        """Return the error that names the parameter, the value, and what would be right."""
        name = f"{self.parameter}:{self.modifier}" if self.modifier else self.parameter
        return BadRequest(f"Search parameter {name}: {value!r} is not understood; {right}.", name)


def split(text: str, mark: str) -> list[str]:
    """Split at the marks (one of `,` `|` `$`) that no backslash escapes; the parts keep their escapes."""
    parts: list[str] = []
    position = 0
    while True:
        found = _SPLITTERS[mark].match(text, position)
        if found is None:
            return [*parts, text[position:]]
        parts.append(found[1])
        position = found.end()
        if not found[2]:
            return parts


def unescape(text: str) -> str:
    r"""Return the text that `\,` `\|` `\$` `\\` stand for."""
    return _ESCAPED.sub(r"\1", text) if "\\" in text else text


def prefixed(value: str) -> tuple[str, str]:
    """Return the prefix (`eq` when there is none) and the rest."""
    found = _PREFIXED.match(value)
    return (found[1] or "eq", found[2]) if found else ("eq", value)
