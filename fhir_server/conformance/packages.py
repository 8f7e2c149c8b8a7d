"""Packages: the conformance resources of FHIR packages as resources of the store, added, listed and removed.

Spec: https://hl7.org/fhir/packages.html, resource.html#canonical

Choice: a package's resource is stored under an id made of its own and a digest of package and file, so that two
versions of a package, or two packages with the same file names, stand side by side; canonicals find them. A tag names
the package. Examples are no conformance resources, and are not stored: `fhir-server load` takes them where wanted.
"""

import asyncio
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.audit.entry import encode
from fhir_server.access.directory import DEFINITION_TYPES
from fhir_server.conformance.publish import PUBLISHER
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError, NotFound
from fhir_server.foundation.package_files import read_files
from fhir_server.foundation.packages import MANIFEST, Manifest, Missing, manifest_of, missing, needed_by
from fhir_server.interactions.delete import delete
from fhir_server.interactions.dispatch import access_entry
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.update import update
from fhir_server.storage.store import Reader, Transaction
from fhir_server.validation.validate import validate

TAG_SYSTEM: Final = "urn:fhir-server:package"
LOADER: Final = replace(PUBLISHER, display="this server, adding a package")
GROUP: Final = 50
_KIND: Final = "package"
_CONTENT: Final = "package content"
_PLAIN: Final = re.compile(r"[^A-Za-z0-9.\-]+")
_ID_CHARACTERS: Final = 47
_ACTED_ON: Final = frozenset({"SearchParameter"})
"""Types whose resources change how requests are answered."""
Resource = dict[str, Any]
Tell = Callable[[int, int], None]
"""Told how many resources of how many are done."""


class Package(msgspec.Struct, frozen=True):
    """Record a package that was added: its manifest, the SHA-256 of its file, what of it is stored."""

    manifest: Manifest
    digest: str
    added_at: datetime
    stored: int

    @property
    def label(self) -> str:
        """Return `name#version`."""
        return self.manifest.label


class Addition(msgspec.Struct, frozen=True):
    """Say what became of a package: `flaws` are sentences about resources that break a rule, or were left out."""

    package: Package
    is_new: bool
    flaws: tuple[str, ...] = ()


async def packages(reader: Reader) -> list[Package]:
    """Return the packages that were added, by name and version."""
    return [msgspec.json.decode(content, type=Package) for _, content in await reader.records(_KIND)]


async def missing_packages(reader: Reader, labels: Collection[str]) -> tuple[Missing, ...]:
    """Return each dependency that is not here of some packages, and of those that they depend on."""
    manifests = [package.manifest for package in await packages(reader)]
    meant = needed_by(labels, manifests)
    return tuple(one for one in missing(manifests) if one.package in meant)


async def add(runtime: Runtime, path: Path, tell: Tell = lambda done, total: None) -> Addition:
    """Store the conformance resources of a package, a .tgz or a folder; one that is here already changes nothing.

    Raises UnreadablePackage (422). An addition that was interrupted is completed by another.
    """
    digest = await asyncio.to_thread(digest_of, path)
    for package in await packages(runtime.store):
        if package.digest == digest:
            return Addition(package, is_new=False)
    manifest, resources, flaws = await asyncio.to_thread(_read, path)
    for start in range(0, len(resources), GROUP):
        flaws += await _store(runtime, resources[start : start + GROUP])
        tell(min(start + GROUP, len(resources)), len(resources))
    package = Package(manifest, digest, runtime.now(), len(resources))
    references = [f"{resource['resourceType']}/{resource['id']}" for resource in resources]

    async def note(transaction: Transaction) -> None:
        await transaction.put_record(_KIND, package.label, msgspec.json.encode(package))
        await transaction.put_record(_CONTENT, package.label, msgspec.json.encode(references))

    await runtime.store.transact(note)
    _journal("$add-package", package.label, runtime)
    if runtime.canonicals is not None:
        await runtime.canonicals.refresh()
    return Addition(package, is_new=True, flaws=tuple(flaws))


async def remove(runtime: Runtime, label: str, tell: Tell = lambda done, total: None) -> int:
    """Delete the resources of a package, `name#version` or `name@version`; return how many. Raises NotFound."""
    name = label.replace("@", "#", 1)
    known = [package.label for package in await packages(runtime.store)]
    if name not in known:
        raise NotFound(f"The package {label} is not here. Here are: {', '.join(known) or 'none'}.")
    references = msgspec.json.decode(await runtime.store.record(_CONTENT, name) or b"[]", type=list[str])
    for start in range(0, len(references), GROUP):
        group = references[start : start + GROUP]
        await runtime.store.transact(partial(_delete, runtime=runtime, references=group))
        tell(start + len(group), len(references))

    async def forget(transaction: Transaction) -> None:
        await transaction.delete_record(_KIND, name)
        await transaction.delete_record(_CONTENT, name)

    await runtime.store.transact(forget)
    _journal("$remove-package", name, runtime)
    if runtime.canonicals is not None:
        await runtime.canonicals.refresh()
    return len(references)


