"""FHIR JSON: bytes to a dict with exact decimals, and back.

Spec: json.html, datatypes.html#decimal; RFC 8259
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec

from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import Unparsable

BOM: Final = b"\xef\xbb\xbf"
MAX_DEPTH: Final = 64

_decoder: Final = msgspec.json.Decoder(float_hook=Decimal)
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encoder: Final = msgspec.json.Encoder(decimal_format="number")
_BYTE: Final = re.compile(r" \(byte (\d+)\)$")
_LONE_SURROGATE: Final = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|[c-fC-F][0-9a-fA-F]{2})",
)


def parse(content: bytes, *, max_depth: int = MAX_DEPTH) -> dict[str, Any]:
    """Parse a JSON object whose decimals keep every digit; raise Unparsable (400) with the place of what is wrong.

    Beyond RFC 8259, refuses duplicate keys, more than `max_depth` levels, lone surrogates and integers of thousands
    of digits. Choice: a byte order mark is refused, as RFC 8259 section 8.1 forbids to send one and the bytes are
    stored as they came.
    """
    try:
        resource = _decoder.decode(content)
    except RecursionError:
        raise _too_deep(max_depth) from None
    except ValueError as error:
        raise _unparsable(content, error) from None
    if resource.__class__ is not dict:
        raise Unparsable("The body is no JSON object: a resource is one, with a resourceType.")
    # One space a level: a line that starts with more is deeper. No raw line break can stand within a string.
    if b"\n" + b" " * (max_depth + 1) in msgspec.json.format(content, indent=1):
        raise _too_deep(max_depth)
    _refuse_duplicates(content, resource)
    return resource


def format(resource: Mapping[str, Any]) -> bytes:  # noqa: A001 - read as fhir_json.format
    """Write a resource as compact JSON; Decimals become numbers with all their digits."""
    return _encoder.encode(resource)


def pretty(content: bytes) -> bytes:
    """Indent JSON text; number literals and escapes stay as they are."""
    return msgspec.json.format(content, indent=2)


def seal(
    content: bytes, resource_id: str, version_id: int, last_updated: datetime, meta: Mapping[str, Any] | None = None
) -> bytes:
    """Write the server's id, meta.versionId and meta.lastUpdated into a resource; keep all else as the client wrote it.

    `content` is what `parse` accepted. `meta` holds further members of meta to set. resourceType, id and meta come
    first. Choice: the white space that
    surrounds line breaks goes, so that what is stored is one line, as ndjson needs; literals are never rewritten.
    """
    if b"\n" in content or b"\r" in content:
        content = msgspec.json.format(content, indent=-1)
    members: dict[str, Any] = _members.decode(content)
    sealed: dict[str, Any] = {"resourceType": members.pop("resourceType"), "id": resource_id}
    members.pop("id", None)
    sealed["meta"] = _meta(members.pop("meta", None), version_id, last_updated)
    if meta:
        sealed["meta"] |= meta
    return _encoder.encode(sealed | members)


def _meta(sent: msgspec.Raw | None, version_id: int, last_updated: datetime) -> dict[str, Any]:
    sealed: dict[str, Any] = {"versionId": str(version_id), "lastUpdated": format_instant(last_updated)}
    if sent is None:
        return sealed
    try:
        members = _members.decode(sent)
    except msgspec.ValidationError:
        raise Unparsable("meta must be an object.", "meta") from None
    for name in ("versionId", "_versionId", "lastUpdated", "_lastUpdated"):
        members.pop(name, None)
    return sealed | members


def _too_deep(max_depth: int) -> Unparsable:
    return Unparsable(f"The body nests more than {max_depth} levels: flatten it.", code="too-costly")


def _unparsable(content: bytes, error: ValueError) -> Unparsable:
    if not content.strip():
        return Unparsable("The body is empty: send a resource.")
    if content.startswith(BOM):
        return Unparsable("The body starts with a byte order mark: send UTF-8 without it.")
    try:
        content.decode()
    except UnicodeDecodeError as invalid:
        return Unparsable(f"The body is not UTF-8 {place(content, invalid.start)}: send UTF-8.")
    surrogate = _LONE_SURROGATE.search(content)
    if surrogate:
        return Unparsable(f"A \\u escape is half a surrogate pair {place(content, surrogate.start())}.")
    message = str(error)
    if isinstance(error, msgspec.ValidationError):
        return Unparsable("An integer has more digits than any number of FHIR: write fewer.")
    byte = _BYTE.search(message)
    where = place(content, int(byte[1]) if byte else len(content))
    problem = _BYTE.sub("", message).removeprefix("JSON is malformed: ")
    return Unparsable(f"The body is no JSON: {problem[0].lower()}{problem[1:]} {where}.")


def place(content: bytes, offset: int) -> str:
    """Say where a byte is: `at line 3, column 7`, both counted from 1, columns in characters."""
    before = content[:offset]
    column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
    line = before.count(b"\n") + 1
    return f"at line {line}, column {column}"


def _refuse_duplicates(content: bytes, resource: dict[str, Any]) -> None:
    """Raise Unparsable when an object names a member twice.

    The decoder keeps the last of two silently, so what is validated would not be what is stored. Text that equals the
    tree written back has none; other text (escapes, exponents) goes through a slower scan.
    """
    written = _encoder.encode(resource)
    if written == content or written == msgspec.json.format(content, indent=-1):
        return
    try:
        json.loads(content, object_pairs_hook=_unique, parse_int=str, parse_float=str)
    except _Duplicated:
        pairs = json.loads(content, object_pairs_hook=_Pairs, parse_int=str, parse_float=str)
        path = _first_duplicate(pairs, "")
        raise Unparsable(f"'{path}' is there twice: keep one.", path) from None


class _Duplicated(Exception):
    pass


class _Pairs(list[tuple[str, Any]]):
    """The members of one object, as they stand."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _Duplicated
    return members


def _first_duplicate(node: Any, path: str) -> str:
    if isinstance(node, _Pairs):
        seen: set[str] = set()
        for name, value in node:
            below = f"{path}.{name}" if path else name
            if name in seen:
                return below
            seen.add(name)
            found = _first_duplicate(value, below)
            if found:
                return found
    elif isinstance(node, list):
        return next(filter(None, (_first_duplicate(item, f"{path}[{i}]") for i, item in enumerate(node))), "")
    return ""
