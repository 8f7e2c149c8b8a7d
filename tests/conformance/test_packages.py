"""Packages in the store: side by side, searchable, complete after an interruption, and gone when removed."""

import http.server
import json
import threading
from collections.abc import Iterator
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN
from fhir_server.conformance import packages
from fhir_server.conformance.registry import download
from fhir_server.foundation.operation_outcome import NotFound, Unavailable, Unprocessable
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from tests.conformance.conftest import package

URL = "http://example.org/StructureDefinition/patient"
pytestmark = pytest.mark.anyio


def profile(version: str, **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "id": "patient",
        "url": URL,
        "version": version,
        "name": "P",
        "status": "active",
        "kind": "resource",
        "abstract": False,
        "type": "Patient",
        **more,
    }


def made(folder: Path, version: str = "1.0.0") -> Path:
    resources = {
        "StructureDefinition-patient.json": profile(version),
        "Patient-1.json": {"resourceType": "Patient", "id": "1"},
        "example/StructureDefinition-other.json": profile("0.0.1"),
        "notes.json": ["no resource"],
    }
    return package(folder / f"{version}.tgz", "org.example", version, resources)


async def found(runtime: Runtime, resource_type: str, **criteria: str) -> list[dict[str, Any]]:
    request = Request("search", OPEN, resource_type, parameters=tuple(criteria.items()))
    bundle = msgspec.json.decode((await dispatch(request, runtime)).content)
    return [entry["resource"] for entry in bundle.get("entry", [])]


@pytest.mark.spec("resource.html#canonical")
async def test_versions_stand_side_by_side_and_are_searchable(runtime: Runtime, tmp_path: Path) -> None:
    assert runtime.canonicals is not None
    await runtime.canonicals.ready()
    for version in ("1.0.0", "2.0.0"):
        addition = await packages.add(runtime, made(tmp_path, version))
        assert (addition.is_new, addition.package.stored, addition.flaws) == (True, 1, ())
    both = await found(runtime, "StructureDefinition", url=URL)
    assert sorted(one["version"] for one in both) == ["1.0.0", "2.0.0"]
    assert len({one["id"] for one in both}) == 2
    one = (await found(runtime, "StructureDefinition", url=URL, version="1.0.0"))[0]
    assert one["meta"]["tag"] == [{"system": packages.TAG_SYSTEM, "code": "org.example#1.0.0"}]
    assert [one["version"] for one in await found(runtime, "StructureDefinition", _tag="org.example#2.0.0")] == [
        "2.0.0"
    ]
    resolved = runtime.canonicals.resolve(URL), runtime.canonicals.resolve(f"{URL}|1.0.0")
    assert [one and one["version"] for one in resolved] == ["2.0.0", "1.0.0"]
    assert await found(runtime, "Patient") == []


async def test_adding_again_changes_nothing_and_completes_what_was_interrupted(
    runtime: Runtime, tmp_path: Path
) -> None:
    path = made(tmp_path)
    first = await packages.add(runtime, path)
    assert not (await packages.add(runtime, path)).is_new

    async def forget(transaction: Any) -> None:
        await transaction.delete_record("package", first.package.label)

    await runtime.store.transact(forget)
    assert (await packages.add(runtime, path)).is_new
    one = (await found(runtime, "StructureDefinition", url=URL))[0]
    assert one["meta"]["versionId"] == "1"


async def test_a_package_is_removed_and_added_again(runtime: Runtime, tmp_path: Path) -> None:
    assert runtime.canonicals is not None
    await runtime.canonicals.ready()
    await packages.add(runtime, made(tmp_path))
    told: list[tuple[int, int]] = []
    assert await packages.remove(runtime, "org.example@1.0.0", lambda done, total: told.append((done, total))) == 1
    assert told == [(1, 1)]
    assert runtime.canonicals.resolve(URL) is None
    assert await packages.packages(runtime.store) == []
    with pytest.raises(NotFound, match="Here are: none"):
        await packages.remove(runtime, "org.example@1.0.0")
    await packages.add(runtime, made(tmp_path))
    assert runtime.canonicals.resolve(URL) is not None


