"""Schema: the collections and their indexes, made and changed while others work.

Each step may be repeated: the engine leaves an index alone that is there, so that a migration which was interrupted, or
which several servers begin at once, goes on. Indexes are built without stopping writers (MongoDB 4.4 and later).
"""

import secrets
from typing import Any, Final

from bson.binary import Binary
from pymongo import ASCENDING, DESCENDING, IndexModel
from pymongo.errors import CollectionInvalid, OperationFailure

from fhir_server.foundation.operation_outcome import Unavailable
from fhir_server.storage.mongodb.connection import Connection, is_duplicate

VERSION: Final = 2
"""Raised with each step that is added to STEPS."""

_NAMESPACE_EXISTS: Final = 48
_Keys = tuple[tuple[str, int], ...]


def _keys(text: str) -> _Keys:
    """Return the keys of `t u- o`: a minus says descending."""
    return tuple((name.rstrip("-"), DESCENDING if name.endswith("-") else ASCENDING) for name in text.split())


def _index(text: str, **options: Any) -> IndexModel:
    return IndexModel(_keys(text), name=text.replace(" ", "_"), **options)


INDEXES: Final[dict[str, tuple[IndexModel, ...]]] = {
    "resource": (
        # The order of creation is also what tells one resource from the next page's.
        _index("o", unique=True),
        _index("p t o", partialFilterExpression={"p": {"$exists": True}}),
        _index("t o"),
        _index("x t o"),
        _index("t u o"),
        _index("t u- o"),
        _index("u o v"),
        _index("n.k n.l n.h"),
        _index("w t"),
        _index("j._id", partialFilterExpression={"j": {"$exists": True}}),
    ),
    "history": (_index("k v"), _index("t u o v"), _index("u o v")),
    "relation": (_index("p a"), _index("a p"), _index("o")),
    "record": (_index("e", partialFilterExpression={"e": {"$type": "long"}}),),
    "journal": (),
    "claim": (_index("u"),),
    "loc": (),
    "meta": (),
}


async def migrate(connection: Connection) -> bytes:
    """Make what is missing, note the version, and return the secret of cursors. Raises Unavailable for a newer one."""
    stored = await connection.meta.find_one({"_id": "schema"})
    if stored is not None and stored["version"] > VERSION:
        raise Unavailable("The database was made by a newer version of this server: upgrade this one.")
    if stored is None or stored["version"] < VERSION:
        await _make(connection)
        await connection.meta.update_one({"_id": "schema"}, {"$max": {"version": VERSION}}, upsert=True)
    return await _secret(connection)


async def check(connection: Connection) -> None:
    """Raise Unavailable unless the database answers and has the schema that this server knows."""
    stored = await connection.meta.find_one({"_id": "schema"})
    if stored is None or stored["version"] != VERSION:
        raise Unavailable("The database has another schema than this server: start servers of one version.")


async def check_deployment(connection: Connection) -> bool:
    """Say whether it is a sharded cluster; raises Unavailable for a single server, which has no transactions."""
    hello = await connection.client.admin.command("hello")
    is_sharded = hello.get("msg") == "isdbgrid"
    if "setName" not in hello and not is_sharded:
        raise Unavailable(
            "The database is a single mongod: make it a replica set, of one member at least "
            "(mongod --replSet rs, then rs.initiate()), for transactions need one."
        )
    return is_sharded


async def _make(connection: Connection) -> None:
    for name, indexes in INDEXES.items():
        try:
            await connection.database.create_collection(name)
        except CollectionInvalid:
            pass
        except OperationFailure as error:
            if error.code != _NAMESPACE_EXISTS:
                raise
        if indexes:
            await connection.database[name].create_indexes(list(indexes))


async def _secret(connection: Connection) -> bytes:
    kept = await connection.meta.find_one({"_id": "secret"})
    if kept is None:
        try:
            await connection.meta.insert_one({"_id": "secret", "key": Binary(secrets.token_bytes(32))})
        except OperationFailure as error:
            if not is_duplicate(error):
                raise
        kept = await connection.meta.find_one({"_id": "secret"})
    assert kept is not None
    return bytes(kept["key"])
