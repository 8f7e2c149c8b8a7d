"""Claims: what a transaction read and relies on, written down, so that no other may change it at the same moment.

The engine gives each transaction a snapshot and lets one of two win that write the same document; of what was only
read or searched it knows nothing. So a transaction that writes also touches what it read (`y` of the document), and
claims, in a collection of their own, the resources it found unknown and the keys it searched by. Whoever writes such a
key after having read something claims it too. Two conditional creates of one identifier then meet in one claim.
Choice: keys that identify (an identifier, a link that access follows) are claimed each; any other search is claimed as
a whole, so that only the same search is kept out; claiming a status or a code would let one writer work at a time.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Final

from pymongo import UpdateMany, UpdateOne

from fhir_server.search.condition import Compare
from fhir_server.storage.mongodb.fields import Document
from fhir_server.storage.mongodb.printing.start import keys_of
from fhir_server.storage.rank import parts
from fhir_server.storage.store import Search

_IDENTIFYING: Final = ("1_identifier>", "1_masterIdentifier>", "6__document>", "6__attachment>")


def searched(search: Search) -> list[str]:
    """Return what a search within a transaction claims."""
    found: list[str] = []
    for part in parts(search.condition):
        keys = keys_of(part) if isinstance(part, Compare) else None
        if keys and all(key.startswith(_IDENTIFYING) for key in keys):
            found += [f"{search.resource_type}?{key}" for key in keys]
    return found or [f"{search.resource_type}?{search.condition!r}"]


def written(document: Document) -> list[str]:
    """Return what a document that a transaction writes claims, once the transaction has read something."""
    keys = [key for key in document.get("x", ()) if key.startswith(_IDENTIFYING)]
    types = (document["_id"].partition("/")[0], "")
    return [document["_id"], *(f"{resource_type}?{key}" for resource_type in types for key in keys)]


def claim(names: Iterable[str], now: int) -> list[UpdateOne]:
    """Return the writes that claim; the names themselves, which may hold an identifier, are not kept."""
    digests = sorted({blake2b(name.encode(errors="replace"), digest_size=16).hexdigest() for name in names})
    return [UpdateOne({"_id": digest}, {"$inc": {"n": 1}, "$set": {"u": now}}, upsert=True) for digest in digests]


def touch(ids: Iterable[str], shards: Iterable[int] = ()) -> UpdateMany:
    """Return the write that touches documents which were read; of resources, `shards` are the keys that they have."""
    named: Document = {"_id": {"$in": sorted(ids)}}
    keys = sorted(set(shards))
    return UpdateMany({**named, "c": {"$in": keys}} if keys else named, {"$inc": {"y": 1}})
