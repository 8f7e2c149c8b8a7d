"""Transaction: what one work may do; it sees its own writes and the newest committed state."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from fhir_server.foundation.operation_outcome import VersionConflict
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.search.index_row import TEXT, IndexRow
from fhir_server.storage.sqlite import record as kept
from fhir_server.storage.sqlite.history import history as history_of
from fhir_server.storage.sqlite.reading import read, vread
from fhir_server.storage.sqlite.rows import Keys, keys_of, unpack, words_of
from fhir_server.storage.sqlite.search import search as search_of
from fhir_server.storage.sqlite.session import Printed, Session
from fhir_server.storage.sqlite.writing.group import Group
from fhir_server.storage.sqlite.writing.pending import Current, Pending, indexed
from fhir_server.storage.store import History, Page, Search

_CURRENT: Final = """SELECT r.rid, r.version_id, r.is_deleted, i.content
    FROM resource r INDEXED BY resource_by_id CROSS JOIN index_rows i ON i.rid = r.rid WHERE r.type = ? AND r.id = ?"""


class SqliteTransaction:
    """Writes wait in `Pending` until the work ends or reads; from the first read on a savepoint guards them."""

    def __init__(self, group: Group) -> None:
        self._group = group
        self._pending = Pending()
        self._has_savepoint = False
        self._is_over = False

    async def read(self, resource_type: str, resource_id: str, within: Condition = ALWAYS) -> Version | None:
        """See Reader.read."""
        if within != ALWAYS or self._is_pending(resource_type, resource_id):
            self._send()
        return read(self._session, resource_type, resource_id, within)

    async def vread(
        self, resource_type: str, resource_id: str, version_id: int, within: Condition = ALWAYS
    ) -> Version | None:
        """See Reader.vread."""
        self._send()
        return vread(self._session, (resource_type, resource_id), version_id, within)

    async def search(self, search: Search) -> Page:
        """See Reader.search."""
        self._send()
        return search_of(self._session, search, self._run)

    async def history(self, history: History) -> Page:
        """See Reader.history."""
        self._send()
        return history_of(self._session, history, self._run)

    async def record(self, kind: str, key: str) -> bytes | None:
        """See Reader.record."""
        return kept.record(self._session, kind, key)

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        """See Reader.records."""
        return kept.records(self._session, kind)

    async def put(self, version: Version, rows: Sequence[IndexRow]) -> None:
        """See Transaction.put."""
        naming = self._group.naming
        resource_type = naming.resource_type(version.resource_type)
        current = self._current(resource_type, version.resource_id)
        expected = 1 if current is None else current.version_id + 1
        if version.version_id != expected:
            raise VersionConflict(f"{version.reference} is at version {expected - 1}: read it again, then repeat.")
        keys = keys_of(naming, version.resource_type, rows)
        if current is None:
            rid = self._group.next_rid()
            self._pending.create(rid, resource_type, version, keys)
        else:
            rid = current.rid
            self._pending.update(current, resource_type, version, keys)
        self._put_words(rid, current, keys, rows)

    async def index(self, resource_type: str, resource_id: str, rows: Sequence[IndexRow]) -> None:
        """See Transaction.index; an unknown resource is left alone."""
        number = self._group.naming.resource_type(resource_type)
        current = self._current(number, resource_id)
        if current is not None:
            keys = keys_of(self._group.naming, resource_type, rows)
            self._pending.index(current, number, resource_id, keys)
            self._put_words(current.rid, current, keys, rows)

    async def put_record(self, kind: str, key: str, content: bytes, expires_at: datetime | None = None) -> None:
        """See Transaction.put_record."""
        self._guard()
        kept.put_record(self._session, (kind, key), content, expires_at)

    async def delete_record(self, kind: str, key: str) -> bool:
        """See Transaction.delete_record."""
        self._guard()
        return kept.delete_record(self._session, kind, key)

    async def journal(self, entry: bytes) -> None:
        """See Transaction.journal."""
        self._pending.journal(entry)

    async def journalled(self, limit: int) -> list[tuple[int, bytes]]:
        """See Transaction.journalled."""
        self._send()
        return kept.journalled(self._session, limit)

    async def forget_journalled(self, sequences: Sequence[int]) -> int:
        """See Transaction.forget_journalled."""
        self._send()
        self._guard()
        return kept.forget_journalled(self._session, sequences)

    def finish(self) -> None:
        """Leave the writes to the group: the work succeeded."""
        self._is_over = True
        self._group.pending.absorb(self._pending)
        if self._has_savepoint:
            self._group.session.connection.rows("RELEASE work")

    def undo(self) -> None:
        """Drop the writes: the work failed."""
        self._is_over = True
        if self._has_savepoint and self._group.session.connection.is_in_transaction:
            self._group.session.connection.rows("ROLLBACK TO work")
            self._group.session.connection.rows("RELEASE work")
            self._group.naming.forget()

    @property
    def _session(self) -> Session:
        if self._is_over:
            raise RuntimeError("the transaction is over")
        return self._group.session

    def _put_words(self, rid: int, current: Current | None, keys: Keys, rows: Sequence[IndexRow]) -> None:
        before = None if current is None else current.keys.get(TEXT)
        if keys.get(TEXT) != before:
            self._pending.text(rid, words_of(rows), is_new=before is None)

    def _current(self, resource_type: int, resource_id: str) -> Current | None:
        key = (resource_type, resource_id)
        if key in self._pending.touched or key in self._group.pending.touched:
            self._send()
        found = self._session.connection.rows(_CURRENT, (resource_type, resource_id))
        if not found:
            return None
        rid, version_id, is_deleted, content = found[0]
        return Current(rid, version_id, bool(is_deleted), indexed(unpack(content), bool(is_deleted)))

    def _is_pending(self, resource_type: str, resource_id: str) -> bool:
        key = (self._group.naming.resource_type(resource_type), resource_id)
        return key in self._pending.touched or key in self._group.pending.touched

    def _send(self) -> None:
        self._group.send()
        if self._pending:
            self._guard()
            self._pending.send(self._session.connection)

    def _guard(self) -> None:
        if not self._has_savepoint:
            self._group.send()
            self._session.connection.rows("SAVEPOINT work")
            self._has_savepoint = True

    def _run(self, printed: Printed, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        return self._session.run_within(self._session.search_seconds, printed, values)
