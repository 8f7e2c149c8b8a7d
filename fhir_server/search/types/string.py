"""String: text that matches whatever its case, accents and punctuation.

Spec: search.html#string
"""

import re
import unicodedata
from functools import lru_cache
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition
from fhir_server.search.index_row import STRING
from fhir_server.search.types.value import Emit, Leaf, Use, unescape

FAMILY: Final = STRING
MODIFIERS: Final = frozenset({"exact", "contains"})

REMEMBERED_LENGTH: Final = 100
"""Names and displays come again and again; long texts do not, and would fill the memory."""

_LIGATURES: Final = str.maketrans({"œ": "oe", "æ": "ae", "ø": "o", "ł": "l", "đ": "d"})
_PUNCTUATION: Final = re.compile(r"[\W_]+")


def fold(text: str) -> str:
    """Return the text in lower case, without accents; punctuation counts as white space, and that as one space.

    Choice: the specification says to ignore punctuation; a hyphen or an apostrophe parts words, so that
    "Jean-Pierre" is found as "jean pierre".
    """
    return _fold_remembered(text) if len(text) <= REMEMBERED_LENGTH else _fold(text)


def _fold(text: str) -> str:
    text = text.casefold()
    if not text.isascii():
        decomposed = unicodedata.normalize("NFKD", text.translate(_LIGATURES))
        text = "".join(character for character in decomposed if not unicodedata.combining(character)).casefold()
    return _PUNCTUATION.sub(" ", text).strip()


_fold_remembered: Final = lru_cache(maxsize=20_000)(_fold)


def text(emit: Emit, parameter: str, element: int, value: str) -> None:
    """Write the row of a plain text."""
    emit((STRING, parameter, element, fold(value), value))


def human_name(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write each part of a name, and the name as a whole."""
    for name in ("text", "family"):
        if name in value:
            part = value[name]
            emit((STRING, parameter, element, fold(part), part))
    for name in ("given", "prefix", "suffix"):
        if name in value:
            for part in value[name]:
                if part:
                    emit((STRING, parameter, element, fold(part), part))
    if "given" in value and "family" in value:
        whole = " ".join([*filter(None, value["given"]), value["family"]])
        emit((STRING, parameter, element, fold(whole), whole))


def address(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write each part of an address."""
    for name in ("text", "district", "city", "state", "postalCode", "country"):
        if name in value:
            part = value[name]
            emit((STRING, parameter, element, fold(part), part))
    for part in value.get("line", ()):
        if part:
            emit((STRING, parameter, element, fold(part), part))


LEAVES: Final = {
    "HumanName": (Leaf("", human_name),),
    "Address": (Leaf("", address),),
    **dict.fromkeys(("string", "markdown", "code", "id", "uri", "url", "canonical"), (Leaf("", text),)),
}


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks: a start by default, the whole text, or some part of it."""
    literal = unescape(value)
    if use.modifier == "exact":
        return Compare(STRING, use.parameter, (("exact", "eq", literal),))
    folded = fold(literal)
    if not folded:
        raise use.refusal(value, "give at least one letter or digit")
    operator = "contains" if use.modifier == "contains" else "prefix"
    return Compare(STRING, use.parameter, (("folded", operator, folded),))
