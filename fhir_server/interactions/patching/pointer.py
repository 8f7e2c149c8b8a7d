"""Pointer: JSON Pointers, `/name/0/given/-`.

Spec: RFC 6901
"""

import re
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.patching.change import Inapplicable

DEEPEST: Final = 64
END: Final = ("-",)
"""The place behind the last item."""
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)
_ESCAPE: Final = re.compile(r"~(?![01])")

Pointer = tuple[str, ...]


def read_pointer(text: Any, place: str) -> Pointer:
    """Return the tokens of a pointer, () for the whole document. Raises BadRequest, which names the place."""
    if not isinstance(text, str) or (text and text[0] != "/"):
        raise BadRequest(f'{place} is a JSON Pointer, "" or a text that starts with "/".', place)
    if _ESCAPE.search(text):
        raise BadRequest(f'{place}: in a JSON Pointer "~" is written ~0, and "/" ~1.', place)
    tokens = tuple(token.replace("~1", "/").replace("~0", "~") for token in text.split("/")[1:])
    if len(tokens) > DEEPEST:
        raise BadRequest(f"{place} has more than {DEEPEST} steps.", place)
    return tokens


def show(pointer: Pointer) -> str:
    """Return a pointer as text."""
    return "".join(f"/{token.replace('~', '~0').replace('/', '~1')}" for token in pointer)[:200]


def find(document: Any, pointer: Pointer) -> Any:
    """Return what is at the pointer. Raises Inapplicable."""
    for depth, token in enumerate(pointer):
        document = child(document, token, pointer[: depth + 1])
    return document


def child(parent: Any, token: str, pointer: Pointer) -> Any:
    """Return one member or item of a parent, which must be there. `pointer` is for the refusal."""
    if isinstance(parent, dict) and token in parent:
        return parent[token]
    if isinstance(parent, list):
        return parent[index_of(parent, token, pointer)]
    raise Inapplicable(f"The resource has nothing at {show(pointer)}.")


def index_of(items: list[Any], token: str, pointer: Pointer, is_new: bool = False) -> int:
    """Return the index that a token names; `is_new` allows the place behind the last item too, also as `-`."""
    if is_new and token in END:
        return len(items)
    if _INDEX.fullmatch(token):
        index = int(token)
        if index < len(items) + is_new:
            return index
    raise Inapplicable(f"{show(pointer)} is no place of a list of {len(items)}.")
