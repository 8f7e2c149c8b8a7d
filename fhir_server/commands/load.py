"""`fhir-server load`: resources and Bundles from files into the store, ids kept, a hundred to a transaction."""

import asyncio
import tarfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from fhir_server.commands.import_cda import files_of
from fhir_server.commands.local import OPERATOR, call, opened
from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.interactions.request import Request, Runtime
from fhir_server.settings import Settings

GROUP = 100
Resource = dict[str, Any]


def run(settings: Settings, paths: list[Path], console: Console) -> int:
    """Load the files; return 1 when something was refused, else 0."""
    files = list(files_of(paths, ".json", ".ndjson", ".xml", ".tgz"))
    loaded, refused = asyncio.run(_load(settings, files, console))
    console.print(f"[bold]{loaded}[/bold] resources loaded, [bold]{refused}[/bold] refused")
    return 1 if refused else 0


async def _load(settings: Settings, files: list[Path], console: Console) -> tuple[int, int]:
    loaded = refused = 0
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("Loading", total=len(files))
        async with opened(settings) as runtime:
            for file in files:
                resources = resources_of(file, runtime.limits.depth)
                while group := list(islice(resources, GROUP)):
                    refusals = await _put(runtime, group)
                    loaded += len(group) - len(refusals)
                    refused += len(refusals)
                    for refusal in refusals:
                        progress.console.print(f"[red]refused[/red] {file}: {refusal}", soft_wrap=True, highlight=False)
                progress.advance(task)
    return loaded, refused


def resources_of(file: Path, depth: int) -> Iterator[Resource]:
    """Yield the resources of a file; those of a Bundle (but a document or a message) one by one."""
    for name, content in _contents_of(file):
        if name.endswith(".xml"):
            yield from _unbundled(fhir_xml.parse(content, max_depth=depth))
        elif name.endswith(".ndjson"):
            for line in content.splitlines():
                if line.strip():
                    yield from _unbundled(fhir_json.parse(line, max_depth=depth))
        else:
            yield from _unbundled(fhir_json.parse(content, max_depth=depth))


def _contents_of(file: Path) -> Iterator[tuple[str, bytes]]:
    if file.suffix != ".tgz":
        yield file.name, file.read_bytes()
        return
    with tarfile.open(file) as package:
        for member in package:
            name = member.name.rpartition("/")[2]
            if member.isfile() and name.endswith(".json") and name not in ("package.json", ".index.json"):
                reader = package.extractfile(member)
                if reader is not None:
                    yield name, reader.read()


def _unbundled(resource: Resource) -> Iterator[Resource]:
    if resource.get("resourceType") == "Bundle" and resource.get("type") not in ("document", "message"):
        yield from (entry["resource"] for entry in resource.get("entry", ()) if "resource" in entry)
    else:
        yield resource


async def _put(runtime: Runtime, group: list[Resource]) -> list[str]:
    """Store a group in one transaction; when it is refused, one by one, and return the refusals."""
    try:
        await _transact(runtime, group)
    except FhirError as refusal:
        if len(group) == 1:
            resource = group[0]
            return [f"{resource.get('resourceType')}/{resource.get('id', '')}: {refusal}"]
    else:
        return []
    return [refusal for resource in group for refusal in await _put(runtime, [resource])]


async def _transact(runtime: Runtime, group: list[Resource]) -> None:
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [_entry(resource) for resource in group]}
    await call(runtime, Request("transaction", OPERATOR, resource=bundle, prefer_return="minimal"))


def _entry(resource: Resource) -> Resource:
    resource_type, resource_id = resource.get("resourceType", ""), resource.get("id", "")
    method, url = ("PUT", f"{resource_type}/{resource_id}") if resource_id else ("POST", resource_type)
    return {"resource": resource, "request": {"method": method, "url": url}}
