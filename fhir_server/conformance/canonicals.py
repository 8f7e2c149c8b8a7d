"""Canonicals: the conformance resources of the store, in memory and in effect, in each server process.

Spec: resource.html#canonical, terminologies.html, profiling.html

They are ordinary resources of the store: what a package, a client or a colleague process wrote. Here they are found at
once, without awaiting, by canonical. A write is noted in a log by its own transaction (`interactions.canonicals`);
the writing process reads the log before it answers, the others within POLL_SECONDS.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import Any, Final

from fhir_server.foundation.canonical_index import CanonicalIndex, Member
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.resource import Version
from fhir_server.interactions.canonicals.changes import CANONICAL_TYPES, changes
from fhir_server.storage.store import Search, Store

LOG: Final = logging.getLogger("fhir_server")
POLL_SECONDS: Final = 1.0
_PAGE: Final = 100
Listener = Callable[[Collection[Member]], None]
"""Told which members came, went or were replaced; of a replaced one, what it was and what it is."""


class Canonicals:
    """Hold what the store has of the canonical types. Made at start, filled by `follow` in the background."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._index = CanonicalIndex()
        self._epoch = -1
        self._listeners: list[Listener] = []
        self._refreshed: list[Callable[[], Awaitable[None]]] = []
        self._lock = asyncio.Lock()

    def subscribe(self, listener: Listener) -> None:
        """Tell a listener of every change from now on; it must not await and should be quick."""
        self._listeners.append(listener)

    def refresh_with(self, refresh: Callable[[], Awaitable[None]]) -> None:
        """Refresh something else too, whenever this process wrote a definition."""
        self._refreshed.append(refresh)

    def resolve(self, canonical: str, resource_type: str = "") -> Mapping[str, Any] | None:
        """Return the resource that `url` or `url|version` names, to be read and not changed; None when unknown.

        Without a version the latest one.
        """
        return self._index.resolve(canonical, resource_type)

    def find(self, canonical: str, resource_type: str = "") -> Member | None:
        """Return what describes the resource that `url` or `url|version` names."""
        return self._index.find(canonical, resource_type)

    def members(self, resource_type: str = "") -> Collection[Member]:
        """Return what describes each resource of a type, or of all; `path` is its reference (`ValueSet/1`)."""
        return list(self._index.members(resource_type))

    def read(self, member: Member) -> dict[str, Any]:
        """Return the resource of a member, parsed anew."""
        return self._index.read(member)

    async def ready(self) -> None:
        """Return once everything is here."""
        if self._epoch < 0:
            await self._catch_up()

    async def refresh(self) -> None:
        """Read what has changed in the store since the last time, and tell the listeners.

        Does nothing where nobody asked for a definition yet, such as in a verb of the command line.
        """
        if self._epoch >= 0 or self._lock.locked():
            await self._catch_up()
        for refresh in self._refreshed:
            await refresh()

    async def _catch_up(self) -> None:
        async with self._lock:
            log = await changes(self._store)
            if log.epoch == self._epoch:
                return
            references = None if self._epoch < 0 else log.since(self._epoch)
            touched = await self._load() if references is None else await self._reload(references)
            self._epoch = log.epoch
        if touched:
            for listener in self._listeners:
                listener(touched)

    async def follow(self) -> None:
        """Load everything, then follow the log until cancelled."""
        while True:
            try:
                await self._catch_up()
            except FhirError:
                LOG.exception("conformance resources could not be read; it is tried again")
            await asyncio.sleep(POLL_SECONDS)

    async def _load(self) -> list[Member]:
        """Read everything anew, into an index of its own: meanwhile the old one answers."""
        index = CanonicalIndex()
        async for versions in self._pages():
            # Compressing takes its time: others are answered between two pages.
            await asyncio.to_thread(_keep, index, versions)
        before, self._index = self._index, index
        return [*before.members(), *index.members()]

    async def _pages(self) -> AsyncIterator[list[Version]]:
        for resource_type in sorted(CANONICAL_TYPES):
            cursor = ""
            while True:
                page = await self._store.search(Search(resource_type, limit=_PAGE, cursor=cursor))
                if page.versions:
                    yield page.versions
                cursor = page.cursor
                if not cursor:
                    break

    async def _reload(self, references: Collection[str]) -> list[Member]:
        touched: list[Member | None] = []
        for reference in references:
            resource_type, _, resource_id = reference.partition("/")
            version = await self._store.read(resource_type, resource_id)
            touched.append(self._index.remove("", reference))
            if version is not None and not version.is_deleted:
                touched.append(self._index.put(version.content, path=reference))
        return [member for member in touched if member is not None]


def _keep(index: CanonicalIndex, versions: list[Version]) -> None:
    for version in versions:
        index.put(version.content, path=version.reference)
