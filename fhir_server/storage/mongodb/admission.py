"""Admission: how much one process asks the database at once, and how many callers may wait for their turn.

Choice: a driver that is asked for more keeps everybody waiting until all run out of time, and whoever was served last
is served nothing. Here so many run, so many wait, and whoever comes then is told at once to come again.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fhir_server.foundation.operation_outcome import Unavailable

_BUSY: Final = "This server is asked more than it can answer now: try again later."


class Admission:
    """Lets `running` questions and works run and `waiting` others wait, `seconds` at most."""

    def __init__(self, running: int, waiting: int, seconds: float) -> None:
        self._turns = asyncio.Semaphore(running)
        self._waiting = 0
        self._waiting_maximum = waiting
        self._seconds = seconds

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Wait for a turn, and take it for the length of the block. Raises Unavailable."""
        if self._turns.locked():
            await self._wait()
        else:
            await self._turns.acquire()
        try:
            yield
        finally:
            self._turns.release()

    async def _wait(self) -> None:
        if self._waiting >= self._waiting_maximum:
            raise Unavailable(_BUSY)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(_BUSY) from None
        finally:
            self._waiting -= 1
