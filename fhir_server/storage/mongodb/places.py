"""Places: on which shard of a cluster a resource is, told by its reference: `loc`, whose `_id` is Type/id, and `c`.

A Patient's reference tells its shard. Another resource lies with the patient whom it refers to, and its address does
not name that patient; and the engine keeps ids unique within one value of `c` only.
Choice: on a cluster, a first version under an id that a client chose writes its place in the same transaction, after
the id was looked for on all shards: the place is what two such writers meet in, and an id never exists twice. An id
that this server drew is random and cannot: its place is noted once the create is acknowledged, many in one command, so
that a create stays one command. So a place is no proof of absence: whoever finds nothing there asks all shards.
Choice: a read asks two shards, one for the place and one for the resource, whatever the number of shards; all shards
at once would cost each of them a search for each read. On a replica set, where `_id` is unique, a read is one command
and `loc` stays empty.
"""

import asyncio
import contextlib
import logging
import re
from collections.abc import Iterable
from typing import Final

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError

from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.storage.mongodb.connection import Connection, within
from fhir_server.storage.mongodb.fields import SHARED, Document, shard_key
from fhir_server.storage.mongodb.scope import Scope

_DRAWN: Final = re.compile(r"[A-Za-z]+/[0-9a-f]{8}-[0-9a-f]{4}-[47][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
_PAUSE_SECONDS: Final = 0.4
_AGAIN_SECONDS: Final = 5.0
_TOGETHER: Final = 1_000
_MAXIMUM: Final = 100_000
_FILLING: Final = "places"
_log: Final = logging.getLogger(__name__)


def is_drawn(reference: str) -> bool:
    """Say whether the id has the shape of those that this server draws: a UUID, random or of the time and random."""
    return _DRAWN.fullmatch(reference) is not None


def name_of(reference: str) -> Document:
    """Return the query for a resource; that of a patient names its shards, others are looked for everywhere."""
    if reference.startswith("Patient/"):
        return {"_id": reference, "c": {"$in": [shard_key(reference), SHARED]}}
    return {"_id": reference}


async def names_of(scope: Scope, reference: str) -> list[Document]:
    """Return the queries for a resource, to be asked until one finds it: where its place is told, then everywhere."""
    everywhere = name_of(reference)
    if not scope.is_sharded or "c" in everywhere:
        return [everywhere]
    place = await scope.one(scope.connection.loc, {"_id": reference}, {"c": 1})
    return [everywhere] if place is None else [{"_id": reference, "c": place["c"]}, everywhere]


def placed(places: Iterable[tuple[str, int]]) -> list[UpdateOne]:
    """Return the writes that tell the places of resources, which may have been elsewhere before."""
    return [UpdateOne({"_id": reference}, {"$set": {"c": shard}}, upsert=True) for reference, shard in places]


class Places:
    """Notes, in the background, the places of resources that were created, and of those from before the cluster.

    A note never replaces a place: a resource that moved since has told its own. `seconds` bounds each command.
    """

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection = connection
        self._seconds = seconds
        self._waiting: list[Document] = []
        self._has_some = asyncio.Event()
        self._tasks = (asyncio.create_task(self._note_always()), asyncio.create_task(self._fill()))

    def note(self, places: Iterable[tuple[str, int]]) -> None:
        """Have places noted soon; when far too many wait, forget them: reads then ask all shards."""
        if len(self._waiting) < _MAXIMUM:
            self._waiting += ({"_id": reference, "c": shard} for reference, shard in places)
            self._has_some.set()

    async def close(self) -> None:
        """Note what waits, if that can be done now."""
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        with contextlib.suppress(FhirError):
            await self._write()

    async def _note_always(self) -> None:
        while True:
            await self._has_some.wait()
            self._has_some.clear()
            await asyncio.sleep(_PAUSE_SECONDS)
            try:
                await self._write()
            except FhirError:
                _log.exception("places could not be noted; they wait")
                self._has_some.set()

    async def _write(self) -> None:
        while self._waiting:
            sent = self._waiting[:_TOGETHER]
            await self._insert(sent)
            del self._waiting[: len(sent)]

    async def _fill(self) -> None:
        while True:
            try:
                while await self._fill_some():
                    pass
            except FhirError:
                _log.exception("places could not be noted; this goes on later")
                await asyncio.sleep(_AGAIN_SECONDS)
            else:
                return

    async def _fill_some(self) -> bool:
        """Note the places of some resources, in order of creation, from where any server came to; say whether any."""
        meta = self._connection.meta
        with within(self._seconds):
            state = await meta.find_one({"_id": _FILLING}) or {"o": -1, "is_done": False}
            if state["is_done"]:
                return False
            later = self._connection.resource.find({"o": {"$gt": state["o"]}}, {"c": 1, "o": 1})
            found = await later.sort("o", 1).limit(_TOGETHER).to_list()
        others = (one for one in found if not one["_id"].startswith("Patient/"))
        await self._insert([{"_id": one["_id"], "c": one["c"]} for one in others])
        with within(self._seconds):
            # Two servers may do the same part at once: neither takes the other back.
            change = {"$max": {"o": found[-1]["o"] if found else -1, "is_done": not found}}
            await meta.update_one({"_id": _FILLING}, change, upsert=True)
        return bool(found)

    async def _insert(self, places: list[Document]) -> None:
        if not places:
            return
        with within(self._seconds):
            try:
                await self._connection.loc.insert_many(places, ordered=False)
            except BulkWriteError as error:
                if any(one["code"] != 11000 for one in error.details["writeErrors"]):
                    raise
