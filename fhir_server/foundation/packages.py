"""FHIR packages: what they hold, by canonical URL and version, parsed when asked for.

Spec: https://hl7.org/fhir/packages.html, references.html#canonical

Choice: each resource is kept compressed in memory. All French packages and R4 itself hold 82 MB of JSON in 5,500
files; compressed one by one they take 15 MB, which spares a folder of copies, and one is read in a millisecond.
"""

import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec

from fhir_server.foundation.package_files import UnreadablePackage, read_files

MANIFEST: Final = "package.json"
_PARSED: Final = 48
_decode: Final = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal).decode
_NUMBERS: Final = re.compile(r"\d+")


class Manifest(msgspec.Struct, frozen=True):
    """Hold what package.json says; `dependencies` are name -> version."""

    name: str
    version: str
    dependencies: Mapping[str, str] = {}
    title: str = ""
    canonical: str = ""


class Member(msgspec.Struct, frozen=True, rename="camel"):
    """Describe one resource of a package, without its content; members that are absent are empty."""

    resource_type: str = ""
    resource_id: str = msgspec.field(default="", name="id")
    url: str = ""
    version: str = ""
    type: str = ""
    derivation: str = ""
    package: str = ""
    path: str = ""


class Missing(msgspec.Struct, frozen=True):
    """Say that `package` needs `name` in `version`, which is not here; `versions` are those that are."""

    package: str
    name: str
    version: str
    versions: tuple[str, ...]

    def sentence(self) -> str:
        """Say what to do about it."""
        here = f"; here is {', '.join(self.versions)}" if self.versions else ""
        return f"{self.package} needs {self.name}#{self.version}{here}: add that package."


class Packages:
    """Hold packages side by side, several versions of a canonical among them."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        self.manifests: dict[str, Manifest] = {}
        self._members: list[Member] = []
        self._content: list[bytes] = []
        self._by_url: dict[str, list[int]] = {}
        self._parsed = lru_cache(maxsize=_PARSED)(self._parse)
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> Manifest:
        """Read a package, a .tgz or a folder; raise UnreadablePackage (422) when it is none or exceeds a bound."""
        files = dict(read_files(path))
        manifest = _manifest(path, files.pop(MANIFEST, None))
        name = f"{manifest.name}#{manifest.version}"
        if name in self.manifests:
            return manifest
        for place, content in files.items():
            self._keep(name, place, content)
        self.manifests[name] = manifest
        return manifest

    def put(self, resource: Mapping[str, Any], package: str = "") -> None:
        """Add one resource that came without a package."""
        self._keep(package, f"{resource.get('resourceType')}-{resource.get('id')}.json", msgspec.json.encode(resource))

    def _keep(self, package: str, place: str, content: bytes) -> None:
        try:
            found = msgspec.json.decode(content, type=Member)
        except msgspec.DecodeError:
            return  # A package may carry other JSON files.
        if not found.resource_type:
            return
        index = len(self._members)
        self._members.append(msgspec.structs.replace(found, package=package, path=place))
        self._content.append(zlib.compress(content, 1))
        if found.url:
            self._by_url.setdefault(found.url, []).append(index)

    def members(self, resource_type: str = "") -> Iterator[Member]:
        """Yield what the packages hold, of one type or of all."""
        return (member for member in self._members if resource_type in ("", member.resource_type))

    def read(self, member: Member) -> dict[str, Any]:
        """Return the resource of a member, parsed anew."""
        return self._parse(self._members.index(member))

    def find(self, canonical: str, resource_type: str = "") -> Member | None:
        """Return the member that `url` or `url|version` names; without a version the latest, and the last one added."""
        index = self._find(canonical, resource_type)
        return None if index is None else self._members[index]

    def resolve(self, canonical: str, resource_type: str = "") -> dict[str, Any] | None:
        """Return the resource that `url` or `url|version` names, to be read and not changed; None when unknown."""
        index = self._find(canonical, resource_type)
        return None if index is None else self._parsed(index)

    def _find(self, canonical: str, resource_type: str) -> int | None:
        url, _, version = canonical.partition("#")[0].partition("|")
        found = [
            index
            for index in self._by_url.get(url, ())
            if resource_type in ("", self._members[index].resource_type)
            and version in ("", self._members[index].version)
        ]
        return max(found, key=lambda index: (_order(self._members[index].version), index), default=None)

    def _parse(self, index: int) -> dict[str, Any]:
        return _decode(zlib.decompress(self._content[index]))

    def missing(self) -> tuple[Missing, ...]:
        """Return each dependency that no package here fulfils."""
        versions: dict[str, list[str]] = {}
        for manifest in self.manifests.values():
            versions.setdefault(manifest.name, []).append(manifest.version)
        return tuple(
            Missing(package, name, version, tuple(versions.get(name, ())))
            for package, manifest in self.manifests.items()
            for name, version in _dependencies(manifest)
            if not any(_fulfils(here, version) for here in versions.get(name, ()))
        )


def _manifest(path: Path, content: bytes | None) -> Manifest:
    if content is None:
        raise UnreadablePackage(f"{path.name} holds no package/package.json: it is no FHIR package.")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise UnreadablePackage(f"The package.json of {path.name} is not right: {error}.") from None
    return manifest


def _dependencies(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name, version in manifest.dependencies.items():
        # npm's alias `local-name@npm:real.name` lets a package depend on two versions of another.
        yield name.rpartition("@npm:")[2], version


def _fulfils(version: str, wanted: str) -> bool:
    if wanted in ("", "*", "latest", "current", "dev"):
        return True
    if wanted.endswith(".x"):
        return version.startswith(wanted[:-1])
    return version == wanted


def _order(version: str) -> tuple[tuple[int, ...], bool, str]:
    """Order versions by their numbers; what has a label such as -ballot comes before the version itself."""
    release, _, label = version.partition("-")
    return tuple(int(number[:18]) for number in _NUMBERS.findall(release)), not label, label
