"""The contract of a storage backend.

A backend raises `VersionConflict`, `Unavailable`, `TooCostly` (a search beyond its time) and `BadRequest` (a cursor it
did not make) of `foundation.operation_outcome`, and nothing of its driver's.
Two suites prove it: `tests/storage/test_contract.py` and `tests/storage/test_meaning.py`.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Protocol, TypeVar

import msgspec

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.search.index_row import IndexRow

T = TypeVar("T")


class Sort(msgspec.Struct, frozen=True):
    """One sort key: the rows of `family` and `parameter`, or `_id` / `_lastUpdated` with family 0.

    Ascending takes the resource's smallest value, descending its greatest: of dates, numbers and quantities `low`
    ascending and `high` descending; of others `code`, `folded`, `value`, `target_id`, `compartment_id` or `actor`.
    Resources without a value come last both ways, and equal ones in order of creation.
    """

    parameter: str
    family: int = 0
    is_descending: bool = False


class Include(msgspec.Struct, frozen=True):
    """Resources that matches refer to (or, reversed, that refer to matches) through one parameter.

    Forward: `parameter` of the matches of `source_type` ("" for any), targets restricted to (type, Condition) `within`.
    Reverse: resources of the types in `within`, whose `parameter` refers to a match; `source_type` says nothing then.
    Iterated ones also start from what was included, for ten rounds at most.
    """

    parameter: str
    source_type: str
    within: tuple[tuple[str, Condition], ...]
    is_reverse: bool = False
    is_iterated: bool = False


class Search(msgspec.Struct, frozen=True):
    """Hold what a backend needs to answer a search. `resource_type` "" means all types.

    `condition` is what was asked, `within` what the decision allows; a backend ANDs them everywhere, total included.
    A cursor is refused unless `resource_type`, `sort` and `purpose`, any text, are those of the search that it is from.
    """

    resource_type: str
    condition: Condition = ALWAYS
    within: Condition = ALWAYS
    sort: tuple[Sort, ...] = ()
    limit: int = 20
    cursor: str = ""
    needs_total: bool = False
    includes: tuple[Include, ...] = ()
    include_limit: int = 1000
    purpose: str = ""


class Page(msgspec.Struct, frozen=True):
    """One page: `cursor` opens the next one ("" when there is none), `total` is None when it was not asked."""

    versions: list[Version]
    included: list[Version] = []
    total: int | None = None
    cursor: str = ""
    is_truncated: bool = False
    """More resources were to be included than `include_limit`."""


class History(msgspec.Struct, frozen=True):
    """Ask for versions, newest first. Empty `resource_id`: all of the type; empty `resource_type`: all types.

    The decision `within` is judged on the rows of the resource's *current* version, and governs all its versions.
    `at` is a period `low, high`, half-open: only versions that were current at some moment of it.
    """

    resource_type: str = ""
    resource_id: str = ""
    within: Condition = ALWAYS
    since: datetime | None = None
    at: tuple[datetime, datetime] | None = None
    limit: int = 20
    cursor: str = ""
    needs_total: bool = True


class Listing(msgspec.Struct, frozen=True):
    """Some references in order of creation; `after` asks for the next ones, "" when there are none."""

    references: list[str]
    after: str = ""


class Kept(msgspec.Struct, frozen=True):
    """One server record, as it is moved from store to store."""

    kind: str
    key: str
    content: bytes
    expires_at: datetime | None = None


class Reader(Protocol):
    """What can be asked of a store, and of a transaction, which also sees its own writes."""

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """Return the current version (a deleted one too), or None when unknown or outside `within`."""
        ...

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """Return that version, or None when unknown or when the current version is outside `within`."""
        ...

    async def search(self, search: Search) -> Page:
        """Return one page of current, not deleted versions."""
        ...

    async def history(self, history: History) -> Page:
        """Return one page of versions, newest first."""
        ...

    async def record(self, kind: str, key: str) -> bytes | None:
        """Return a server record (client, user, session, key, code ...), or None when unknown or expired."""
        ...

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """Return all live records of a kind as (key, content), by key."""
        ...


class Transaction(Reader, Protocol):
    """All or nothing: what is done here is durable when `Store.transact` returns, or never happened."""

    async def put(self, version: Version, rows: Sequence[IndexRow]) -> None:
        """Store a version and make it current; `is_deleted` ones keep only the rows given.

        Raises VersionConflict unless `version_id` is the current version_id + 1 (1 when there is none).
        """
        ...

    async def index(self, resource_type: str, resource_id: str, rows: Sequence[IndexRow]) -> None:
        """Replace the rows of a current version, without a new version."""
        ...

    async def put_record(self, kind: str, key: str, content: bytes, expires_at: datetime | None = None) -> None:
        """Store or replace a server record."""
        ...

    async def delete_record(self, kind: str, key: str) -> bool:
        """Delete a server record; say whether there was a live one (so that single use is safe)."""
        ...

    async def journal(self, entry: bytes) -> None:
        """Append an audit entry, durable with the transaction."""
        ...

    async def journalled(self, limit: int) -> list[tuple[int, bytes]]:
        """Return the oldest journal entries as (sequence, entry)."""
        ...

    async def forget_journalled(self, sequences: Sequence[int]) -> int:
        """Delete the journal entries of these sequences, turned into AuditEvents; return how many were still there."""
        ...


class Store(Reader, Protocol):
    """A storage backend."""

    async def open(self) -> None:
        """Open, create or migrate what is behind; raises Unavailable."""
        ...

    async def close(self) -> None:
        """Finish what was accepted, then close."""
        ...

    async def check(self) -> None:
        """Raise Unavailable unless what is behind answers now, and has the schema that this server knows."""
        ...

    async def transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run `work` alone among writers and make its writes durable; any exception undoes all of them.

        `work` awaits nothing but the transaction's own methods, and may run more than once: no side effects.
        """
        ...

    def journal(self, entry: bytes) -> None:
        """Append an audit entry without waiting: durable within a second."""
        ...

    async def explain(self, search: Search) -> dict[str, Any]:
        """Return how a search is answered, in the backend's own words, for operators; raises what `search` does."""
        ...

    async def listing(self, after: str = "", limit: int = 1_000) -> Listing:
        """Return the references of all resources, deleted ones too, in order of creation: for moving a whole store."""
        ...

    async def kept(self, after: Kept | None = None, limit: int = 1_000) -> list[Kept]:
        """Return live records of all kinds, by kind and key, those after one of them."""
        ...

    async def journal_length(self) -> int:
        """Return how many journal entries wait, buffered ones included."""
        ...
