"""Sides: where twin worlds are kept: two empty stores whose cursors are sealed alike, made anew for each pair.

Cursors are sealed with a secret of the store: twins must have the same one, or every page would tell them apart.
"""

import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from fhir_server.settings import SettingsRefused
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.storage.store import Store

Make = Callable[[Callable[[], datetime]], Store]
"""Make a store, not yet opened, that tells the time by a clock."""

_NAMES: Final = ("with", "without")


class Sides(Protocol):
    """Makes pairs of stores."""

    def stores(self) -> AbstractAsyncContextManager[tuple[Make, Make]]:
        """Lend two empty stores."""


class Folders:
    """Embedded stores, copies of an empty one that was opened once."""

    def __init__(self, template: Path) -> None:
        self._template = template

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[tuple[Make, Make]]:
        """Lend two copies, which are gone afterwards."""
        with tempfile.TemporaryDirectory(prefix="fhir-server-proof-") as folder:
            one, other = (self.copied(Path(folder) / name) for name in _NAMES)
            yield one, other

    def copied(self, folder: Path) -> Make:
        """Return what makes a store on a copy in a folder, which does not exist yet."""
        shutil.copytree(self._template, folder)
        return lambda now: SqliteStore(folder, now=now)


class Databases:
    """Databases beside the one that an address names: that one is not touched."""

    def __init__(self, url: str) -> None:
        try:
            from fhir_server.storage.mongodb import twins
        except ImportError as error:
            raise SettingsRefused("--store names a MongoDB: install its driver (fhir-server[mongodb]).") from error
        self._twins = twins
        self._urls = [twins.beside(url, name) for name in _NAMES]

    @asynccontextmanager
    async def stores(self) -> AsyncIterator[tuple[Make, Make]]:
        """Lend both databases, emptied before."""
        from fhir_server.storage.mongodb import MongoStore

        await self._twins.make_alike(self._urls)
        one, other = self._urls
        yield lambda now: MongoStore(one, now=now), lambda now: MongoStore(other, now=now)

    async def drop(self) -> None:
        """Drop both."""
        await self._twins.drop(self._urls)


async def make_template(folder: Path) -> Folders:
    """Make an empty embedded store in an empty folder, to copy."""
    store = SqliteStore(folder)
    await store.open()
    await store.close()
    return Folders(folder)


@asynccontextmanager
async def sides_at(url: str) -> AsyncIterator[Sides]:
    """Lend a place for twins: beside the database of an address, or in a temporary folder when it is ""."""
    if not url:
        with tempfile.TemporaryDirectory(prefix="fhir-server-proof-") as folder:
            yield await make_template(Path(folder))
        return
    databases = Databases(url)
    try:
        yield databases
    finally:
        await databases.drop()
