"""`fhir-server prove-access`: look for a request that tells what is hidden, for as long as one likes."""

import asyncio
import time
from itertools import count
from random import Random

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from fhir_server.commands.proving.cases import CASES, Case, draw
from fhir_server.commands.proving.leaks import Leak, first_leak, smallest, twins
from fhir_server.commands.proving.shapes import draw_calls
from fhir_server.commands.proving.sides import Sides, sides_at

REQUESTS = 60
"""Requests put to one pair of worlds, before the next one is drawn."""


class Search(msgspec.Struct, frozen=True):
    """How long to look, and from which seed: the same seed draws the same worlds and requests.

    `store` is the address of a MongoDB, beside whose database the twins are kept; "" keeps them in a folder.
    """

    seconds: float
    seed: int
    store: str = ""


class Found(msgspec.Struct):
    """What the search did: requests asked of both worlds, pairs of worlds, and the leak that ended it."""

    requests: int = 0
    worlds: int = 0
    leak: Leak | None = None


def run(search: Search, console: Console) -> int:
    """Look for a leak and print it, made as small as it gets; return 1 when there is one."""
    found = asyncio.run(_run(search, console))
    if found.leak is None:
        console.print(
            f"[bold green]no leak[/bold green]: {found.requests:,} requests in {found.worlds:,} pairs of worlds, "
            f"{len(CASES)} kinds of callers and hidden items, seed {search.seed}"
        )
        return 0
    console.print(f"[bold red]a leak[/bold red], after {found.requests:,} requests (seed {search.seed})")
    console.print(escape(str(found.leak)), soft_wrap=True, highlight=False)
    return 1


async def _run(search: Search, console: Console) -> Found:
    found = Found()
    async with sides_at(search.store) as sides:
        with Progress(console=console) as progress:
            await _look(search, sides, progress, found)
    return found


async def _look(search: Search, sides: Sides, progress: Progress, found: Found) -> None:
    until = time.monotonic() + search.seconds
    task = progress.add_task("Looking for leaks", total=search.seconds)
    for round_number in count():
        for case in CASES:
            if time.monotonic() > until or found.leak is not None:
                return
            random = Random(f"{search.seed} {round_number} {case.name}")  # noqa: S311 - it draws what to ask
            await _prove(sides, case, random, found)
            _tell(progress, task, found, search.seconds - (until - time.monotonic()))


async def _prove(sides: Sides, case: Case, random: Random, found: Found) -> None:
    drawn = draw(random)
    calls = list(draw_calls(random, REQUESTS))
    async with twins(sides, case, drawn) as pair:
        leak = await first_leak(pair, case, calls)
    found.worlds += 1
    found.requests += len(calls) if leak is None else calls.index(leak.call) + 1
    if leak is not None:
        found.leak = await smallest(sides, case, drawn, leak)


def _tell(progress: Progress, task: TaskID, found: Found, done_seconds: float) -> None:
    progress.update(task, completed=done_seconds, description=f"Looking for leaks: {found.requests:,} requests")