def _journal(interaction: str, label: str, runtime: Runtime) -> None:
    """Write one audit entry for a package: what it holds is no one's record."""
    request = Request(interaction, LOADER, parameters=(("package", label),))
    runtime.store.journal(encode(access_entry(request, runtime, 200)))


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a package's file; of a folder, of its files with their names."""
    found = hashlib.sha256()
    if path.is_dir():
        for name, content in sorted(read_files(path)):
            found.update(f"{name}\0{len(content)}\0".encode() + content)
    else:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                found.update(block)
    return found.hexdigest()


def _read(path: Path) -> tuple[Manifest, list[Resource], list[str]]:
    manifest, resources, flaws = None, list[tuple[str, Resource]](), list[str]()
    folders: list[str] = []
    for place, content in read_files(path, folders.append):
        if place == MANIFEST:
            manifest = manifest_of(path, content)
        elif "/" not in place:
            resource, flaw = _parsed(content)
            flaws += [f"{place}: {flaw} It is left out."] if flaw else []
            # A package may carry other JSON files.
            resources += [(place, resource)] if resource.get("resourceType") in DEFINITION_TYPES else []
    known = manifest or manifest_of(path, None)
    flaws += [
        f"{folder or '.'}/: {count} JSON files are left out: definitions belong into package/ itself."
        for folder, count in sorted(Counter(folders).items())
    ]
    if known.type == "fhir.examples":
        return known, [], [f"{known.label} holds examples only: load those you want with fhir-server load."]
    kept = []
    for place, resource in resources:
        flaw, is_usable = _flaw(resource)
        if flaw:
            flaws.append(f"{place}: {flaw}" + ("" if is_usable else " It is left out."))
        if is_usable:
            kept.append(_labelled(resource, known.label, place))
    return known, kept, flaws


def _parsed(content: bytes) -> tuple[Resource, str]:
    """Return what a file holds, and why it cannot be read, "" when it can or is no resource anyway."""
    try:
        return fhir_json.parse(content), ""
    except FhirError as refusal:
        return {}, str(refusal) if content.lstrip()[:1] == b"{" else ""


def _flaw(resource: Resource) -> tuple[str, bool]:
    """Return the first rule that a resource breaks, "" when none, and whether it is of use all the same.

    Choice: a published definition is stored as it is, for a profile with a flaw still says nearly all it should. A
    search parameter, which the server acts on, may have flaws within extensions only.
    """
    try:
        validate(resource)
    except FhirError as refusal:
        first, places = refusal.issues[0], [place for issue in refusal.issues for place in issue.expression]
        is_usable = resource["resourceType"] not in _ACTED_ON or all(".extension[" in place for place in places)
        return f"{first.diagnostics.rstrip('.')} ({', '.join(first.expression)}).", is_usable
    return "", True


def _labelled(resource: Resource, label: str, place: str) -> Resource:
    """Return a resource under the id that it has in the store, tagged with its package."""
    meta = resource.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    tags = meta.get("tag")
    tag = [*(tags if isinstance(tags, list) else ()), {"system": TAG_SYSTEM, "code": label}]
    stem = _PLAIN.sub("-", str(resource.get("id", place)))[:_ID_CHARACTERS]
    digest = hashlib.sha256(f"{label}/{place}".encode()).hexdigest()[:16]
    return {**resource, "id": f"{stem}-{digest}", "meta": {**meta, "tag": tag}}


async def _store(runtime: Runtime, resources: list[Resource]) -> list[str]:
    """Store a group in one transaction; when something is refused, one by one, and say what."""
    try:
        await runtime.store.transact(partial(_put, runtime=runtime, resources=resources))
    except FhirError as refusal:
        if len(resources) == 1:
            return [f"{resources[0]['resourceType']} {resources[0].get('url', '')}: {refusal} It is left out."]
        return [flaw for resource in resources for flaw in await _store(runtime, [resource])]
    return []


async def _put(transaction: Transaction, runtime: Runtime, resources: list[Resource]) -> None:
    for resource in resources:
        resource_type, resource_id = resource["resourceType"], resource["id"]
        stored = await transaction.read(resource_type, resource_id)
        if stored is None or stored.is_deleted:
            request = Request("update", LOADER, resource_type=resource_type, resource_id=resource_id, resource=resource)
            await update(request, transaction, runtime)


async def _delete(transaction: Transaction, runtime: Runtime, references: list[str]) -> None:
    for reference in references:
        resource_type, _, resource_id = reference.partition("/")
        await delete(Request("delete", LOADER, resource_type, resource_id), transaction, runtime)
