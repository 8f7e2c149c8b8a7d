"""`fhir-server check`: the effective settings, where each comes from, and what is wrong with them."""

import os
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fhir_server.access.matrix.load import parse_matrix
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.settings import Settings, descriptions, shown_store
from fhir_server.smart.brands import read_brands
from fhir_server.smart.providers.configured import read_providers


def show(settings: Settings, sources: dict[str, str], console: Console) -> None:
    """Print a table of the settings: value, source and meaning."""
    table = Table("setting", "value", "from", "meaning", title="Effective settings")
    texts = descriptions()
    for name in Settings.__struct_fields__:
        value = shown_store(settings) if name == "store" and settings.store else getattr(settings, name)
        origin = sources[name]
        table.add_row(name, str(value), origin if origin == "default" else f"[bold]{origin}[/bold]", texts[name])
    console.print(table)


def mistakes(settings: Settings) -> list[str]:
    """Return what will not work on this machine, a sentence each."""
    found = []
    folder = Path(settings.data)
    nearest = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not nearest.is_dir():
        found.append(f"data: {nearest} is a file; name a folder.")
    elif not os.access(nearest, os.W_OK):
        found.append(f"data: {nearest} is not writable by this user.")
    if settings.matrix:
        found += matrix_mistakes(Path(settings.matrix))
    if settings.brands:
        found += file_mistakes("brands", Path(settings.brands), lambda content: read_brands(content, "https://x/fhir"))
    if settings.providers:
        found += file_mistakes("providers", Path(settings.providers), lambda text: read_providers(text, os.environ))
    found += definition_mistakes(settings)
    if settings.host not in ("127.0.0.1", "localhost", "::1") and not settings.public_url.startswith("https://"):
        found.append("public_url: a server that others reach needs https:// in front (a proxy that ends TLS).")
    return found


def definition_mistakes(settings: Settings) -> list[str]:
    """Return what is wrong with the packages and profiles that are named."""
    found = [
        f"packages: {name} is no file and no folder here, and no NAME@VERSION."
        for name in settings.packages
        if not Path(name).exists() and "@" not in name
    ]
    unknown = (name for name in settings.profiles if name not in RESOURCE_TYPES)
    return found + [f"profiles: {name} is no resource type of R4." for name in unknown]


def matrix_mistakes(file: Path) -> list[str]:
    """Return what is wrong with the file of the matrix."""
    return file_mistakes("matrix", file, parse_matrix)


def file_mistakes(setting: str, file: Path, read: Callable[[bytes], object]) -> list[str]:
    """Return what is wrong with the file that a setting names."""
    try:
        read(file.read_bytes())
    except OSError as error:
        return [f"{setting}: {file} cannot be read: {error.strerror}."]
    except FhirError as refusal:
        return [f"{setting}: {file}: {refusal}"]
    return []
