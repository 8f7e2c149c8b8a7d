"""Strings.

Spec: https://hl7.org/fhirpath/N1/#string-manipulation, https://build.fhir.org/ig/HL7/FHIRPath/#additional-string-functions
"""

import html
import json
import re
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotEncoded
from collections.abc import Callable, Mapping
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.node import system
from fhir_server.fhirpath.operators.singleton import EMPTY, boolean, integer, text, type_name
from fhir_server.fhirpath.regex.engine import Match, Regex, compile_regex
from fhir_server.fhirpath.regex.pattern import BadPattern

_GROUP: Final = re.compile(r"\$(?:(\d+)|\{(\w{1,32})\}|(\$))", re.ASCII)
_JSON: Final = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f", "\b": "\\b"}


def _plain(name: str, apply: Callable[[str], Any], answers: str = "String") -> Function:
    def call(frame: Frame, items: Items) -> Items:
        value = text(items, f"{name}()")
        return EMPTY if value is None else [apply(value)]

    return Function(call, answers=answers)


def _paired(name: str, apply: Callable[[str, str], Any], answers: str) -> Function:
    def call(frame: Frame, items: Items, other: Items) -> Items:
        value, argument = text(items, f"{name}()"), text(other, f"{name}()")
        if value is None or argument is None:
            return EMPTY
        frame.charge(1 + len(value) // 100)
        return [apply(value, argument)]

    return Function(call, "v", 1, answers)


def _substring(frame: Frame, items: Items, start: Items, length: Items | None = None) -> Items:
    value, first = text(items, "substring()"), integer(start, "substring()")
    if value is None or first is None or not 0 <= first < len(value):
        return EMPTY
    count = integer(length, "substring()") if length else None
    return [value[first:] if count is None else value[first : first + max(count, 0)]]


def _replace(frame: Frame, items: Items, pattern: Items, substitution: Items) -> Items:
    value, sought, other = (text(one, "replace()") for one in (items, pattern, substitution))
    if value is None or sought is None or other is None:
        return EMPTY
    frame.charge(1 + (value.count(sought) * len(other) + len(value)) // 100)
    return frame.text(value.replace(sought, other))


def _regex(pattern: str, flags: Items, what: str) -> Regex:
    try:
        return compile_regex(pattern, text(flags, what) or "")
    except BadPattern as error:
        raise EvaluationFailed(f"'{pattern[:60]}' is no regular expression for {what}: {error}.") from None


def _matches(name: str, *, is_full: bool) -> Function:
    def call(frame: Frame, items: Items, pattern: Items, flags: Items = EMPTY) -> Items:
        value, sought = text(items, f"{name}()"), text(pattern, f"{name}()")
        if value is None or sought is None:
            return EMPTY
        found = _regex(sought, flags, f"{name}()")
        if is_full and found.is_multiline:
            return boolean(
                any(found.is_match(line, frame.charge, is_full=True) for line in (value, *value.split("\n")))
            )
        return boolean(found.is_match(value, frame.charge, is_full=is_full))

    return Function(call, "vv", 1, "Boolean")


def _replace_matches(frame: Frame, items: Items, pattern: Items, substitution: Items, flags: Items = EMPTY) -> Items:
    value, sought, other = (text(one, "replaceMatches()") for one in (items, pattern, substitution))
    if value is None or sought is None or other is None:
        return EMPTY
    if not sought:
        return [value]
    parts: list[str] = []
    after = 0
    regex = _regex(sought, flags, "replaceMatches()")
    for match in regex.matches(value, frame.charge):
        start, end = match.marks[0] or 0, match.marks[1] or 0
        parts += (value[after:start], _expand(other, match, value, regex.names))
        frame.text(parts[-1])
        after = end
    return frame.text("".join(parts) + value[after:])


def _expand(substitution: str, match: Match, value: str, names: Mapping[str, int]) -> str:
    """Return the substitution with the groups it names, by number or by name; an unknown one stands for nothing."""

    def group(reference: re.Match[str]) -> str:
        if reference[3]:
            return "$"
        told = reference[1] or reference[2]
        number = 2 * (int(told[:4]) if told.isdecimal() else names.get(told, len(match.marks)))
        if number >= len(match.marks):
            return ""
        return value[slice(*match.marks[number : number + 2])] if match.marks[number] is not None else ""

    return _GROUP.sub(group, substitution)


def _join(frame: Frame, items: Items, separator: Items = EMPTY) -> Items:
    values = [system(item) for item in items]
    texts = [value for value in values if value is not None]
    for value in texts:
        if not isinstance(value, str):
            raise EvaluationFailed(f"join() takes strings and was given {type_name(value)}: use toString().")
    frame.charge(len(items))
    return frame.text((text(separator, "join()") or "").join(texts)) if texts else EMPTY


def _split(frame: Frame, items: Items, separator: Items) -> Items:
    value, between = text(items, "split()"), text(separator, "split()")
    if value is None or between is None:
        return EMPTY
    found = value.split(between) if between else list(value)
    frame.charge(len(found))
    return list(found)


def _to_chars(frame: Frame, items: Items) -> Items:
    value = text(items, "toChars()")
    frame.charge(len(value or ""))
    return list(value or "")


def _hex(value: str) -> str:
    return value.encode().hex()


_ENCODINGS: Final[dict[str, tuple[Callable[[str], str], Callable[[str], bytes]]]] = {
    "base64": (lambda value: b64encode(value.encode()).decode(), lambda value: b64decode(value, validate=True)),
    "urlbase64": (
        lambda value: urlsafe_b64encode(value.encode()).decode(),
        lambda value: urlsafe_b64decode(value.encode()),
    ),
    "hex": (_hex, bytes.fromhex),
}


def _unescape_json(value: str) -> str:
    try:
        return str(json.loads(f'"{value}"', strict=False))
    except ValueError:
        return value


_ESCAPES: Final[dict[str, tuple[Callable[[str], str], Callable[[str], str]]]] = {
    "html": (lambda value: html.escape(value).replace("&#x27;", "&#39;"), html.unescape),
    "json": (lambda value: "".join(_JSON.get(char, char) for char in value), _unescape_json),
}


def _decoded(decode: Callable[[str], bytes], value: str) -> Items:
    try:
        return [decode(value).decode()]
    except (NotEncoded, ValueError):
        return EMPTY


def _coder(name: str, direction: int, known: dict[str, tuple[Callable[[str], Any], Callable[[str], Any]]]) -> Function:
    def call(frame: Frame, items: Items, argument: Items) -> Items:
        value, kind = text(items, f"{name}()"), text(argument, f"{name}()")
        if value is None or kind is None:
            return EMPTY
        if kind not in known:
            raise EvaluationFailed(f"{name}() knows {', '.join(known)}, not '{kind[:40]}'.")
        if name == "decode":
            return _decoded(known[kind][1], value)
        return frame.text(known[kind][direction](value))

    return Function(call, "v", 1, "String")


def _length(frame: Frame, items: Items) -> Items:
    value = text(items, "length()")
    return EMPTY if value is None else [len(value)]


def _contains(value: str, other: str) -> bool:
    return other in value


STRINGS: Final = {
    "indexOf": _paired("indexOf", str.find, "Integer"),
    "lastIndexOf": _paired("lastIndexOf", str.rfind, "Integer"),
    "substring": Function(_substring, "vv", 1, "String"),
    "startsWith": _paired("startsWith", str.startswith, "Boolean"),
    "endsWith": _paired("endsWith", str.endswith, "Boolean"),
    "contains": _paired("contains", _contains, "Boolean"),
    "upper": _plain("upper", str.upper),
    "lower": _plain("lower", str.lower),
    "trim": _plain("trim", str.strip),
    "replace": Function(_replace, "vv", 2, "String"),
    "matches": _matches("matches", is_full=False),
    "matchesFull": _matches("matchesFull", is_full=True),
    "replaceMatches": Function(_replace_matches, "vvv", 2, "String"),
    "length": Function(_length, answers="Integer"),
    "toChars": Function(_to_chars, answers="String"),
    "split": Function(_split, "v", 1, "String"),
    "join": Function(_join, "v", 0, "String"),
    "encode": _coder("encode", 0, _ENCODINGS),
    "decode": _coder("decode", 1, _ENCODINGS),
    "escape": _coder("escape", 0, _ESCAPES),
    "unescape": _coder("unescape", 1, _ESCAPES),
}
