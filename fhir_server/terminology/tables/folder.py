"""The folder of tables: which systems lie there, found anew when it has changed.

Spec: codesystem.html
"""

import logging
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from fhir_server.foundation.canonical_index import version_order
from fhir_server.terminology.tables.file import SUFFIX, Table, UnreadableTable
from fhir_server.terminology.tables.tabled import TabledCodeSystem

LOG: Final = logging.getLogger("fhir_server")
_NOT_OF_NAME: Final = re.compile(r"[^A-Za-z0-9.]+")


class Tables:
    """Find code systems in a folder, which may not exist yet; another process may add to it while this one runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen = -1
        self._systems: dict[str, dict[str, TabledCodeSystem]] = {}
        self.listeners: list[Callable[[], None]] = []

    def path(self, system: Mapping[str, Any]) -> Path:
        """Return the file of a system in a version."""
        named = f"{system['url']} {system.get('version', '')}".partition("://")[2] or str(system["url"])
        return self.folder / f"{_NOT_OF_NAME.sub('-', named).strip('-')}{SUFFIX}"

    def find(self, canonical: str) -> TabledCodeSystem | None:
        """Return the code system of `url` or `url|version`; without a version the latest."""
        self.refresh()
        url, _, version = canonical.partition("|")
        versions = self._systems.get(url, {})
        if version:
            return versions.get(version)
        return versions[max(versions, key=version_order)] if versions else None

    def systems(self) -> Iterator[dict[str, Any]]:
        """Yield the CodeSystem resource, without concepts, of each table."""
        self.refresh()
        for versions in self._systems.values():
            yield from (found.described for found in versions.values())

    def refresh(self) -> None:
        """Read the folder again when it has changed, and tell the listeners."""
        try:
            changed = self.folder.stat().st_mtime_ns
        except OSError:
            changed = -1
        if changed == self._seen:
            return
        self._seen = changed
        systems: dict[str, dict[str, TabledCodeSystem]] = {}
        for path in sorted(self.folder.glob(f"*{SUFFIX}")):
            try:
                found = TabledCodeSystem(Table(path))
            except UnreadableTable as error:
                LOG.warning("%s", error)
                continue
            systems.setdefault(found.url, {})[found.version] = found
        self._systems = systems
        for listener in self.listeners:
            listener()
