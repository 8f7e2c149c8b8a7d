"""`fhir-server audit`: whether the trail is whole, and which records were opened in an emergency."""

import asyncio

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from fhir_server.access.audit.chain import Break, is_link
from fhir_server.commands.local import opened
from fhir_server.interactions.trail.chained import last_link
from fhir_server.interactions.trail.verifying import breaks
from fhir_server.settings import Settings, SettingsRefused
from fhir_server.smart.launch.emergencies import emergencies

WORDS = {
    "removed": "a link is gone",
    "changed": "its content is not what was linked",
    "missing": "it was removed, or deleted",
    "inserted": "it was never linked",
    "forged": "its link does not follow from those before",
    "cut-off": "the chain ends too early",
}


def verify(settings: Settings, noted: str, console: Console) -> int:
    """Verify the chain, name what is wrong, and return 1 when something is."""
    if noted and not is_link(noted):
        raise SettingsRefused(
            "--noted is a link as this verb prints it: its number, a hyphen and 64 hexadecimal digits."
        )
    return asyncio.run(_verify(settings, noted, console))


async def _verify(settings: Settings, noted: str, console: Console) -> int:
    found: list[Break] = []
    async with opened(settings) as runtime:
        last = await last_link(runtime.store)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Verifying", total=last.sequence)
            async for one in breaks(runtime.store, noted, lambda link: progress.advance(task)):
                found.append(one)
                where = f"{one.sequence} {one.reference}".removeprefix("0 ").strip()
                progress.console.print(
                    f"[bold red]{one.what}[/bold red] {escape(where)}: {WORDS[one.what]}", soft_wrap=True
                )
    if found:
        console.print(f"The trail does not hold: {len(found)} breaks.")
        return 1
    console.print(f"[bold]{last.sequence}[/bold] audit events hold.")
    console.print("Note the last link elsewhere, and give it next time as --noted:")
    console.print(str(last), soft_wrap=True)
    return 0


def list_emergencies(settings: Settings, console: Console) -> None:
    """Print every opening of a record in an emergency, oldest first."""
    asyncio.run(_list_emergencies(settings, console))


async def _list_emergencies(settings: Settings, console: Console) -> None:
    table = Table("when", "who", "record", "mode", "reason", "client")
    async with opened(settings) as runtime:
        for one in await emergencies(runtime.store):
            who = f"{one.display} ({one.actor})"
            when = one.at.strftime("%Y-%m-%d %H:%M:%S")
            table.add_row(
                *map(escape, (when, who, f"Patient/{one.patient_id}", one.purpose_of_use, one.reason, one.client_id))
            )
    console.print(table)
