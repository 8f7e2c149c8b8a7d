"""`fhir-server reindex`: make the index rows of every resource anew, in the order of creation, resumable.

Needed when a new version of this server extracts other rows; a running server keeps answering meanwhile.
"""

import asyncio

import msgspec
from rich.console import Console
from rich.progress import Progress

from fhir_server.commands.local import opened
from fhir_server.foundation import fhir_json
from fhir_server.interactions.governance import index_rows
from fhir_server.interactions.request import Runtime
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.storage.lease import Lease
from fhir_server.storage.store import Search, Transaction

GROUP = 200
"""Resources of one transaction: other writers wait no longer than that takes."""
KIND, KEY = "reindex", "progress"


class State(msgspec.Struct, frozen=True):
    """How far a run came: the cursor of the next group, "" at the start, and the resources done."""

    cursor: str = ""
    done: int = 0


def run(settings: Settings, console: Console) -> None:
    """Index everything again, from where an interrupted run stopped."""
    done = asyncio.run(_run(settings, console))
    console.print(f"[bold]{done}[/bold] resources indexed")


async def _run(settings: Settings, console: Console) -> int:
    async with opened(settings) as runtime:
        lease = Lease(runtime.store, KIND, runtime.now)
        if not await lease.take():
            raise SettingsRefused("Another reindex of this store is running: let it finish, or wait half a minute.")
        counted = await runtime.store.search(Search("", limit=0, needs_total=True))
        kept = await runtime.store.record(KIND, KEY)
        state = msgspec.json.decode(kept, type=State) if kept is not None else State()
        if state.done:
            console.print(f"Going on after {state.done} resources")
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Indexing", total=counted.total, completed=state.done)
            while (following := await _index_group(runtime, state)) is not None:
                state = following
                progress.update(task, completed=state.done)
                if not state.cursor or not await lease.take():
                    break
        await lease.give_up()
    return state.done


async def _index_group(runtime: Runtime, state: State) -> State | None:
    """Index one group and remember how far that is; None when there is nothing."""

    async def work(transaction: Transaction) -> State | None:
        page = await transaction.search(Search("", limit=GROUP, cursor=state.cursor))
        for version in page.versions:
            resource = fhir_json.parse(version.content)
            rows = await index_rows(transaction, resource, version.depositor, runtime.indexing)
            await transaction.index(version.resource_type, version.resource_id, rows)
        following = State(page.cursor, state.done + len(page.versions))
        if page.cursor:
            await transaction.put_record(KIND, KEY, msgspec.json.encode(following))
        else:
            await transaction.delete_record(KIND, KEY)
        return following if page.versions else None

    return await runtime.store.transact(work)
