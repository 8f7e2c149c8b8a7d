"""Systems whose codes are defined by a grammar.

Spec: valueset-mimetypes.html (BCP 13), valueset-all-languages.html (BCP 47)
"""

import re
from collections.abc import Mapping
from typing import Final

from fhir_server.terminology.value_set import Grammar

_TOKEN: Final = r"[A-Za-z0-9!#$&^_.+\-]{1,127}"  # noqa: S105 - a token of RFC 6838, no secret
_QUOTED: Final = r'"[^"\\\r\n]{0,500}"'
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/{_TOKEN}(?:\s?;\s?{_TOKEN}=(?:{_TOKEN}|{_QUOTED}))*")
_LANGUAGE: Final = re.compile(
    r"(?:[a-z]{2,3}(?:-[a-z]{3}){0,3}|[a-z]{4,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?"
    r"(?:-(?:[a-z0-9]{5,8}|\d[a-z0-9]{3}))*(?:-[a-wyz0-9](?:-[a-z0-9]{2,8})+)*(?:-x(?:-[a-z0-9]{1,8})+)?"
    r"|x(?:-[a-z0-9]{1,8})+",
    re.IGNORECASE,
)


def is_media_type(code: str) -> bool:
    """Tell whether a code is a media type of BCP 13, parameters included."""
    return len(code) <= 1_000 and _MEDIA_TYPE.fullmatch(code) is not None


def is_language(code: str) -> bool | None:
    """Return False for what is no language tag of BCP 47; None otherwise, as the registry of subtags is not here."""
    return None if len(code) <= 200 and _LANGUAGE.fullmatch(code) else False


GRAMMARS: Final[Mapping[str, Grammar]] = {"urn:ietf:bcp:13": is_media_type, "urn:ietf:bcp:47": is_language}
