"""Records: what the server itself keeps (clients, users, sessions, keys, codes), and the audit journal.

A record's `_id` is its kind and its key, so that the records of a kind lie side by side; `e` is its expiry in
microseconds. Audit entries lie in `journal`, or, those of a single write, in the resource's own document: `j`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from fhir_server.foundation.dates import from_microseconds, microseconds
from fhir_server.storage.mongodb.fields import Document
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.store import Kept

CLAIMED_SECONDS: Final = 3600
"""A claim says nothing once its transaction is over: see `writing.claims`."""

_END: Final = "\0"
_NEXT: Final = "\1"
_HOLDING: Final[Document] = {"$match": {"j": {"$exists": True}, "j._id": {"$gt": 0}}}
"""Every sequence is greater than 0: said so that the index answers, which existence alone does not ask."""
_ENTRIES: Final[list[Document]] = [
    _HOLDING,
    {"$project": {"j": 1}},
    {"$unwind": "$j"},
    {"$replaceWith": "$j"},
]


def record_id(kind: str, key: str) -> str:
    """Return the `_id` of a record."""
    return f"{kind}{_END}{key}"


def _live(now: int) -> Document:
    return {"$or": [{"e": None}, {"e": {"$gt": now}}]}


async def record(scope: Scope, kind: str, key: str) -> bytes | None:
    """Return a live record, or None."""
    asked = {"_id": record_id(kind, key), **_live(scope.now)}
    found = await scope.one(scope.connection.record, asked, {"b": 1})
    return None if found is None else found["b"]


async def records(scope: Scope, kind: str) -> list[tuple[str, bytes]]:
    """Return the live records of a kind, by key."""
    asked = {"_id": {"$gte": kind + _END, "$lt": kind + _NEXT}, **_live(scope.now)}
    found = await scope.many(scope.connection.record, [{"$match": asked}, {"$sort": {"_id": 1}}])
    return [(one["_id"].partition(_END)[2], one["b"]) for one in found]


async def kept(scope: Scope, after: Kept | None, limit: int) -> list[Kept]:
    """Return the live records after one, by kind and key."""
    place = "" if after is None else record_id(after.kind, after.key)
    pipeline: list[Document] = [
        {"$match": {"_id": {"$gt": place}, **_live(scope.now)}},
        {"$sort": {"_id": 1}},
        {"$limit": limit},
    ]
    return [_kept(one) for one in await scope.many(scope.connection.record, pipeline)]


def _kept(document: Document) -> Kept:
    kind, _, key = document["_id"].partition(_END)
    return Kept(kind, key, document["b"], None if document["e"] is None else from_microseconds(document["e"]))


def record_fields(content: bytes, expires_at: datetime | None) -> Document:
    """Return the fields of a record."""
    return {"b": content, "e": None if expires_at is None else microseconds(expires_at)}


async def delete_record(scope: Scope, kind: str, key: str) -> bool:
    """Delete a record; say whether there was a live one."""
    found = await scope.connection.record.find_one_and_delete({"_id": record_id(kind, key)}, session=scope.session)
    return found is not None and (found["e"] is None or found["e"] > scope.now)


async def sweep(scope: Scope) -> None:
    """Delete the records that expired, and the claims that no transaction can still hold."""
    # The index holds those that expire: the type is said so that it is asked.
    await scope.connection.record.delete_many({"e": {"$type": "long", "$lte": scope.now}})
    await scope.connection.claim.delete_many({"u": {"$lte": scope.now - CLAIMED_SECONDS * 1_000_000}})


async def journalled(scope: Scope, limit: int) -> list[tuple[int, bytes]]:
    """Return the oldest journal entries as (sequence, entry)."""
    oldest: list[Document] = [{"$sort": {"_id": 1}}, {"$limit": limit}]
    held: list[Document] = [_HOLDING, {"$sort": {"j._id": 1}}, {"$limit": limit}, *_ENTRIES]
    found = await scope.union((scope.connection.journal, []), (scope.connection.resource, held), oldest)
    return sorted((one["_id"], one["b"]) for one in found)[:limit]


async def forget_journalled(scope: Scope, sequences: Sequence[int]) -> int:
    """Delete the journal entries of these sequences; return how many there were."""
    wanted = {"$in": list(sequences)}
    deleted = await scope.connection.journal.delete_many({"_id": wanted}, session=scope.session)
    if deleted.deleted_count == len(sequences):
        return deleted.deleted_count
    held = {"j": {"$exists": True}, "j._id": wanted}
    counted = await scope.many(
        scope.connection.resource,
        [{"$match": held}, *_ENTRIES, {"$match": {"_id": wanted}}, {"$count": "n"}],
    )
    rest = {"$filter": {"input": "$j", "cond": {"$not": [{"$in": ["$$this._id", list(sequences)]}]}}}
    emptied = {"$cond": [{"$eq": ["$j", []]}, "$$REMOVE", "$j"]}
    await scope.connection.resource.update_many(
        held, [{"$set": {"j": rest}}, {"$set": {"j": emptied}}], session=scope.session
    )
    return deleted.deleted_count + (int(counted[0]["n"]) if counted else 0)


async def journal_length(scope: Scope) -> int:
    """Return how many entries the journal holds."""
    alone = await scope.connection.journal.count_documents({"_id": {"$gt": 0}}, hint="_id_", session=scope.session)
    size: Document = {"$group": {"_id": None, "n": {"$sum": {"$size": "$j"}}}}
    held = await scope.many(scope.connection.resource, [_HOLDING, size])
    return alone + (int(held[0]["n"]) if held else 0)
