"""Packages made for a test, and a store without a server."""

import io
import json
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from fhir_server.app import new_id, now
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.interactions.request import Runtime
from fhir_server.operations import OPERATIONS
from fhir_server.storage.sqlite.store import SqliteStore


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    yield Runtime(store=store, now=now, new_id=new_id, canonicals=Canonicals(store), operations=OPERATIONS)
    await store.close()


def package(path: Path, name: str, version: str, resources: dict[str, Any], **more: Any) -> Path:
    """Write a package; `resources` are keyed by their path below package/."""
    manifest = {"name": name, "version": version, **more}
    with tarfile.open(path, "w:gz") as tar:
        for place, resource in {"package.json": manifest, **resources}.items():
            content = json.dumps(resource).encode()
            member = tarfile.TarInfo(f"package/{place}")
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path
