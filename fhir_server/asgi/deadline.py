"""Deadline: requests that take too long are ended.

Choice: one timer looks at all requests, as a timer for each costs half of what a read does.
"""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

T = TypeVar("T")
TICK_SECONDS: Final = 1.0


class Deadline:
    """Gives every work that runs the same time, to the second."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._tick = min(TICK_SECONDS, seconds / 4)
        self._due: dict[asyncio.Task[Any], float] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._timer: asyncio.TimerHandle | None = None

    async def run(self, work: Awaitable[T]) -> T:
        """Return what the work gives; cancel it and raise TimeoutError when its time is over."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        self._due[task] = loop.time() + self.seconds
        if self._timer is None:
            self._timer = loop.call_later(self._tick, self._sweep, loop)
        try:
            return await work
        except asyncio.CancelledError:
            if task not in self._ended or task.uncancel():
                raise
            raise TimeoutError from None
        finally:
            del self._due[task]
            self._ended.discard(task)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        self._timer = loop.call_later(self._tick, self._sweep, loop) if self._due else None
        now = loop.time()
        for task, due in self._due.items():
            if now >= due and task not in self._ended:
                self._ended.add(task)
                task.cancel()
