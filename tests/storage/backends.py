"""The backends that every suite of this folder is run on: a name, and what makes a store in an empty folder."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fhir_server.storage.mongodb import MongoStore
from fhir_server.storage.mongodb.store import Options as MongoOptions
from fhir_server.storage.sqlite import SqliteStore
from fhir_server.storage.sqlite.store import Options
from fhir_server.storage.store import Store
from tests.storage.mongod import database_of, of_three


def _walking(path: Path, **options: Any) -> Store:
    return SqliteStore(path, options=Options(walk_factors=(0, 0)), **options)


def _mongodb(path: Path, **options: Any) -> Store:
    return MongoStore(database_of(path), **options)


def _of_three(path: Path, **options: Any) -> Store:
    return MongoStore(database_of(path, members=of_three), **options)


def _as_cluster(path: Path, **options: Any) -> Store:
    """A replica set that is asked what a sharded cluster would be: there is no mongos to test with."""
    return MongoStore(database_of(path, "cluster"), options=MongoOptions(is_cluster=True), **options)


BACKENDS: dict[str, Callable[..., Store]] = {"sqlite": SqliteStore, "mongodb": _mongodb}
VARIANTS: dict[str, Callable[..., Store]] = {**BACKENDS, "sqlite that walks": _walking}
"""The backends, and the choices within one that must not change an answer."""
DEPLOYMENTS: dict[str, Callable[..., Store]] = {
    **BACKENDS,
    "mongodb of three members": _of_three,
    "mongodb as a cluster": _as_cluster,
}
"""The backends as they are deployed: the contract holds on each."""


MEMORY = Path("/dev/shm")


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder, in memory where there is one: for tests that make hundreds of stores."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
