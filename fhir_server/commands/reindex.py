"""`fhir-server reindex`: make the index rows of every resource anew, type by type, resumable.

Needed when a new version of this server extracts other rows; a running server keeps answering meanwhile.
"""

import asyncio

from rich.console import Console
from rich.progress import Progress

from fhir_server.commands.local import opened
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.canonicals.indexing import GRACE_SECONDS, State, ask_types, index_group, state_of
from fhir_server.interactions.request import Runtime
from fhir_server.settings import Settings
from fhir_server.storage.store import Search

PAUSE_SECONDS = 0.5


def run(settings: Settings, console: Console) -> None:
    """Index everything again, from where an interrupted run stopped."""
    done = asyncio.run(_run(settings, console))
    console.print(f"[bold]{done}[/bold] resources indexed")


async def _run(settings: Settings, console: Console) -> int:
    async with opened(settings) as runtime:
        counted = await runtime.store.search(Search("", limit=0, needs_total=True))
        state = await state_of(runtime.store)
        if state.asked:
            console.print(f"Going on after {state.done} resources")
        else:
            state = await ask_types(runtime.store, sorted(RESOURCE_TYPES))
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Indexing", total=counted.total, completed=state.done)
            while state.asked:
                state = await _following(runtime)
                progress.update(task, completed=state.done)
    return state.done


async def _following(runtime: Runtime) -> State:
    """Index a group; wait a moment when a server at work has to go first."""
    before = runtime.now().timestamp() - GRACE_SECONDS
    state = await index_group(runtime.store, runtime.indexing, before)
    if state is None:
        await asyncio.sleep(PAUSE_SECONDS)
        state = await state_of(runtime.store)
    return state
