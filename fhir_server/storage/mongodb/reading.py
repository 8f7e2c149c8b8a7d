"""Reading: one version of one resource, in one command; on a cluster, `places` may tell the shard first.

Spec: http.html#read, http.html#vread
"""

from typing import Final

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.storage.mongodb.fields import SHOWN, Document, version_of
from fhir_server.storage.mongodb.places import name_of, names_of
from fhir_server.storage.mongodb.printing.condition import Printer, holds, is_local, matching
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.store import Listing

INSIDE: Final[Document] = {**SHOWN, "o": 1, "e": 1}
"""What a transaction shows of a current version, to write the next one."""


async def read(scope: Scope, reference: str, within: Condition, shown: Document = SHOWN) -> Document | None:
    """Return the document of the current version, a deleted one too, or None when unknown or outside `within`."""
    for named in await names_of(scope, reference):
        found = await _read(scope, named, within, shown)
        if found is not None:
            return found
    return None


async def _read(scope: Scope, named: Document, within: Condition, shown: Document) -> Document | None:
    if within == ALWAYS:
        return await scope.one(scope.connection.resource, named, shown)
    if is_local(within):
        asked = {**named, "$and": [holds(Printer(scope.now), within)]}
        return await scope.one(scope.connection.resource, asked, shown)
    pipeline = [*matching(Printer(scope.now), within, named), {"$project": shown}]
    found = await scope.many(scope.connection.resource, pipeline)
    return found[0] if found else None


async def vread(scope: Scope, reference: str, version_id: int, within: Condition) -> Version | None:
    """Return one version, or None when unknown or when the current one is outside `within`."""
    if not 0 < version_id < 2**63:
        return None
    older = {**name_of(reference), "_id": f"{reference}/{version_id}"}
    pipeline = [{"$match": older}, {"$project": SHOWN}]
    joined: Document = {"$lookup": {"from": "history", "pipeline": pipeline, "as": "older"}}
    shown = {"$project": {**SHOWN, "older": 1}}
    for named in await names_of(scope, reference):
        stages = [*matching(Printer(scope.now), within, named), joined, shown]
        for document in await scope.many(scope.connection.resource, stages):
            return next((version_of(one) for one in (document, *document["older"]) if one["v"] == version_id), None)
    return None


async def listing(scope: Scope, after: str, limit: int) -> Listing:
    """Return references in order of creation, those after a place."""
    pipeline: list[Document] = [
        {"$match": {"o": {"$gt": int(after or -1)}}},
        {"$sort": {"o": 1}},
        {"$limit": limit + 1},
        {"$project": {"o": 1}},
    ]
    found = await scope.many(scope.connection.resource, pipeline)
    references = [one["_id"] for one in found[:limit]]
    return Listing(references, str(int(found[limit - 1]["o"])) if len(found) > limit else "")
