"""FHIR packages: what they hold, by canonical URL and version, and what they depend on.

Spec: https://hl7.org/fhir/packages.html
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from fhir_server.foundation.canonical_index import CanonicalIndex
from fhir_server.foundation.package_files import UnreadablePackage, read_files

MANIFEST: Final = "package.json"
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,213}")


class Manifest(msgspec.Struct, frozen=True):
    """Hold what package.json says; `dependencies` are name -> version, `type` such as fhir.ig."""

    name: str
    version: str
    dependencies: Mapping[str, str] = {}
    title: str = ""
    canonical: str = ""
    type: str = ""

    @property
    def label(self) -> str:
        """Return name and version as people write them: `hl7.fhir.r4.core#4.0.1`."""
        return f"{self.name}#{self.version}"


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


class Packages(CanonicalIndex):
    """Hold packages side by side, several versions of a canonical among them."""

    def __init__(self, paths: Iterable[Path] = ()) -> None:
        super().__init__()
        self.manifests: dict[str, Manifest] = {}
        for path in paths:
            self.add(path)

    def add(self, path: Path) -> Manifest:
        """Read a package, a .tgz or a folder; raise UnreadablePackage (422) when it is none or exceeds a bound."""
        files = dict(read_files(path))
        manifest = manifest_of(path, files.pop(MANIFEST, None))
        if manifest.label in self.manifests:
            return manifest
        for place, content in files.items():
            self.put(content, manifest.label, place)
        self.manifests[manifest.label] = manifest
        return manifest

    def missing(self) -> tuple[Missing, ...]:
        """Return each dependency that no package here fulfils."""
        return missing(self.manifests.values())


def missing(manifests: Iterable[Manifest]) -> tuple[Missing, ...]:
    """Return each dependency of packages that none of them fulfils."""
    here = tuple(manifests)
    versions: dict[str, list[str]] = {}
    for manifest in here:
        versions.setdefault(manifest.name, []).append(manifest.version)
    return tuple(
        Missing(manifest.label, name, version, tuple(versions.get(name, ())))
        for manifest in here
        for name, version in _dependencies(manifest)
        if not any(fulfils(one, version) for one in versions.get(name, ()))
    )


def needed_by(labels: Iterable[str], manifests: Iterable[Manifest]) -> frozenset[str]:
    """Return the labels of packages and of all that they depend on, as far as it is here."""
    here = {manifest.label: manifest for manifest in manifests}
    found, waiting = set[str](), list(labels)
    while waiting:
        label = waiting.pop()
        if label in here and label not in found:
            found.add(label)
            wanted = list(_dependencies(here[label]))
            waiting += [
                one.label
                for one in here.values()
                if any(one.name == name and fulfils(one.version, version) for name, version in wanted)
            ]
    return frozenset(found)


def manifest_of(path: Path, content: bytes | None) -> Manifest:
    """Read a package.json; raise UnreadablePackage (422) when it is absent or not right."""
    if content is None:
        raise UnreadablePackage(f"{path.name} holds no package/package.json: it is no FHIR package.")
    try:
        manifest = msgspec.json.decode(content, type=Manifest)
    except msgspec.DecodeError as error:
        raise UnreadablePackage(f"The package.json of {path.name} is not right: {error}.") from None
    if not all(_NAME.fullmatch(one) for one in (manifest.name, manifest.version)):
        raise UnreadablePackage(
            f"The package.json of {path.name} has a name or version that none can have: letters, digits, '.', '_', '-'."
        )
    return manifest


def _dependencies(manifest: Manifest) -> Iterator[tuple[str, str]]:
    for name, version in manifest.dependencies.items():
        # npm's alias `local-name@npm:real.name` lets a package depend on two versions of another.
        yield name.rpartition("@npm:")[2], version


def fulfils(version: str, wanted: str) -> bool:
    """Tell whether a version is the one that is wanted: exactly, of a range such as 4.0.x, or any."""
    if wanted in ("", "*", "latest", "current", "dev"):
        return True
    if wanted.endswith(".x"):
        return version.startswith(wanted[:-1])
    return version == wanted
