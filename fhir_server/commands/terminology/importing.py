"""`fhir-server terminology import`: value sets into the store, large code systems into tables beside it.

Spec: terminology-service.html
"""

import asyncio
import csv
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import msgspec
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table as Listing

from fhir_server.commands.import_cda import files_of
from fhir_server.commands.local import OPERATOR, call, opened
from fhir_server.conformance.terminology import tables_of
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings
from fhir_server.storage.store import Search
from fhir_server.terminology.ihe_svs import TABLE as SVS_TABLE
from fhir_server.terminology.ihe_svs import import_value_sets
from fhir_server.terminology.loaders.ccam import Ccam
from fhir_server.terminology.loaders.claml import Claml
from fhir_server.terminology.loaders.loinc import TABLE, Loinc
from fhir_server.terminology.loaders.snomed import SnomedCt
from fhir_server.terminology.systems import systems_of, systems_of_code_systems
from fhir_server.terminology.tables.folder import Tables
from fhir_server.terminology.tables.write import Source, write_table

GROUP: Final = 50
_NOT_OF_ID: Final = re.compile(r"[^A-Za-z0-9.]+")
Resource = dict[str, Any]


class Tally(msgspec.Struct):
    """Count what became of the files."""

    value_sets: int = 0
    unchanged: int = 0
    refused: int = 0
    left_out: int = 0


def run(settings: Settings, paths: list[Path], release: str, console: Console) -> int:
    """Import; return 1 when something was refused, else 0."""
    tally = asyncio.run(_run(settings, paths, release, console))
    console.print(
        f"[bold]{tally.value_sets}[/bold] value sets and tables imported, {tally.unchanged} unchanged, "
        f"{tally.left_out} concepts left out, [bold]{tally.refused}[/bold] files refused"
    )
    return 1 if tally.refused else 0


def show(settings: Settings, console: Console) -> None:
    """Print the tables."""
    listing = Listing("system", "version", "concepts", "title", title="Code systems in tables")
    for system in tables_of(settings).systems():
        told = (system.get("version", ""), str(system.get("count", "")), system.get("title", ""))
        listing.add_row(escape(system["url"]), *map(escape, told))
    console.print(listing)


async def _run(settings: Settings, paths: list[Path], release: str, console: Console) -> Tally:
    tally = Tally()
    async with opened(settings) as runtime:
        with Progress(console=console, transient=True) as progress:
            importer = _Importer(runtime, tables_of(settings), progress, tally)
            for path in paths:
                try:
                    source = source_of(path, release)
                    if source is not None:
                        await importer.table(source)
                    else:
                        await importer.value_sets(list(files_of([path], ".xml")))
                except FhirError as refusal:
                    importer.refuse(path, str(refusal))
                except (UnicodeDecodeError, csv.Error, KeyError, IndexError, ValueError) as error:
                    importer.refuse(path, f"the file is not as its owner distributes it ({error!r}); text is UTF-8")
    return tally


def source_of(path: Path, release: str) -> Source | None:
    """Return the loader of a file or folder; None when it holds value sets. Raises Unprocessable."""
    if path.is_dir():
        if next(path.rglob(TABLE), None):
            return Loinc(path, release)
        if next(path.rglob("sct2_Concept_*.txt"), None):
            return SnomedCt(path, release)
        return None
    if path.suffix.lower() in (".csv", ".txt"):
        return Ccam(path, release)
    if path.suffix.lower() == ".xml":
        with path.open("rb") as file:
            return Claml(path, release) if b"<ClaML" in file.read(_HEAD) else None
    raise Unprocessable(f"{path.name} is of no kind that is known: see --help.")


_HEAD: Final = 8_192


