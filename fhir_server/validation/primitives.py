"""The lexical rules of primitive types, as JSON carries them.

Spec: datatypes.html#primitive
"""

import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from fhir_server.validation.texts import Words

IsValid = Callable[[Any], bool]

STRING_CHARACTERS: Final = 1024 * 1024
_REMEMBERED: Final = 8_192
_REMEMBERED_CHARACTERS: Final = 200

_YEAR: Final = r"(?!0000)[0-9]{4}"
_DAY: Final = r"(?:0[1-9]|[12][0-9]|3[01])"
_MONTH: Final = r"(?:0[1-9]|1[0-2])"
_TIME: Final = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE: Final = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_HEX4: Final = "[0-9a-f]{4}"
_PATTERNS: Final = {
    "code": r"[^\s]+(?:\s[^\s]+)*",
    "id": r"[A-Za-z0-9\-.]{1,64}",
    "uri": r"\S+",
    "url": r"\S+",
    "canonical": r"\S+",
    "oid": r"urn:oid:[0-2](?:\.(?:0|[1-9][0-9]*))+",
    "uuid": rf"urn:uuid:{_HEX4}{_HEX4}-{_HEX4}-{_HEX4}-{_HEX4}-{_HEX4}{_HEX4}{_HEX4}",
    "time": _TIME,
}
_DATES: Final = {
    "date": rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY})?)?",
    "dateTime": rf"{_YEAR}(?:-{_MONTH}(?:-{_DAY}(?:T{_TIME}{_ZONE})?)?)?",
    "instant": rf"{_YEAR}-{_MONTH}-{_DAY}T{_TIME}{_ZONE}",
}
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_WHITE_SPACE: Final = re.compile(r"[ \t\r\n]+")

HINTS: Final[Mapping[str, Words]] = {
    "boolean": Words("write true or false, without quotes", "écrivez true ou false, sans guillemets"),
    "integer": Words(
        "write a whole number from -2147483648 to 2147483647, without quotes",
        "écrivez un entier de -2147483648 à 2147483647, sans guillemets",
    ),
    "positiveInt": Words(
        "write a whole number from 1 to 2147483647, without quotes",
        "écrivez un entier de 1 à 2147483647, sans guillemets",
    ),
    "unsignedInt": Words(
        "write a whole number from 0 to 2147483647, without quotes",
        "écrivez un entier de 0 à 2147483647, sans guillemets",
    ),
    "decimal": Words(
        "write a number without quotes, of magnitude below 1E308",
        "écrivez un nombre sans guillemets, de grandeur inférieure à 1E308",
    ),
    "string": Words(
        "write a text that is not empty, without control characters, of at most 1,048,576 characters",
        "écrivez un texte non vide, sans caractères de commande, d'au plus 1 048 576 caractères",
    ),
    "markdown": Words(
        "write a text that is not empty, without control characters, of at most 1,048,576 characters",
        "écrivez un texte non vide, sans caractères de commande, d'au plus 1 048 576 caractères",
    ),
    "code": Words(
        "write a code without white space around it and with single spaces within",
        "écrivez un code sans espace autour et avec des espaces simples à l'intérieur",
    ),
    "id": Words("write 1 to 64 letters, digits, '-' and '.'", "écrivez 1 à 64 lettres, chiffres, '-' et '.'"),
    "uri": Words("write a URI without white space", "écrivez un URI sans espace"),
    "url": Words("write a URL without white space", "écrivez un URL sans espace"),
    "canonical": Words("write a canonical URL without white space", "écrivez un URL canonique sans espace"),
    "oid": Words("write urn:oid: and a dotted number", "écrivez urn:oid: et un nombre à points"),
    "uuid": Words("write urn:uuid: and a UUID in lower case", "écrivez urn:uuid: et un UUID en minuscules"),
    "date": Words(
        "write YYYY, YYYY-MM or YYYY-MM-DD, a day of the calendar",
        "écrivez AAAA, AAAA-MM ou AAAA-MM-JJ, un jour du calendrier",
    ),
    "dateTime": Words(
        "write YYYY, YYYY-MM, YYYY-MM-DD or YYYY-MM-DDThh:mm:ss with a zone, a day of the calendar",
        "écrivez AAAA, AAAA-MM, AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss avec un fuseau, un jour du calendrier",
    ),
    "instant": Words(
        "write YYYY-MM-DDThh:mm:ss.sss with a zone, a day of the calendar",
        "écrivez AAAA-MM-JJThh:mm:ss.sss avec un fuseau, un jour du calendrier",
    ),
    "time": Words("write hh:mm:ss", "écrivez hh:mm:ss"),
    "base64Binary": Words("write base64 with its padding", "écrivez du base64 avec son remplissage"),
    "xhtml": Words("write one div element of XHTML", "écrivez un élément div de XHTML"),
}


