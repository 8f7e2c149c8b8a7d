"""`fhir-server package`: add, list and remove FHIR packages; a running server takes note within a second or two."""

import asyncio
import tempfile
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from fhir_server.commands.local import opened
from fhir_server.conformance import packages, registry
from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.foundation.packages import Missing
from fhir_server.interactions.request import Runtime
from fhir_server.settings import Settings

ROUNDS = 20
"""Dependencies of dependencies are followed so deep."""


def add(settings: Settings, names: list[str], console: Console, *, with_dependencies: bool = False) -> int:
    """Add packages, files or folders or NAME@VERSION; return 1 when a dependency of theirs is missing, else 0."""
    return asyncio.run(_add(settings, names, console, with_dependencies))


async def _add(settings: Settings, names: list[str], console: Console, with_dependencies: bool) -> int:
    with tempfile.TemporaryDirectory(prefix="fhir-package-") as folder:
        async with opened(settings) as runtime:
            adder = Adder(runtime, settings.registry, Path(folder), console)
            for name in names:
                await adder.add(name)
            for _ in range(ROUNDS if with_dependencies else 0):
                if not await adder.add_missing():
                    break
            missing = await packages.missing_packages(runtime.store, adder.labels)
    _tell_missing(missing, console)
    return 1 if missing else 0


def _tell_missing(missing: tuple[Missing, ...], console: Console) -> None:
    """Say of each package that is missing who needs it, and how to get it."""
    needed: dict[str, list[str]] = {}
    for one in missing:
        here = f" (here is {', '.join(one.versions)})" if one.versions else ""
        needed.setdefault(f"{one.name}@{one.version}{here}", []).append(one.package)
    for name, packages_in_need in sorted(needed.items()):
        by = ", ".join(packages_in_need)
        console.print(
            f"[yellow]missing[/yellow] {escape(name)} needed by {escape(by)}", soft_wrap=True, highlight=False
        )
    if missing:
        console.print(
            "What needs a missing package is not checked, and says so. Add it: fhir-server package add NAME@VERSION",
            soft_wrap=True,
        )


class Adder:
    """Add packages one after the other, and tell what becomes of each; `labels` are those that were asked for."""

    def __init__(self, runtime: Runtime, address: str, folder: Path, console: Console) -> None:
        self._runtime = runtime
        self._registry = address
        self._folder = folder
        self._console = console
        self._unknown: set[tuple[str, str]] = set()
        self.labels: set[str] = set()

    async def add(self, name: str) -> None:
        """Add one package; raises FhirError."""
        known = {package.label for package in await packages.packages(self._runtime.store)}
        if (label := name.replace("@", "#", 1)) in known:
            self.labels.add(label)
            self._print(f"[bold]{escape(name)}[/bold] is here already")
            return
        with Progress(console=self._console, transient=True) as progress:
            task = progress.add_task(escape(name), total=None)

            def tell(done: int, total: int) -> None:
                progress.update(task, completed=done, total=total or None)

            path = await asyncio.to_thread(self._file, name, tell)
            addition = await packages.add(self._runtime, path, tell)
        self.labels.add(addition.package.label)
        self._tell(addition)

    def _file(self, name: str, tell: registry.Tell) -> Path:
        """Return the file or folder of a package, downloaded when it is not here."""
        path = Path(name)
        package, _, version = name.partition("@")
        if path.exists():
            return path
        if not version:
            raise NotFound(f"{name} is no file and no folder, and no NAME@VERSION of a package.")
        return registry.download(self._registry, package, version, self._folder, tell)

    def _print(self, text: str) -> None:
        self._console.print(text, soft_wrap=True, highlight=False)

    def _tell(self, addition: packages.Addition) -> None:
        package = addition.package
        done = f"{package.stored} resources" if addition.is_new else "is here already"
        self._print(f"[bold]{escape(package.label)}[/bold] {done}")
        for flaw in addition.flaws:
            self._print(f"  [yellow]flaw[/yellow] {escape(flaw)}")

    async def add_missing(self) -> bool:
        """Fetch each missing dependency from the registry; return whether there was one to fetch."""
        wanted = {(one.name, one.version) for one in await packages.missing_packages(self._runtime.store, self.labels)}
        wanted -= self._unknown
        for name, version in sorted(wanted):
            try:
                await self.add(f"{name}@{version}")
            except NotFound as error:
                self._unknown.add((name, version))
                self._print(f"[red]not found[/red] {escape(str(error))}")
        return bool(wanted)


def show(settings: Settings, console: Console) -> None:
    """Print the packages that were added."""

    async def work() -> list[packages.Package]:
        async with opened(settings) as runtime:
            return await packages.packages(runtime.store)

    table = Table("package", "resources", "added", "SHA-256", "title", title="Packages")
    for package in asyncio.run(work()):
        day, title = f"{package.added_at:%Y-%m-%d}", escape(package.manifest.title)
        table.add_row(package.label, str(package.stored), day, package.digest[:16], title)
    console.print(table)


def remove(settings: Settings, name: str, console: Console) -> None:
    """Delete what a package brought; raises NotFound."""

    async def work() -> int:
        async with opened(settings) as runtime:
            with Progress(console=console, transient=True) as progress:
                task = progress.add_task("Removing", total=None)
                return await packages.remove(
                    runtime, name, lambda done, total: progress.update(task, completed=done, total=total)
                )

    console.print(f"[bold]{asyncio.run(work())}[/bold] resources removed")


def ensure(settings: Settings, console: Console) -> None:
    """Add the packages of the settings that are not here yet."""
    if settings.packages:
        add(settings, list(settings.packages), console)
