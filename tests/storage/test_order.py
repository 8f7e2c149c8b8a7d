"""Pages sorted by date, under conditions that may find much: walking an index gives what sorting gives."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.foundation.resource import Version
from fhir_server.search.condition import ALWAYS, Condition, Not
from fhir_server.search.index_row import DATE, TOKEN
from fhir_server.storage.store import Search, Sort
from tests.storage.backends import VARIANTS, new_folder
from tests.storage.resources import has_code
from tests.storage.test_meaning import Make, all_pages, filled
from tests.storage.worlds import NOW, Item, World, expected

LOWS = st.sampled_from((0, 10, 20, 30))
DATES = st.tuples(LOWS, LOWS).map(lambda ends: (DATE, "date", 0, min(ends), max(ends) + 10))
CODES = st.sampled_from(("a", "a", "b")).map(lambda code: (TOKEN, "code", 0, "", code))
SORTS = st.sampled_from(
    (
        (Sort("date", DATE),),
        (Sort("date", DATE, is_descending=True),),
        (Sort("date", DATE, is_descending=True), Sort("_lastUpdated")),
        (Sort("date", DATE), Sort("code", TOKEN, is_descending=True)),
        (Sort("_lastUpdated", is_descending=True), Sort("date", DATE)),
        (Sort("_lastUpdated"),),
    )
)
CONDITIONS = st.sampled_from((ALWAYS, has_code("a"), Not(has_code("b"))))


@st.composite
def dated(draw: st.DrawFn) -> World:
    items = []
    for number in range(draw(st.integers(3, 7))):
        updated = NOW + timedelta(milliseconds=draw(st.integers(0, 2)))
        stored = Version("Observation", str(number), 1, updated, b"{}")
        items.append(Item(stored, (draw(CODES), *draw(st.lists(DATES, max_size=3)))))
    return World(tuple(items))


@pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS.keys())
@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(world=dated(), sorts=SORTS, condition=CONDITIONS, limit=st.integers(1, 3))
def test_a_walk_gives_what_sorting_gives(
    make: Make, world: World, sorts: tuple[Sort, ...], condition: Condition, limit: int
) -> None:
    async def ask(folder: str) -> None:
        store = make(Path(folder), now=lambda: NOW)
        await filled(store, world)
        found = await all_pages(store, Search("Observation", condition, sort=sorts, limit=limit))
        await store.close()
        assert found == expected(world, "Observation", condition, sorts)

    with new_folder() as folder:
        asyncio.run(ask(folder))
