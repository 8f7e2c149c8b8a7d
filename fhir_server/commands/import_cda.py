"""`fhir-server import-cda`: CDA files into the store, with a progress bar and an account of what was not converted."""

import asyncio
import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mappings
from fhir_server.commands.local import OPERATOR, call, opened
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings

IMPORTED: Final = "imported cda"
"""A server record, by SHA-256 of a file: the document that it became."""


class Tally(msgspec.Struct):
    """What happened to the files so far; `issues` counts what was noticed by severity.

    `skipped` are those of `known` that an earlier run imported, told by their bytes; `twins` are files of this run
    with the bytes of another one.
    """

    created: int = 0
    known: int = 0
    skipped: int = 0
    twins: int = 0
    refused: int = 0
    resources: int = 0
    issues: dict[str, int] = {}


def files_of(paths: Iterable[Path], *suffixes: str) -> Iterator[Path]:
    """Yield the files, and those of the folders below, that end with one of the suffixes."""
    for path in paths:
        if path.is_dir():
            yield from (file for file in sorted(path.rglob("*")) if file.suffix.lower() in suffixes and file.is_file())
        else:
            yield path


def run(settings: Settings, paths: list[Path], report: Path | None, console: Console) -> int:
    """Import the files; return 1 when a file was refused, else 0. `report` is a folder for what became of each node."""
    files = list(files_of(paths, ".xml", ".cda"))
    tally = asyncio.run(_import(settings, files, console))
    if report is not None:
        write_reports(files, report, console)
    console.print(
        f"[bold]{tally.created}[/bold] documents imported ({tally.resources} resources), "
        f"[bold]{tally.known}[/bold] known already, [bold]{tally.refused}[/bold] refused"
    )
    if tally.skipped:
        console.print(
            f"{tally.skipped} were done by an earlier run and skipped unread: an interrupted run goes on there"
        )
    if tally.twins:
        console.print(f"{tally.twins} have the bytes of another file")
    noticed = ", ".join(f"{count} {severity}" for severity, count in sorted(tally.issues.items()))
    console.print(f"noticed: {noticed or 'nothing'}")
    return 1 if tally.refused else 0


def write_reports(files: list[Path], folder: Path, console: Console) -> None:
    """Write what became of each node of each document, as HTML for people and as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    table = Table("document", "kept", "implied", "narrative", "lost", "unaccounted", "coded kept", title="Fidelity")
    for file in track(files, "Accounting", console=console, transient=True):
        try:
            fidelity = mappings.fidelity(file.read_bytes())
        except mappings.CdaRefused:
            continue
        (folder / f"{file.stem}.html").write_text(fidelity.as_html(), encoding="utf-8")
        (folder / f"{file.stem}.json").write_bytes(msgspec.json.format(msgspec.json.encode(fidelity.as_json())))
        counts = [str(counted) for counted in fidelity.counts().values()]
        table.add_row(file.name, *counts, f"{fidelity.share_kept('code'):.1%}")
    console.print(table)
    console.print(f"The reports are in {folder}", soft_wrap=True)


async def _import(settings: Settings, files: list[Path], console: Console) -> Tally:
    tally = Tally(issues={})
    async with opened(settings) as runtime:
        firsts: dict[str, Path] = {}
        for file in track(files, "Importing", console=console, transient=True):
            content = await asyncio.to_thread(file.read_bytes)
            digest = hashlib.sha256(content).hexdigest()
            first = firsts.setdefault(digest, file)
            if first is not file:
                tally.twins += 1
                console.print(f"[yellow]the same[/yellow] {file}: as {first}", soft_wrap=True, highlight=False)
            elif await _is_done(runtime, digest):
                tally.known += 1
                tally.skipped += 1
            else:
                document = await _import_one(runtime, file, content, (tally, console))
                await _remember(runtime, digest, document)
    return tally


async def _is_done(runtime: Runtime, digest: str) -> bool:
    """Say whether an earlier run imported these bytes, and the document is still there."""
    reference = await runtime.store.record(IMPORTED, digest)
    if reference is None:
        return False
    resource_type, _, resource_id = reference.decode().partition("/")
    document = await runtime.store.read(resource_type, resource_id)
    return document is not None and not document.is_deleted


async def _remember(runtime: Runtime, digest: str, document: str) -> None:
    if document:
        await runtime.store.transact(lambda store: store.put_record(IMPORTED, digest, document.encode()))


async def _import_one(runtime: Runtime, file: Path, content: bytes, told: tuple[Tally, Console]) -> str:
    """Import one file, and return the reference of its document, "" when it was refused."""
    tally, console = told
    request = Request("$import-cda", OPERATOR, content=content, media_type="application/xml")
    try:
        response = await call(runtime, request)
    except FhirError as refusal:
        tally.refused += 1
        console.print(f"[red]refused[/red] {file}: {refusal}", soft_wrap=True, highlight=False)
        return ""
    parameters = msgspec.json.decode(response.content)["parameter"]
    tally.resources += sum(parameter["name"] == "resource" for parameter in parameters)
    if response.status == 201:
        tally.created += 1
    else:
        tally.known += 1
    outcome = next(parameter["resource"] for parameter in parameters if parameter["name"] == "outcome")
    for issue in outcome["issue"]:
        tally.issues[issue["severity"]] = tally.issues.get(issue["severity"], 0) + 1
    return str(next(one["valueReference"]["reference"] for one in parameters if one["name"] == "document"))
