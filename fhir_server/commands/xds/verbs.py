"""The verbs of `fhir-server vihf`, as the command line shows them."""

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, console, effective, refusals_told

vihf = typer.Typer(
    help="Trust the establishments that sign the assertions of SOAP messages (XDS.b).", no_args_is_help=True
)


@vihf.command()
def trust(
    certificate: Annotated[Path, typer.Argument(help="The seal certificate of the establishment, PEM or DER.")],
    structure: Annotated[str, typer.Option(help="Its Struct_IdNat, such as 1 and the FINESS number.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Accept the assertions that a seal certificate signs, for one structure."""
    from fhir_server.commands.xds import issuers

    with refusals_told():
        issuers.trust(effective(config, data=data), certificate, structure, console)


@vihf.command("list")
def show(data: Data = None, config: Config = None) -> None:
    """List the seal certificates that are trusted."""
    from fhir_server.commands.xds import issuers

    with refusals_told():
        issuers.show(effective(config, data=data), console)


@vihf.command()
def withdraw(
    fingerprint: Annotated[str, typer.Argument(help="SHA-256 of the certificate, as the list shows it.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Refuse the assertions of a seal certificate from now on."""
    from fhir_server.commands.xds import issuers

    with refusals_told():
        issuers.withdraw(effective(config, data=data), fingerprint, console)