async def test_flaws_are_told_and_a_parameter_that_cannot_work_is_left_out(runtime: Runtime, tmp_path: Path) -> None:
    parameter = {"resourceType": "SearchParameter", "id": "p", "url": "http://example.org/p", "status": "active"}
    nested: Any = {}
    for _ in range(500):
        nested = {"x": nested}  # Deeper than a resource may be.
    path = package(
        tmp_path / "flawed.tgz",
        "org.flawed",
        "1.0.0",
        {"a.json": profile("1.0.0", status="unheard-of"), "b.json": parameter, "c.json": nested},
    )
    addition = await packages.add(runtime, path)
    assert addition.package.stored == 1
    flaws = {flaw.partition(":")[0]: flaw.endswith("It is left out.") for flaw in addition.flaws}
    assert flaws == {"a.json": False, "b.json": True, "c.json": True}


async def test_examples_are_not_stored(runtime: Runtime, tmp_path: Path) -> None:
    resources = {"StructureDefinition-patient.json": profile("1.0.0")}
    path = package(tmp_path / "examples.tgz", "org.examples", "1.0.0", resources, type="fhir.examples")
    assert (await packages.add(runtime, path)).package.stored == 0


async def test_missing_dependencies_are_named(runtime: Runtime, tmp_path: Path) -> None:
    needs = {"org.other": "1.x"}
    await packages.add(runtime, package(tmp_path / "a.tgz", "org.example", "1.0.0", {}, dependencies=needs))
    (missing,) = await packages.missing_packages(runtime.store, ["org.example#1.0.0"])
    assert (missing.package, missing.name, missing.version) == ("org.example#1.0.0", "org.other", "1.x")
    needs = {"org.third": "1.0.0"}
    await packages.add(runtime, package(tmp_path / "b.tgz", "org.other", "1.4.2", {}, dependencies=needs))
    await packages.add(runtime, package(tmp_path / "c.tgz", "org.alone", "1.0.0", {}))
    (missing,) = await packages.missing_packages(runtime.store, ["org.example#1.0.0"])
    assert (missing.package, missing.name) == ("org.other#1.4.2", "org.third")
    assert await packages.missing_packages(runtime.store, ["org.alone#1.0.0"]) == ()


async def test_folders_that_are_passed_over_are_named(runtime: Runtime, tmp_path: Path) -> None:
    places = ("sub/a.json", "sub/b.json", "deep/er/c.json", "example/d.json", "other/e.json", "openapi/f.json", "g.txt")
    path = package(tmp_path / "sub.tgz", "org.sub", "1.0.0", {place: profile("1.0.0") for place in places})
    assert [flaw.partition(" JSON")[0] for flaw in (await packages.add(runtime, path)).flaws] == [
        "package/deep/er/: 1",
        "package/sub/: 2",
    ]


class Registry(http.server.SimpleHTTPRequestHandler):
    """Serve files of a folder, and nothing to the log."""

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "registry"
    folder.mkdir()
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Registry, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    content = made(tmp_path, "1.1.0").read_bytes()
    for name, digest in (("org.example", sha1(content, usedforsecurity=False).hexdigest()), ("org.false", "0" * 40)):
        (folder / name).mkdir()
        versions = {version: {"dist": {"shasum": digest}} for version in ("1.0.9", "1.1.0", "2.0.0-ballot")}
        listing = {"name": name, "dist-tags": {"latest": "1.1.0"}, "versions": versions}
        (folder / name / "index.html").write_text(json.dumps(listing))
        (folder / name / "1.1.0").write_bytes(content)
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("version", ["1.1.0", "1.x", "latest"])
def test_a_version_a_range_or_a_tag_is_fetched(registry: str, tmp_path: Path, version: str) -> None:
    path = download(registry, "org.example", version, tmp_path)
    assert path.name == "org.example-1.1.0.tgz"
    assert path.read_bytes() == (tmp_path / "1.1.0.tgz").read_bytes()


def test_what_the_registry_does_not_have_or_describes_otherwise_is_refused(registry: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"It has: 1.0.9, 1.1.0, 2.0.0-ballot"):
        download(registry, "org.example", "3.0.0", tmp_path)
    with pytest.raises(NotFound, match="does not know"):
        download(registry, "org.unknown", "3.0.0", tmp_path)
    with pytest.raises(Unprocessable, match="SHA-1"):
        download(registry, "org.false", "1.1.0", tmp_path)
    with pytest.raises(Unprocessable, match="https"):
        download("http://packages.example.org", "org.example", "1.1.0", tmp_path)
    with pytest.raises(Unavailable, match="give the package as a file"):
        download("http://127.0.0.1:9", "org.example", "1.1.0", tmp_path)
