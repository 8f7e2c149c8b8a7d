"""Elections: after one, nothing is answered before the new primary knows what was acknowledged by the one before.

A primary that was just elected has every acknowledged write, but may not know yet that a majority has it, and then
answers a read from an earlier moment: the caller would not find what it wrote. A linearizable read ends once all that
came before it is with a majority, so the first question after an election waits for one; others pay nothing for it.
Choice: not a causally consistent session, which would know the writes of this process only, and cost each command. On
a sharded cluster the router does not tell elections: a read may there be older, for the moment that an election takes.
Source: https://www.mongodb.com/docs/v6.0/reference/read-concern-linearizable/
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

from bson import ObjectId
from pymongo import AsyncMongoClient
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.read_concern import ReadConcern

T = TypeVar("T")
LINEARIZABLE: Final = ReadConcern("linearizable")


class Elections:
    """Knows the last election after which the primary was found to know everything; `meta` is any collection."""

    def __init__(self, client: AsyncMongoClient[dict[str, Any]], meta: AsyncCollection[dict[str, Any]]) -> None:
        self._client = client
        self._meta = meta.with_options(read_concern=LINEARIZABLE)
        self._settled: ObjectId | None = None
        self._lock = asyncio.Lock()

    @property
    def current(self) -> ObjectId | None:
        """Return the election that the driver heard of last, None on a cluster, and before there is a primary."""
        election: ObjectId | None = self._client.topology_description.max_election_id
        return election

    async def settled(self) -> ObjectId | None:
        """Return the current election, once its primary knows all that was acknowledged before."""
        while (election := self.current) != self._settled:
            async with self._lock:
                if self.current != self._settled:
                    election = self.current
                    await self._meta.find_one({"_id": "schema"}, {"_id": 1})
                    self._settled = election
        return election

    async def ask(self, question: Callable[[], Awaitable[T]]) -> T:
        """Return an answer that was given after what this process was told before; asks again after an election."""
        while True:
            election = await self.settled()
            answer = await question()
            if self.current == election:
                return answer
