"""Leases: one holder at a time, for as long as it renews."""

import asyncio
from collections.abc import Callable

import pytest

from fhir_server.storage.lease import Lease
from fhir_server.storage.store import Store
from tests.storage.conftest import Clock

pytestmark = pytest.mark.anyio


async def test_one_of_many_takes_a_lease_and_keeps_it_while_it_renews(store: Store, clock: Clock) -> None:
    wishes = [Lease(store, "work", clock, seconds=30) for _ in range(5)]
    taken = await asyncio.gather(*(wish.take() for wish in wishes))
    assert sum(taken) == 1
    holder = wishes[taken.index(True)]
    for _ in range(4):
        clock.advance(20)
        assert await holder.take()
    others = [wish for wish in wishes if wish is not holder]
    assert not any([await other.take() for other in others])


async def test_a_lease_ends_by_time_or_when_it_is_given_up(
    store: Store, make: Callable[[], Store], clock: Clock
) -> None:
    other_store = make()
    await other_store.open()
    first, second = Lease(store, "work", clock, seconds=30), Lease(other_store, "work", clock, seconds=30)
    assert await first.take()
    assert not await second.take()
    clock.advance(30)
    assert await second.take()
    assert not await first.take()
    await first.give_up()
    assert not await first.take()
    await second.give_up()
    assert await first.take()
    await other_store.close()
