"""Who may import whom; the table is the architecture's, and everything else fails."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SEARCH_FOR_STORAGE = ("condition", "index_row", "match", "query")

ALLOWED: dict[str, tuple[str, ...]] = {
    "foundation": (),
    "settings": (),
    "fhirpath": ("foundation",),
    "terminology": ("foundation",),
    "validation": ("foundation", "fhirpath", "terminology"),
    "search": ("foundation", "fhirpath"),
    "storage": ("foundation", *(f"search.{name}" for name in SEARCH_FOR_STORAGE)),
    "access": ("foundation", "search"),
    "interactions": ("foundation", "fhirpath", "search", "validation", "storage.store", "access"),
    "smart": ("foundation", "access", "storage.store"),
    "operations": ("foundation", "fhirpath", "terminology", "validation", "interactions"),
    "documents": (
        "foundation",
        "access",
        "interactions",
        "mappings",
        "search.condition",
        "search.index_row",
        "storage.store",
        "validation",
    ),
    "xds": ("foundation", "interactions", "mappings", "access.grant"),
    "asgi": ("foundation", "access.grant", "interactions", "operations", "documents", "xds", "smart", "storage.lease"),
}
COMPOSERS = ("app", "commands", "conformance", "directory", "__main__", "__init__")
"""The composition root and the command line may know everyone; nobody imports them but each other."""


def modules(package: str) -> Iterator[Path]:
    return (path for path in sorted((ROOT / package).rglob("*.py")))


def imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def room_of(path: Path) -> str:
    return path.relative_to(ROOT / "fhir_server").parts[0].removesuffix(".py")


def is_allowed(target: str, allowed: tuple[str, ...]) -> bool:
    return any(target == name or target.startswith(f"{name}.") for name in allowed)


@pytest.mark.parametrize("path", list(modules("fhir_server")), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_room_may(path: Path) -> None:
    room = room_of(path)
    if room in COMPOSERS:
        return
    assert room in ALLOWED, f"{room} has no row in the table of rooms"
    for line, name in imports(path):
        if name.split(".")[0] not in ("fhir_server", "mappings"):
            continue
        target = name.removeprefix("fhir_server.")
        permitted = (*ALLOWED[room], room)
        assert target == "__version__" or is_allowed(target, permitted), f"{path}:{line}: {room} may not import {name}"


@pytest.mark.parametrize("path", list(modules("mappings")), ids=lambda path: str(path.relative_to(ROOT)))
def test_mappings_know_nothing_of_the_server(path: Path) -> None:
    assert not [name for _, name in imports(path) if name.startswith("fhir_server")]


def test_only_asgi_and_the_composition_know_http() -> None:
    for path in modules("fhir_server"):
        if room_of(path) in ("asgi", *COMPOSERS):
            continue
        known = {name.split(".")[0] for _, name in imports(path)}
        assert not known & {"fastapi", "starlette", "uvicorn"}, f"{path} knows HTTP"


def test_only_a_backend_knows_its_engine() -> None:
    for path in modules("fhir_server"):
        known = {name.split(".")[0] for _, name in imports(path)}
        folder = path.relative_to(ROOT / "fhir_server").parts
        assert not known & {"apsw", "sqlite3"} or folder[:2] == ("storage", "sqlite"), f"{path} knows SQLite"
        is_mongodb = folder[:2] == ("storage", "mongodb")
        assert not known & {"pymongo", "bson", "gridfs"} or is_mongodb, f"{path} knows MongoDB"


def test_the_table_would_catch_a_forbidden_import() -> None:
    assert not is_allowed("storage.sqlite.store", ALLOWED["interactions"])
    assert not is_allowed("storage.store", ALLOWED["access"])
    assert is_allowed("search.condition.Condition", ALLOWED["storage"])
    assert not is_allowed("search.parse", ALLOWED["storage"])