def is_string(value: Any) -> bool:
    """Tell whether a value is a text that FHIR accepts."""
    if value.__class__ is not str or not 0 < len(value) <= STRING_CHARACTERS:
        return False
    return value.isprintable() or not _CONTROL.search(value)


def is_boolean(value: Any) -> bool:
    """Tell whether a value is true or false."""
    return value is True or value is False


def is_decimal(value: Any) -> bool:
    """Tell whether a value is a number; booleans are none.

    Choice: numbers that an IEEE double cannot hold are refused, because search compares doubles.
    """
    if value.__class__ is Decimal:
        return -400 < value.adjusted() < 308
    return value.__class__ is int and -(10**308) < value < 10**308


def is_base64(value: Any) -> bool:
    """Tell whether a value is base64, white space between groups allowed."""
    if value.__class__ is not str or not value:
        return False
    try:
        a2b_base64(value, strict_mode=True)
    except (Base64Error, ValueError):
        compact = _WHITE_SPACE.sub("", value)
        return compact != value and compact != "" and is_base64(compact)
    return True


def _integer(low: int) -> IsValid:
    def is_integer(value: Any) -> bool:
        return value.__class__ is int and low <= value <= 2_147_483_647

    return is_integer


def _text(is_right: Callable[[str], bool]) -> IsValid:
    """Remember the texts found right: systems, codes and dates recur, and a set is faster than a pattern."""
    seen: set[str] = set()

    def learn(value: str) -> bool:
        if not is_right(value):
            return False
        if len(value) <= _REMEMBERED_CHARACTERS:
            if len(seen) >= _REMEMBERED:
                seen.clear()
            seen.add(value)
        return True

    def is_valid(value: Any) -> bool:
        return value.__class__ is str and (value in seen or learn(value))

    return is_valid


def _pattern(pattern: str) -> IsValid:
    match = re.compile(pattern, re.ASCII).fullmatch
    return _text(lambda value: match(value) is not None)


def _date(pattern: str) -> IsValid:
    match = re.compile(pattern, re.ASCII).fullmatch
    return _text(lambda value: match(value) is not None and is_calendar_day(value))


def is_calendar_day(text: str) -> bool:
    """Tell whether a date or dateTime of the right form names a day that exists."""
    if text[8:10] <= "28":
        return True
    try:
        date.fromisoformat(text[:10])
    except ValueError:
        return False
    return True


IS_VALID: Final[Mapping[str, IsValid]] = {
    "boolean": is_boolean,
    "integer": _integer(-2_147_483_648),
    "positiveInt": _integer(1),
    "unsignedInt": _integer(0),
    "decimal": is_decimal,
    "string": is_string,
    "markdown": is_string,
    "base64Binary": is_base64,
    **{name: _pattern(pattern) for name, pattern in _PATTERNS.items()},
    **{name: _date(pattern) for name, pattern in _DATES.items()},
}
"""Primitive type -> check; xhtml has a module of its own."""
