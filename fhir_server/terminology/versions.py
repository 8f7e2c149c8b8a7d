"""Which versions of code systems are used where a value set names none, and in spite of what it names.

Spec: valueset-operation-expand.html (system-version, check-system-version, force-system-version)
"""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.terminology import Terminology
from fhir_server.terminology.value_set import Grammar


class Versions(msgspec.Struct, frozen=True):
    """Hold system -> version for each of the three ways to ask."""

    default: Mapping[str, str] = {}
    check: Mapping[str, str] = {}
    force: Mapping[str, str] = {}

    def __bool__(self) -> bool:
        return bool(self.default or self.check or self.force)

    def applied(self, canonical: str) -> str:
        """Return `url|version` as it is meant; raise Unprocessable (422) when a version that is checked differs."""
        url, _, version = canonical.partition("|")
        checked = self.check.get(url, "")
        if version and checked and version != checked:
            raise Unprocessable(f"The value set uses {canonical}, and check-system-version asks for {checked}.")
        version = self.force.get(url) or version or checked or self.default.get(url, "")
        return f"{url}|{version}" if version else url


def versions_by_system(name: str, canonicals: Iterable[str]) -> dict[str, str]:
    """Return system -> version of `url|version` texts; raise BadRequest (400) for one without version."""
    found: dict[str, str] = {}
    for canonical in canonicals:
        url, _, version = canonical.partition("|")
        if not url or not version:
            raise BadRequest(f"{name} is written system|version, and is {canonical[:200]!r}.")
        found[url] = version
    return found


class VersionedTerminology(Terminology):
    """Answer as another terminology does, with code systems in the versions that were asked for."""

    def __init__(self, whole: Terminology, versions: Versions) -> None:
        super().__init__(lambda canonical, resource_type: None)
        self._whole = whole
        self._versions = versions

    def resource(self, canonical: str, resource_type: str) -> Mapping[str, Any] | None:
        """See Terminology.resource."""
        return self._whole.resource(canonical, resource_type)

    def grammar(self, system: str) -> Grammar | None:
        """See Terminology.grammar."""
        return self._whole.grammar(system)

    def code_system(self, canonical: str) -> CodeSystem | None:
        """See Terminology.code_system."""
        return self._whole.code_system(self._versions.applied(canonical))
