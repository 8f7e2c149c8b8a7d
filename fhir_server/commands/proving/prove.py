"""`fhir-server prove-access`: look for a request that tells what is hidden, for as long as one likes."""

import asyncio
import tempfile
import time
from itertools import count
from pathlib import Path
from random import Random

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress, TaskID

from fhir_server.commands.proving.cases import CASES, Case, draw
from fhir_server.commands.proving.leaks import Leak, first_leak, make_template, smallest, twins
from fhir_server.commands.proving.shapes import draw_calls

REQUESTS = 60
"""Requests put to one pair of worlds, before the next one is drawn."""


class Search(msgspec.Struct, frozen=True):
    """How long to look, and from which seed: the same seed draws the same worlds and requests."""

    seconds: float
    seed: int


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
    until = time.monotonic() + search.seconds
    with tempfile.TemporaryDirectory(prefix="fhir-server-proof-") as folder, Progress(console=console) as progress:
        task = progress.add_task("Looking for leaks", total=search.seconds)
        await make_template(Path(folder))
        for round_number in count():
            for case in CASES:
                if time.monotonic() > until:
                    return found
                random = Random(f"{search.seed} {round_number} {case.name}")  # noqa: S311 - it draws what to ask
                await _prove(Path(folder), case, random, found)
                _tell(progress, task, found, search.seconds - (until - time.monotonic()))
                if found.leak is not None:
                    return found
    return found


async def _prove(template: Path, case: Case, random: Random, found: Found) -> None:
    drawn = draw(random)
    calls = list(draw_calls(random, REQUESTS))
    async with twins(template, case, drawn) as pair:
        leak = await first_leak(pair, case, calls)
    found.worlds += 1
    found.requests += len(calls) if leak is None else calls.index(leak.call) + 1
    if leak is not None:
        found.leak = await smallest(template, case, drawn, leak)


def _tell(progress: Progress, task: TaskID, found: Found, done_seconds: float) -> None:
    progress.update(task, completed=done_seconds, description=f"Looking for leaks: {found.requests:,} requests")
