"""Twins: databases of their own beside a named one, empty and alike, for the proof that nothing hidden is told."""

from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit, urlunsplit

from fhir_server.storage.mongodb.connection import Connection
from fhir_server.storage.mongodb.schema import migrate

_DATABASE: Final = "fhir"
_META: Final = "meta"


def beside(url: str, side: str) -> str:
    """Return the address of the database that stands for one side of a proof: its name says so, and it is emptied."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"/{parts.path.strip('/') or _DATABASE}-proof-{side}"))


async def make_alike(urls: Iterable[str]) -> None:
    """Make databases with the schema and one secret, so that equal cursors are equal texts, and nothing else."""
    secret: bytes | None = None
    for url in urls:
        connection = Connection(url)
        try:
            own = await migrate(connection)
            secret = own if secret is None else secret
            await connection.meta.update_one({"_id": "secret"}, {"$set": {"key": secret}})
            for name in await connection.database.list_collection_names():
                if name != _META:
                    await connection.database[name].delete_many({})
        finally:
            await connection.close()


async def drop(urls: Iterable[str]) -> None:
    """Drop the databases of a proof."""
    for url in urls:
        connection = Connection(url)
        try:
            await connection.client.drop_database(connection.database.name)
        finally:
            await connection.close()
