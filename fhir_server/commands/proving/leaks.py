"""Leaks: ask twin worlds the same, and find the smallest request that is not answered alike."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from fhir_server.commands.proving.cases import Case, Drawn, worlds
from fhir_server.commands.proving.records import Resource
from fhir_server.commands.proving.shapes import TRAIL, simpler
from fhir_server.commands.proving.sides import Sides
from fhir_server.commands.proving.twins import NUMBERED, Answer, Call, World
from fhir_server.storage.store import Store

Wrap = Callable[[Store], Store]
SHOWN: Final = 400
"""Characters of an answer around the first difference that a report shows."""


class Leak(msgspec.Struct, frozen=True):
    """A request whose answer tells whether the hidden items exist; `with_hidden` and `without` are the two answers."""

    case: str
    call: Call
    with_hidden: Answer
    without: Answer

    def __str__(self) -> str:
        """Return what a person needs to see it again."""
        one, other = (_lines(answer) for answer in (self.with_hidden, self.without))
        at = next((i for i, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), 0)
        start = max(0, at - SHOWN // 4)
        shown = (text[start : start + SHOWN] for text in (one, other))
        return f"{self.case}\n{self.call}\nwith the hidden items: {next(shown)}\nwithout: {next(shown)}"


def _lines(answer: Answer) -> str:
    headers = "".join(f"{name}: {value}\n" for name, value in answer.headers)
    return f"{answer.status}\n{headers}\n{answer.body}"


@asynccontextmanager
async def twins(
    sides: Sides, case: Case, drawn: Drawn, wrapped: Wrap = lambda store: store
) -> AsyncIterator[tuple[World, World]]:
    """Open two worlds: with the hidden items, and without; they are stored amid the others."""
    common, hidden = worlds(case, drawn)
    async with sides.stores() as (one, other):
        pair = World(one, wrapped), World(other, wrapped)
        for world, more in zip(pair, (hidden, []), strict=True):
            await world.opened.open()
            await world.fill(_timed(common, more))
        try:
            yield pair
        finally:
            for world in pair:
                await world.opened.close()


def _timed(common: list[Resource], more: list[Resource]) -> list[tuple[int, Resource]]:
    middle = len(common) // 2
    timed = [(10 * second, resource) for second, resource in enumerate(common)]
    timed[middle:middle] = [(10 * middle - 9, resource) for resource in more]
    return timed


async def first_leak(pair: tuple[World, World], case: Case, calls: Iterable[Call]) -> Leak | None:
    """Return the first request that tells the worlds apart, None when none does."""
    for call in calls:
        with_hidden, without = [await world.answers(case.grant, call) for world in pair]
        if with_hidden != without and not (call == TRAIL and _events(with_hidden) == _events(without)):
            return _leak(case, call, with_hidden, without)
    return None


def _events(answers: list[Answer]) -> list[str]:
    """Return the events of a trail in an order of their own: those of one instant become events in any order."""
    # Before the entries come the links, whose cursors are opened: no JSON any more.
    parts = [answer.body.partition('"entry":') for answer in answers]
    bundles = [msgspec.json.decode(f"{{{mark}{rest}".encode("latin-1")) for _, mark, rest in parts if mark]
    events = [msgspec.json.encode(entry["resource"]).decode() for bundle in bundles for entry in bundle["entry"]]
    return sorted(NUMBERED.sub("drawn", event) for event in events)


def _leak(case: Case, call: Call, with_hidden: list[Answer], without: list[Answer]) -> Leak:
    for one, other in zip(with_hidden, without, strict=False):
        if one != other:
            return Leak(case.name, call, one, other)
    return Leak(case.name, call, with_hidden[-1], without[-1])


async def smallest(sides: Sides, case: Case, drawn: Drawn, leak: Leak) -> Leak:
    """Return the leak by the simplest request that still shows it, each tried in fresh worlds."""
    while True:
        for call in (leak.call, *simpler(leak.call)):
            if call == leak.call:
                continue
            async with twins(sides, case, drawn) as pair:
                found = await first_leak(pair, case, [call])
            if found is not None:
                leak = found
                break
        else:
            return leak
