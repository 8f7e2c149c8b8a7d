"""What verbs of the command line share: their options, and how a refusal is told.

Spec: none; the command line is ours.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fhir_server import settings
from fhir_server.settings import Settings, SettingsRefused

console = Console()
errors = Console(stderr=True)

Host = Annotated[str | None, typer.Option(help="Address to listen on.")]
Port = Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one and prints it.")]
Data = Annotated[str | None, typer.Option(help="Folder of the embedded store (default ./data).")]
Workers = Annotated[int | None, typer.Option(help="Server processes.")]
Open = Annotated[
    bool | None, typer.Option("--open", help="No authorization at all, for tests: loopback addresses only.")
]
Config = Annotated[Path | None, typer.Option(help="Settings file (default fhir-server.toml when it exists).")]


@contextmanager
def refusals_told() -> Iterator[None]:
    """Turn a refusal that a person can mend into one red sentence and exit code 2."""
    from fhir_server.foundation.operation_outcome import FhirError

    try:
        yield
    except FhirError as refusal:
        for issue in refusal.issues:
            place = f" ({', '.join(issue.expression)})" if issue.expression else ""
            errors.print(f"[bold red]fhir-server:[/bold red] {escape(issue.diagnostics + place)}", soft_wrap=True)
        raise typer.Exit(2) from refusal
    except (SettingsRefused, OSError) as error:
        errors.print(f"[bold red]fhir-server:[/bold red] {escape(str(error))}", soft_wrap=True)
        raise typer.Exit(2) from error


def effective(config: Path | None = None, **overrides: str | int | None) -> Settings:
    """Return the effective settings of a verb."""
    return settings.load(config, None, **overrides)[0]
