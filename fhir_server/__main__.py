"""The command line: `fhir-server VERB`; each verb is a file of `commands/`."""

from pathlib import Path
from typing import Annotated

import typer

from fhir_server import __version__, settings
from fhir_server.commands.identity.verbs import client, keys, user
from fhir_server.commands.options import (
    Config,
    Data,
    Host,
    Open,
    Port,
    Workers,
    console,
    effective,
    errors,
    refusals_told,
)
from fhir_server.commands.packaging.verbs import package
from fhir_server.commands.proving.verbs import audit
from fhir_server.commands.terminology.verbs import terminology
from fhir_server.commands.xds.verbs import vihf

application = typer.Typer(
    name="fhir-server",
    help="A FHIR R4 server for the French personal health record. Start with: fhir-server demo",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
application.add_typer(package, name="package")
application.add_typer(terminology, name="terminology")
application.add_typer(client, name="client")
application.add_typer(user, name="user")
application.add_typer(keys, name="keys")
application.add_typer(audit, name="audit")
application.add_typer(vihf, name="vihf")


@application.callback(invoke_without_command=True)
def version(show: Annotated[bool, typer.Option("--version", help="Print the version and stop.")] = False) -> None:
    """Print the version when asked; each verb explains itself with --help."""
    if show:
        console.print(__version__)
        raise typer.Exit


@application.command()
def serve(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    host: Host = None,
    port: Port = None,
    data: Data = None,
    workers: Workers = None,
    open_: Open = None,
    config: Config = None,
) -> None:
    """Start the server. Without --open it refuses anonymous calls: register a client and a user first.

    The FHIR base is http://HOST:PORT/fhir.
    """
    from fhir_server.commands import serve as verb
    from fhir_server.commands.packaging import packages

    with refusals_told():
        chosen = effective(config, host=host, port=port, data=data, workers=workers, open=open_)
        listener = verb.bind(chosen)
        deployment = verb.deployment_of(chosen, listener)
        verb.announce(deployment, console)
        packages.ensure(chosen, console)
        verb.run(deployment, listener)


@application.command()
def demo(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    host: Host = None,
    port: Port = None,
    data: Data = None,
    workers: Workers = None,
    open_: Open = None,
    config: Config = None,
) -> None:
    """Start a server to try: fresh store, small population, a laboratory, two doctors, a patient and an app.

    The store is made anew in DATA/demo at each start. What to click and what to curl is printed.
    """
    from fhir_server.commands.demo import start

    with refusals_told():
        start.run(effective(config, host=host, port=port, data=data, workers=workers, open=open_), console)


@application.command()
def load(
    paths: Annotated[list[Path], typer.Argument(help="Files or folders: .json, .ndjson, .xml, FHIR package .tgz.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Load resources and Bundles into the store, a hundred to a transaction; ids are kept."""
    from fhir_server.commands import load as verb

    with refusals_told():
        raise typer.Exit(verb.run(effective(config, data=data), paths, console))


@application.command("import-cda")
def import_cda(
    paths: Annotated[list[Path], typer.Argument(help="CDA R2 files (.xml) or folders of them.")],
    report: Annotated[
        Path | None, typer.Option(help="Folder for a report of what became of each node, HTML and JSON.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Convert CDA R2 documents and store what they say; importing one twice changes nothing."""
    from fhir_server.commands import import_cda as verb

    with refusals_told():
        raise typer.Exit(verb.run(effective(config, data=data), paths, report, console))


@application.command()
def reindex(data: Data = None, config: Config = None) -> None:
    """Make the index rows of every resource anew, after an upgrade; an interrupted run goes on where it stopped."""
    from fhir_server.commands import reindex as verb

    with refusals_told():
        verb.run(effective(config, data=data), console)


@application.command()
def copy(
    from_: Annotated[str, typer.Option("--from", help="The store to read: its folder, or mongodb://...")],
    to: Annotated[str, typer.Option("--to", help="The store to fill, an empty one: a folder, or mongodb://...")],
    config: Config = None,
) -> None:
    """Copy a whole server from one store to another, then compare both; an interrupted copy goes on.

    Stop the servers of both stores first. Versions, deletions, clients, users, keys, sessions and waiting audit
    entries are copied; index rows are made anew. Tables of large code systems lie beside the store: import them again.
    """
    from fhir_server.commands import copy as verb

    with refusals_told():
        raise typer.Exit(verb.run(effective(config), from_, to, console))


@application.command()
def check(config: Config = None) -> None:
    """Explain the effective settings and find mistakes; ends with 1 when there are some."""
    from fhir_server.commands import check as verb

    with refusals_told():
        chosen, sources = settings.load(config)
        verb.show(chosen, sources, console)
        mistakes = verb.mistakes(chosen)
    for mistake in mistakes:
        errors.print(f"[bold red]mistake:[/bold red] {mistake}", soft_wrap=True)
    if mistakes:
        raise typer.Exit(1)
    console.print("[green]No mistake found.[/green]")


@application.command()
def bench(
    patients: Annotated[int, typer.Option(min=1, help="Patients of the population, 100 observations each.")] = 200,
    seconds: Annotated[float, typer.Option(min=0.2, help="Seconds a measurement.")] = 3.0,
    cda: Annotated[list[Path] | None, typer.Option(help="CDA files whose conversion is measured too.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the figures to this file.")] = None,
    store: Annotated[
        str, typer.Option(help="Measure on this MongoDB: an empty database (mongodb://...) on this machine.")
    ] = "",
) -> None:
    """Measure a server of this machine on a fresh store: requests/s, latency, CPU a request, memory, disk.

    Authorization and audit are on, as in production.
    """
    from fhir_server.commands import bench as verb

    with refusals_told():
        verb.run(verb.Plan(patients, seconds, tuple(cda or ()), json_file, store), console)


@application.command()
def fhirpath(
    expression: Annotated[str, typer.Argument(help="A FHIRPath expression, such as Patient.name.given.first().")],
    file: Annotated[Path, typer.Argument(help="A resource, JSON or XML.")],
) -> None:
    """Evaluate a FHIRPath expression on a resource, and print each item with its place."""
    from fhir_server.commands import fhirpath as verb

    with refusals_told():
        verb.run(expression, file, console)


@application.command("prove-access")
def prove_access(
    seconds: Annotated[float, typer.Option(min=1, help="How long to look; hours are welcome.")] = 60,
    seed: Annotated[int, typer.Option(help="What is drawn at random follows from it: give it to see a run again.")] = 1,
    store: Annotated[
        str, typer.Option(help="Address of a MongoDB: the twins are databases of their own there, dropped at the end.")
    ] = "",
) -> None:
    """Look for a request that tells what is hidden: twin servers that differ only in that must answer alike.

    Ends with 1 and the smallest request that shows a leak when there is one. Your own store is not touched: the twins
    are embedded stores in a temporary folder, or with --store mongodb://... databases named after yours.
    """
    from fhir_server.commands.proving import prove as verb

    with refusals_told():
        raise typer.Exit(verb.run(verb.Search(seconds, seed, store), console))


def main() -> None:
    """Run the command line."""
    application()


if __name__ == "__main__":
    main()