class _Importer:
    """Import into one store and one folder of tables."""

    def __init__(self, runtime: Runtime, tables: Tables, progress: Progress, tally: Tally) -> None:
        self._runtime = runtime
        self._tables = tables
        self._progress = progress
        self._tally = tally

    def refuse(self, path: Path, sentence: str) -> None:
        """Say why a file was refused."""
        self._tally.refused += 1
        self._progress.console.print(f"[red]refused[/red] {path}: {escape(sentence)}", soft_wrap=True, highlight=False)

    async def table(self, source: Source) -> None:
        """Write the table of a code system, and store the resource that tells of it."""
        system = source.system()
        task = self._progress.add_task(system["title"], total=None)

        def tell(doing: str, count: int) -> None:
            self._progress.update(task, description=f"{system['title']}: {doing}", completed=count)

        count = await asyncio.to_thread(write_table, self._tables.path(system), source, tell)
        # Its concepts are in the table: the resource tells that the system is here, and in which version.
        await self._put([system | {"id": _id_of(system), "content": "not-present", "count": count}])
        self._progress.remove_task(task)
        self._progress.console.print(f"[bold]{system['title']}[/bold] {system.get('version', '')}: {count} concepts")

    async def value_sets(self, files: list[Path]) -> None:
        """Store the value sets of IHE SVS files."""
        systems = systems_of([resource async for resource in _stored(self._runtime, "NamingSystem")])
        systems |= systems_of_code_systems([resource async for resource in _stored(self._runtime, "CodeSystem")])
        # Reference tables come first, for they tell the URL of what value sets know by OID.
        files.sort(key=lambda file: not file.name.startswith(SVS_TABLE))
        task = self._progress.add_task("Value sets", total=len(files))
        resources = self._read(files, systems, task)
        while group := list(islice(resources, GROUP)):
            changed = [one for one in group if not await self._is_stored(one)]
            self._tally.unchanged += len(group) - len(changed)
            self._tally.value_sets += await self._put(changed)
        self._progress.remove_task(task)

    def _read(self, files: list[Path], systems: dict[str, str], task: Any) -> Iterator[Resource]:
        for file in files:
            try:
                found = import_value_sets(file.read_bytes(), systems)
            except FhirError as refusal:
                self.refuse(file, str(refusal))
                found = []
            for imported in found:
                self._tally.left_out += len(imported.issues)
                for issue in imported.issues:
                    self._progress.console.print(f"[yellow]left out[/yellow] {file.name}: {escape(issue)}")
                if imported.resource["resourceType"] == "CodeSystem":
                    systems |= systems_of_code_systems([imported.resource])
                yield imported.resource
            self._progress.advance(task)

    async def _is_stored(self, resource: Resource) -> bool:
        version = await self._runtime.store.read(resource["resourceType"], resource["id"])
        if version is None or version.is_deleted:
            return False
        stored = fhir_json.parse(version.content)
        stored.pop("meta", None)
        return stored == resource

    async def _put(self, resources: list[Resource]) -> int:
        """Store resources under their ids, and return how many; one by one when the group is refused."""
        if not resources:
            return 0
        entries = [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}}
            for one in resources
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        try:
            await call(self._runtime, Request("transaction", OPERATOR, resource=bundle, prefer_return="minimal"))
        except FhirError as refusal:
            if len(resources) == 1:
                said = " ".join(issue.diagnostics for issue in refusal.issues)
                self.refuse(Path(resources[0]["name"]), said)
                return 0
            return sum([await self._put([one]) for one in resources])
        return len(resources)


def _id_of(system: Resource) -> str:
    """Return the id of the resource of a code system: its name and its version."""
    version = str(system.get("version", "")).rpartition("/")[2]
    return _NOT_OF_ID.sub("-", f"{system['name']} {version}").strip("-")[:64]


async def _stored(runtime: Runtime, resource_type: str) -> Any:
    """Yield every stored resource of a type."""
    cursor = ""
    while True:
        page = await runtime.store.search(Search(resource_type, limit=200, cursor=cursor))
        for version in page.versions:
            yield fhir_json.parse(version.content)
        cursor = page.cursor
        if not cursor:
            return
