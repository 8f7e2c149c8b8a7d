"""The meaning of conditions, orders, pages and includes: every backend answers what `match` says."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhir_server.search.condition import ALWAYS, Condition, Identity, OfType
from fhir_server.search.match import match
from fhir_server.storage.store import History, Include, Search, Sort, Store, Transaction
from tests.storage.backends import VARIANTS, new_folder
from tests.storage.worlds import NOW, SORTS, TYPES, World, conditions, expected, expected_included, includes, worlds

ROUNDS = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
each_backend = pytest.mark.parametrize("make", VARIANTS.values(), ids=VARIANTS.keys())
Make = Callable[..., Store]
Question = tuple[str, Condition, Condition, tuple[Sort, ...], int]


async def filled(store: Store, world: World) -> None:
    async def work(transaction: Transaction) -> None:
        for item in world.items:
            await transaction.put(item.version, item.rows)

    await store.open()
    await store.transact(work)


async def all_pages(store: Store, search: Search) -> list[str]:
    found: list[str] = []
    while True:
        page = await store.search(search)
        assert len(page.versions) <= search.limit
        found += [version.reference for version in page.versions]
        if not page.cursor:
            return found
        assert len(page.versions) == search.limit
        search = Search(
            search.resource_type, search.condition, search.within, search.sort, search.limit, cursor=page.cursor
        )


@st.composite
def scenes(draw: st.DrawFn) -> tuple[World, list[Question]]:
    world = draw(worlds())
    asked = st.tuples(
        st.sampled_from((*TYPES, "")),
        conditions(world),
        st.one_of(st.just(ALWAYS), conditions(world)),
        st.lists(SORTS, max_size=2).map(tuple),
        st.integers(1, 4),
    )
    return world, draw(st.lists(asked, min_size=1, max_size=8))


@st.composite
def decisions(draw: st.DrawFn) -> tuple[World, list[Condition]]:
    world = draw(worlds())
    return world, draw(st.lists(conditions(world), min_size=1, max_size=6))


@each_backend
@ROUNDS
@given(scene=scenes())
def test_a_search_finds_what_match_says(make: Make, scene: tuple[World, list[Question]]) -> None:
    world, questions = scene

    async def ask(folder: str) -> None:
        store = make(Path(folder), now=lambda: NOW)
        await filled(store, world)
        try:
            for resource_type, condition, within, sorts, limit in questions:
                both = [
                    reference
                    for reference in expected(world, resource_type, condition, sorts)
                    if reference in set(expected(world, resource_type, within, ()))
                ]
                search = Search(resource_type, condition, within, sorts, limit, needs_total=True)
                assert await all_pages(store, search) == both
                assert (await store.search(search)).total == len(both)
        finally:
            await store.close()

    with new_folder() as folder:
        asyncio.run(ask(folder))


@each_backend
@ROUNDS
@given(scene=decisions())
def test_a_read_is_judged_as_match_says(make: Make, scene: tuple[World, list[Condition]]) -> None:
    world, asked = scene

    async def ask(folder: str) -> None:
        store = make(Path(folder), now=lambda: NOW)
        await filled(store, world)
        try:
            for condition in asked:
                for item in world.items:
                    seen = item.version if match(condition, item.subject, world) else None
                    name = (item.version.resource_type, item.version.resource_id)
                    assert await store.read(*name, within=condition) == seen
                    assert await store.vread(*name, 1, within=condition) == seen
                    page = await store.history(History(*name, within=condition))
                    assert page.versions == ([] if seen is None else [seen])
        finally:
            await store.close()

    with new_folder() as folder:
        asyncio.run(ask(folder))


@each_backend
@ROUNDS
@given(
    world=worlds(),
    condition=st.sampled_from((ALWAYS, OfType(("Observation",)), Identity(("a", "b")))),
    asked=st.lists(includes(), min_size=1, max_size=3),
)
def test_includes_are_what_references_say(make: Make, world: World, condition: Condition, asked: list[Include]) -> None:
    async def ask(folder: str) -> None:
        store = make(Path(folder), now=lambda: NOW)
        await filled(store, world)
        try:
            page = await store.search(Search("", condition, includes=tuple(asked)))
            included = [version.reference for version in page.included]
            assert len(included) == len(set(included))
            matches = [version.reference for version in page.versions]
            assert set(included) == expected_included(world, matches, asked)
        finally:
            await store.close()

    with new_folder() as folder:
        asyncio.run(ask(folder))
