"""Conformance resources by canonical URL and version, kept compressed and parsed when asked for.

Spec: references.html#canonical

Choice: each resource is kept compressed in memory. All French packages and R4 itself hold 82 MB of JSON in 5,500
files; compressed one by one they take 15 MB, which spares a folder of copies, and one is read in a millisecond.
"""

import re
import zlib
from collections.abc import Iterator
from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

import msgspec

_PARSED: Final = 48
_decode: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_NUMBERS: Final = re.compile(r"\d+")


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """Describe one resource without its content; members that are absent are empty.

    `package` and `path` tell where it is from, and together tell it from all others.
    """

    resource_type: str = ""
    resource_id: str = msgspec.field(default="", name="id")
    url: str = ""
    version: str = ""
    type: str = ""
    derivation: str = ""
    package: str = ""
    path: str = ""


Key = tuple[str, str]


class CanonicalIndex:
    """Hold resources side by side, several versions of a canonical among them."""

    def __init__(self) -> None:
        self._members: dict[Key, Member] = {}
        self._content: dict[Key, bytes] = {}
        self._by_url: dict[str, list[Key]] = {}
        self._parsed = lru_cache(maxsize=_PARSED)(_parse)

    def __len__(self) -> int:
        return len(self._members)

    def put(self, content: bytes, package: str = "", path: str = "") -> Member | None:
        """Add a resource as JSON, or replace the one of the same place; return None when it is no resource."""
        try:
            found = msgspec.json.decode(content, type=Member)
        except msgspec.DecodeError:
            return None  # A package may carry other JSON files.
        if not found.resource_type:
            return None
        key = (package, path)
        self.remove(*key)
        member = self._members[key] = msgspec.structs.replace(found, package=package, path=path)
        self._content[key] = zlib.compress(content, 1)
        if member.url:
            self._by_url.setdefault(member.url, []).append(key)
        return member

    def remove(self, package: str, path: str) -> Member | None:
        """Forget a resource, and return what described it; None when it is not here."""
        key = (package, path)
        member = self._members.pop(key, None)
        if member is None:
            return None
        del self._content[key]
        if member.url:
            # A new list, for another thread may be reading the old one.
            self._by_url[member.url] = [one for one in self._by_url[member.url] if one != key]
        return member

    def members(self, resource_type: str = "") -> Iterator[Member]:
        """Yield what is here, of one type or of all."""
        return (member for member in list(self._members.values()) if resource_type in ("", member.resource_type))

    def read(self, member: Member) -> dict[str, Any]:
        """Return the resource of a member, parsed anew."""
        return _parse(self._content[member.package, member.path])

    def find(self, canonical: str, resource_type: str = "") -> Member | None:
        """Return the member that `url` or `url|version` names; without a version the latest, and the last one added."""
        key = self._find(canonical, resource_type)
        return None if key is None else self._members[key]

    def resolve(self, canonical: str, resource_type: str = "") -> dict[str, Any] | None:
        """Return the resource that `url` or `url|version` names, to be read and not changed; None when unknown."""
        key = self._find(canonical, resource_type)
        return None if key is None else self._parsed(self._content[key])

    def _find(self, canonical: str, resource_type: str) -> Key | None:
        url, _, version = canonical.partition("|")
        # A fragment names a part of the resource; some URLs, such as those of HL7 v3, have a # of their own.
        keys = self._by_url.get(url) or self._by_url.get(url.partition("#")[0]) or []
        found = [
            (version_order(member.version), index, key)
            for index, key in enumerate(keys)
            if (member := self._members.get(key)) is not None
            and resource_type in ("", member.resource_type)
            and version in ("", member.version)
        ]
        return max(found)[2] if found else None


def _parse(content: bytes) -> dict[str, Any]:
    return _decode(zlib.decompress(content))


def version_order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Order versions by their numbers; what has a label such as -ballot comes before the version itself."""
    release, _, label = version.partition("-")
    return tuple(int(number[:18]) for number in _NUMBERS.findall(release)), not label, label
