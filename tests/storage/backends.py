"""The backends that every suite of this folder is run on: a name, and what makes a store in an empty folder."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fhir_server.storage.mongodb import MongoStore
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


BACKENDS: dict[str, Callable[..., Store]] = {"sqlite": SqliteStore, "mongodb": _mongodb}
VARIANTS: dict[str, Callable[..., Store]] = {**BACKENDS, "sqlite that walks": _walking}
"""The backends, and the choices within one that must not change an answer."""
DEPLOYMENTS: dict[str, Callable[..., Store]] = {**BACKENDS, "mongodb of three members": _of_three}
"""The backends as they are deployed: the contract holds on each."""


MEMORY = Path("/dev/shm")


def new_folder() -> tempfile.TemporaryDirectory[str]:
    """An empty folder, in memory where there is one: for tests that make hundreds of stores."""
    return tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)
