"""Requests that take too long are ended, others are not."""

import asyncio

import pytest

from fhir_server.asgi.deadline import Deadline

pytestmark = pytest.mark.anyio


async def test_a_work_that_ends_in_time_gives_its_value() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 3

    assert await Deadline(30.0).run(work()) == 3


async def test_a_work_that_does_not_end_is_cancelled_and_others_go_on() -> None:
    deadline = Deadline(0.05)
    is_cancelled = asyncio.Event()

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            is_cancelled.set()
            raise

    async def quick() -> str:
        await is_cancelled.wait()
        return "done"

    ended = asyncio.create_task(deadline.run(endless()))
    going = asyncio.create_task(Deadline(30.0).run(quick()))
    with pytest.raises(TimeoutError):
        await ended
    assert await going == "done"


async def test_who_is_cancelled_by_others_stays_cancelled() -> None:
    started = asyncio.Event()

    async def endless() -> None:
        started.set()
        await asyncio.Event().wait()

    task = asyncio.create_task(Deadline(30.0).run(endless()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
