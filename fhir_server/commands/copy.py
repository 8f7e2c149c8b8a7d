"""`fhir-server copy`: move a whole server between stores: every version, deletion, record and waiting audit entry.

Rows are made anew from what is copied, as `reindex` makes them, and do not depend on the backend that they come from.
An interrupted copy goes on where it stopped. At the end both stores are read whole, and must have the same hash.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import blake2b
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from fhir_server.access.extract import kept_rows
from fhir_server.commands.local import opened
from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import microseconds
from fhir_server.foundation.resource import Version
from fhir_server.interactions.governance import Indexing, index_rows, last_content
from fhir_server.search.index_row import IndexRow
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.storage.lease import KIND as LEASE
from fhir_server.storage.store import History, Kept, Listing, Reader, Store, Transaction

GROUP: Final = 100
"""Resources of one transaction."""
KIND, KEY = "copy", "progress"
NOT_COPIED: Final = (KIND, LEASE)
JOURNAL_MAXIMUM: Final = 1_000_000
VERSIONS, ROWS, JOURNAL = "versions", "rows", "journal"
Step = Callable[[list[str], "State"], Awaitable[None]]


class State(msgspec.Struct, frozen=True):
    """How far a copy came: what is copied from where (a hash), the step, and the place within it."""

    source: str
    step: str = VERSIONS
    after: str = ""
    done: int = 0


class Sum(msgspec.Struct):
    """What a store holds: counts, and a hash that does not depend on the order of reading."""

    resources: int = 0
    versions: int = 0
    records: int = 0
    digest: int = 0

    def add(self, *parts: object) -> None:
        """Add one version or record."""
        content = msgspec.json.encode(parts)
        self.digest = (self.digest + int.from_bytes(blake2b(content, digest_size=16).digest(), "big")) % 2**128

    @property
    def shown(self) -> str:
        """Return the hash as people compare it."""
        return f"{self.digest:032x}"


def run(settings: Settings, source: str, target: str, console: Console) -> int:
    """Copy one store into another, and compare them; return 1 when they differ, else 0. Raises SettingsRefused."""
    if source == target:
        raise SettingsRefused("--from and --to name the same store.")
    sums = asyncio.run(_run(settings, (source, target), console))
    table = Table("", "resources", "versions", "records", "hash", title="What both stores hold")
    for name, told in zip(("from", "to"), sums, strict=True):
        table.add_row(name, f"{told.resources:,}", f"{told.versions:,}", f"{told.records:,}", told.shown)
    console.print(table)
    if sums[0] != sums[1]:
        console.print("[bold red]The stores differ.[/bold red] Was one of them written meanwhile? Stop its servers.")
        return 1
    console.print("[green]Both stores hold the same.[/green]")
    return 0


async def _run(settings: Settings, places: tuple[str, str], console: Console) -> tuple[Sum, Sum]:
    at_source, at_target = (settings_at(settings, place) for place in places)
    async with opened(at_source) as source, opened(at_target) as target:
        with Progress(console=console, transient=True) as progress:
            # The search parameters that the source holds say which rows there are, in the target too.
            await _Copy(source.store, target.store, source.indexing, progress).run(places[0])
            return await sum_of(source.store, progress), await sum_of(target.store, progress)


def settings_at(settings: Settings, place: str) -> Settings:
    """Return the settings of a server whose store is a connection string or a folder."""
    if "://" in place:
        return msgspec.structs.replace(settings, store=place)
    return msgspec.structs.replace(settings, store="", data=place)


async def sum_of(store: Store, progress: Progress | None = None) -> Sum:
    """Return what a store holds, by reading all of it."""
    told = Sum()
    task = None if progress is None else progress.add_task("Comparing", total=None)
    async for listing in _listings(store):
        for reference in listing.references:
            told.resources += 1
            for version in await versions_of(store, reference):
                told.versions += 1
                _add(told, version)
        if progress is not None and task is not None:
            progress.update(task, completed=told.resources)
    async for kept in _all_kept(store):
        told.records += 1
        expiry = None if kept.expires_at is None else microseconds(kept.expires_at)
        told.add(kept.kind, kept.key, kept.content, expiry)
    return told


def _add(told: Sum, version: Version) -> None:
    updated = int(microseconds(version.last_updated))
    told.add(
        version.reference, int(version.version_id), updated, version.is_deleted, version.depositor, version.content
    )


async def versions_of(reader: Reader, reference: str) -> list[Version]:
    """Return all versions of a resource, the oldest first."""
    resource_type, _, resource_id = reference.partition("/")
    found: list[Version] = []
    cursor = ""
    while True:
        asked = History(resource_type, resource_id, limit=GROUP, cursor=cursor, needs_total=False)
        page = await reader.history(asked)
        found += page.versions
        cursor = page.cursor
        if not cursor:
            return found[::-1]


async def _listings(store: Store, after: str = "") -> AsyncIterator[Listing]:
    while True:
        listing = await store.listing(after, GROUP)
        yield listing
        after = listing.after
        if not after:
            return


async def _all_kept(store: Store) -> AsyncIterator[Kept]:
    last: Kept | None = None
    while group := await store.kept(last):
        for kept in group:
            if kept.kind not in NOT_COPIED:
                yield kept
        last = group[-1]


class _Copy:
    """One run."""

    def __init__(self, source: Store, target: Store, indexing: Indexing, progress: Progress) -> None:
        self._source, self._target = source, target
        self._indexing, self._progress = indexing, progress

    async def run(self, place: str) -> None:
        """Do what is left of the steps. Raises SettingsRefused when the target is another's."""
        state = await self._begun(blake2b(place.encode(), digest_size=8).hexdigest())
        if state.step == VERSIONS:
            await self._copy_records()
            state = await self._each_group(state, "Copying", self._copy_versions, ROWS)
        if state.step == ROWS:
            state = await self._each_group(state, "Indexing", self._copy_rows, JOURNAL)
        if state.step == JOURNAL:
            await self._copy_journal()

    async def _begun(self, source: str) -> State:
        kept = await self._target.record(KIND, KEY)
        if kept is not None:
            state = msgspec.json.decode(kept, type=State)
            if state.source != source:
                raise SettingsRefused("The target holds a part of another store's copy: give an empty one.")
            return state
        if (await self._target.listing(limit=1)).references:
            raise SettingsRefused("The target holds resources already: give an empty one.")
        return State(source)

    async def _copy_records(self) -> None:
        group: list[Kept] = []

        async def work(transaction: Transaction) -> None:
            for kept in group:
                await transaction.put_record(kept.kind, kept.key, kept.content, kept.expires_at)

        async for kept in _all_kept(self._source):
            group.append(kept)
            if len(group) == GROUP:
                await self._target.transact(work)
                group.clear()
        await self._target.transact(work)

    async def _each_group(self, state: State, title: str, do: Step, following: str) -> State:
        task = self._progress.add_task(title, total=None, completed=state.done)
        async for listing in _listings(self._source, state.after):
            done = state.done + len(listing.references)
            if listing.after:
                state = State(state.source, state.step, listing.after, done)
            else:
                state = State(state.source, following)
            await do(listing.references, state)
            self._progress.update(task, completed=done)
        return state

    async def _copy_versions(self, references: list[str], state: State) -> None:
        found = [await versions_of(self._source, reference) for reference in references]

        async def work(transaction: Transaction) -> None:
            for versions in found:
                for version in versions:
                    rows = self._own_rows(versions) if version is versions[-1] else []
                    await transaction.put(version, rows)
            await _remember(transaction, state)

        await self._target.transact(work)

    def _own_rows(self, versions: list[Version]) -> list[IndexRow]:
        """Return the rows that the last version has of itself; of a deleted one, those that it keeps."""
        last = next((version for version in reversed(versions) if version.content), None)
        if last is None:
            return []
        rows = self._indexing.rows(fhir_json.parse(last.content), last.depositor)
        return kept_rows(rows) if versions[-1].is_deleted else rows

    async def _copy_rows(self, references: list[str], state: State) -> None:
        """Give each resource the rows of its governors, now that they are all there."""

        async def work(transaction: Transaction) -> None:
            for reference in references:
                await self._index(transaction, reference)
            await _remember(transaction, state)

        await self._target.transact(work)

    async def _index(self, transaction: Transaction, reference: str) -> None:
        resource_type, _, resource_id = reference.partition("/")
        current, last = await transaction.read(resource_type, resource_id), await last_content(transaction, reference)
        if current is None or last is None:
            return
        resource, indexing = fhir_json.parse(last.content), self._indexing
        rows = await index_rows(transaction, resource, last.depositor, indexing)
        if rows != list(dict.fromkeys(indexing.rows(resource, last.depositor))):
            await transaction.index(resource_type, resource_id, kept_rows(rows) if current.is_deleted else rows)

    async def _copy_journal(self) -> None:
        waiting = await self._source.transact(lambda transaction: transaction.journalled(JOURNAL_MAXIMUM))

        async def work(transaction: Transaction) -> None:
            for _, entry in waiting:
                await transaction.journal(entry)
            await transaction.delete_record(KIND, KEY)

        await self._target.transact(work)


async def _remember(transaction: Transaction, state: State) -> None:
    await transaction.put_record(KIND, KEY, msgspec.json.encode(state))
