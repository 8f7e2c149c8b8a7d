"""Text to tokens: literals are already values, comments and white space are gone.

Spec: https://hl7.org/fhirpath/N1/#lexical-elements
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

import msgspec

from fhir_server.fhirpath.errors import InvalidExpression
from fhir_server.fhirpath.values.long import Long
from fhir_server.fhirpath.values.temporal import Temporal, parse_date, parse_datetime, parse_time

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+|//[^\n\r]*|/\*.*?\*/)
    |(?P<string>'(?:[^'\\]|\\.)*')
    |(?P<delimited>`(?:[^`\\]|\\.)*`)
    |(?P<time>@T\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)
    |(?P<datetime>@\d{4}(?:-\d\d(?:-\d\d)?)?T(?:\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?)?(?:Z|[+-]\d\d:\d\d)?)
    |(?P<date>@\d{4}(?:-\d\d(?:-\d\d)?)?)
    |(?P<long>\d+L\b)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<variable>%(?:[A-Za-z_]\w*|`(?:[^`\\]|\\.)*`|'(?:[^'\\]|\\.)*'))
    |(?P<special>\$(?:this|index|total)\b)
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<symbol><=|>=|!=|!~|[-+*/&|=~<>.,()\[\]{}])""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_CONTROLS: Final = {"f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_UNFINISHED: Final = {
    "'": "a string is not closed: end it with '.",
    "`": "a delimited identifier is not closed: end it with `.",
    "@": "this is no date or time: write @YYYY-MM-DD, @YYYY-MM-DDThh:mm:ss+zz:zz or @Thh:mm:ss.",
    "%": "write the name of a variable after %.",
    "$": "only $this, $index and $total start with $.",
    "/": "a comment is not closed: end it with */.",
}


class Token(msgspec.Struct, frozen=True):
    """Hold one token; `kind` is string, identifier, word, symbol, number, temporal, variable, special or end."""

    kind: str
    text: str
    value: Any
    position: int


def tokens(text: str) -> Iterator[Token]:
    """Yield the tokens and a last one of kind `end`; raise InvalidExpression at what is none."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None or (text.startswith("/*", position) and match.lastgroup != "space"):
            raise InvalidExpression(
                _UNFINISHED.get(text[position], "this character has no meaning here."), text, position
            )
        kind = match.lastgroup or ""
        if kind != "space":
            yield _token(kind, match[0], text, position)
        position = match.end()
    yield Token("end", "", None, len(text))


def _token(kind: str, found: str, text: str, position: int) -> Token:
    match kind:
        case "string":
            return Token(kind, found, unescape(found[1:-1]), position)
        case "delimited":
            return Token("identifier", found, unescape(found[1:-1]), position)
        case "number":
            return Token(kind, found, Decimal(found) if "." in found else int(found[:1000]), position)
        case "long":
            return Token("number", found, Long(found[:1000].rstrip("L")), position)
        case "variable":
            name = found[1:]
            return Token(kind, found, name if name[0] not in "`'" else unescape(name[1:-1]), position)
        case "date" | "datetime" | "time":
            return Token("temporal", found, _temporal(kind, found, text, position), position)
        case _:
            return Token(kind, found, found.lstrip("$"), position)


def _temporal(kind: str, found: str, text: str, position: int) -> Temporal:
    parse = {"date": parse_date, "datetime": parse_datetime, "time": parse_time}[kind]
    value = parse(found[1:].removeprefix("T") if kind == "time" else found[1:])
    if value is None:
        raise InvalidExpression(f"'{found}' is no day or hour of the calendar.", text, position)
    return value


def unescape(text: str) -> str:
    r"""Resolve `\n`, `\u0041` and the like.

    Choice: a backslash before any other character stands for that character, as the grammar names none but leaves
    the rest open.
    """

    def resolve(match: re.Match[str]) -> str:
        return chr(int(match[1], 16)) if match[1] else _CONTROLS.get(match[2], match[2])

    return _ESCAPE.sub(resolve, text) if "\\" in text else text
