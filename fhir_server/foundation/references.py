"""What the literal text of a reference says: which resource, where, and how it is named.

Spec: references.html#literal, http.html#trules
"""

import re
from typing import Final, Literal

import msgspec

from fhir_server.foundation.structure import RESOURCE_TYPES

Kind = Literal["fragment", "relative", "absolute", "urn", "conditional", "other"]

_RESTFUL: Final = re.compile(
    r"(?:(?P<base>https?://[^?#]+)/)?(?P<type>[A-Z][A-Za-z]+)/(?P<id>[A-Za-z0-9\-.]{1,64})"
    r"(?:/_history/(?P<version>[A-Za-z0-9\-.]{1,64}))?(?:#(?P<fragment>.+))?",
    re.ASCII,
)
_CONDITIONAL: Final = re.compile(r"(?:(?P<base>https?://[^?#]+)/)?(?P<type>[A-Z][A-Za-z]+)\?(?P<query>.*)", re.ASCII)


class LiteralReference(msgspec.Struct, frozen=True):
    """Hold the parts of a reference; "" where the text names none.

    `kind` is `relative` for `Patient/1` and for a reference below one of our own bases, `absolute` for one below
    another base (`base_url`), `urn` for urn:uuid and urn:oid, `conditional` for a search (`query`) that a transaction
    resolves, `fragment` for a contained resource, `other` for any text that names no resource in a RESTful way.
    """

    text: str
    kind: Kind
    target_type: str = ""
    target_id: str = ""
    version_id: str = ""
    base_url: str = ""
    query: str = ""
    fragment: str = ""


def parse_reference(text: str, base_urls: tuple[str, ...] = ()) -> LiteralReference:
    """Return what a reference says; `base_urls` are our own, without a slash at the end. Never raises."""
    if text.startswith("#"):
        return LiteralReference(text, "fragment", fragment=text[1:])
    if text.startswith(("urn:uuid:", "urn:oid:")):
        return LiteralReference(text, "urn")
    match = _RESTFUL.fullmatch(text) or _CONDITIONAL.fullmatch(text)
    if match is None or match["type"] not in RESOURCE_TYPES:
        return LiteralReference(text, "other")
    base_url = match["base"] or ""
    if base_url in base_urls:
        base_url = ""
    if match.re is _CONDITIONAL:
        return LiteralReference(text, "conditional", match["type"], base_url=base_url, query=match["query"])
    kind: Kind = "absolute" if base_url else "relative"
    version_id, fragment = match["version"] or "", match["fragment"] or ""
    return LiteralReference(text, kind, match["type"], match["id"], version_id, base_url, fragment=fragment)
