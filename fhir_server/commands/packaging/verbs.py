"""`fhir-server package VERB`: FHIR packages from files, folders or a registry."""

from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, console, effective, refusals_told

package = typer.Typer(
    help="Add, list and remove FHIR packages: profiles, value sets, search parameters.", no_args_is_help=True
)


@package.command("add")
def package_add(
    packages: Annotated[list[str], typer.Argument(help="Files (.tgz), folders, or NAME@VERSION from the registry.")],
    dependencies: Annotated[
        bool, typer.Option("--dependencies", help="Also fetch from the registry what they depend on.")
    ] = False,
    registry: Annotated[str | None, typer.Option(help="Address of the registry (default: the setting).")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add FHIR packages: their profiles, value sets and other definitions take effect and are searchable.

    Ends with 1 when something that they depend on is missing.
    """
    from fhir_server.commands.packaging import packages as verb

    with refusals_told():
        chosen = effective(config, data=data, registry=registry)
        raise typer.Exit(verb.add(chosen, packages, console, with_dependencies=dependencies))


@package.command("list")
def package_list(data: Data = None, config: Config = None) -> None:
    """List the FHIR packages that were added, each with the hash of its file."""
    from fhir_server.commands.packaging import packages as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


@package.command("remove")
def package_remove(
    name: Annotated[str, typer.Argument(help="NAME@VERSION, as `package list` shows it.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Remove what a FHIR package brought; resources that were validated by it stay."""
    from fhir_server.commands.packaging import packages as verb

    with refusals_told():
        verb.remove(effective(config, data=data), name, console)
