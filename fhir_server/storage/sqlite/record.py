"""Records: what the server itself keeps (clients, users, sessions, keys, codes), and the audit journal."""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

import json
from collections.abc import Sequence
from datetime import datetime

from fhir_server.storage.sqlite.instants import instant, microseconds
from fhir_server.storage.sqlite.session import Session
from fhir_server.storage.store import Kept, Listing

_LIVE = "(expires_at IS NULL OR expires_at > ?)"


def record(session: Session, kind: str, key: str) -> bytes | None:
    """Return a live record, or None."""
    statement = f"SELECT content FROM record WHERE kind = ? AND key = ? AND {_LIVE}"
    rows = session.connection.rows(statement, (kind, key, microseconds(session.now())))
    return rows[0][0] if rows else None


def records(session: Session, kind: str) -> list[tuple[str, bytes]]:
    """Return the live records of a kind, by key."""
    statement = f"SELECT key, content FROM record WHERE kind = ? AND {_LIVE} ORDER BY key"
    rows = session.connection.rows(statement, (kind, microseconds(session.now())))
    return [(key, content) for key, content in rows]


def kept(session: Session, after: Kept | None, limit: int) -> list[Kept]:
    """Return the live records after one, by kind and key."""
    place = ("", "") if after is None else (after.kind, after.key)
    statement = (
        f"SELECT kind, key, content, expires_at FROM record WHERE (kind, key) > (?, ?) AND {_LIVE}"
        " ORDER BY kind, key LIMIT ?"
    )
    rows = session.connection.rows(statement, (*place, microseconds(session.now()), limit))
    return [
        Kept(kind, key, content, None if expiry is None else instant(expiry)) for kind, key, content, expiry in rows
    ]


def listing(session: Session, after: str, limit: int) -> Listing:
    """Return references in order of creation, those after a place."""
    statement = (
        "SELECT t.name || '/' || r.id, r.rid FROM resource r CROSS JOIN resource_type t ON t.id = r.type"
        " WHERE r.rid > ? ORDER BY r.rid LIMIT ?"
    )
    rows = session.connection.rows(statement, (int(after or 0), limit + 1))
    return Listing([row[0] for row in rows[:limit]], str(rows[limit - 1][1]) if len(rows) > limit else "")


def put_record(session: Session, name: tuple[str, str], content: bytes, expires_at: datetime | None) -> None:
    """Store or replace the record of a (kind, key)."""
    expiry = None if expires_at is None else microseconds(expires_at)
    session.connection.rows("INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)", (*name, content, expiry))


def delete_record(session: Session, kind: str, key: str) -> bool:
    """Delete a record; say whether there was a live one."""
    statement = "DELETE FROM record WHERE kind = ? AND key = ? RETURNING expires_at"
    deleted = session.connection.rows(statement, (kind, key))
    now = microseconds(session.now())
    return any(expiry is None or expiry > now for (expiry,) in deleted)


def sweep(session: Session) -> None:
    """Delete the records that expired."""
    session.connection.rows("DELETE FROM record WHERE expires_at <= ?", (microseconds(session.now()),))


def journalled(session: Session, limit: int) -> list[tuple[int, bytes]]:
    """Return the oldest journal entries as (sequence, entry)."""
    rows = session.connection.rows("SELECT sequence, entry FROM journal ORDER BY sequence LIMIT ?", (limit,))
    return [(sequence, entry) for sequence, entry in rows]


def forget_journalled(session: Session, sequences: Sequence[int]) -> int:
    """Delete the journal entries of these sequences; return how many there were."""
    statement = "DELETE FROM journal WHERE sequence IN (SELECT value FROM json_each(?)) RETURNING sequence"
    return len(session.connection.rows(statement, (json.dumps(list(sequences)),)))


def journal_length(session: Session) -> int:
    """Return how many entries the journal holds."""
    return int(session.connection.rows("SELECT count(*) FROM journal")[0][0])
