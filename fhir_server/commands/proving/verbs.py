"""`fhir-server audit VERB`: whether the audit trail is whole, and who opened records in an emergency."""

from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, console, effective, refusals_told

audit = typer.Typer(help="Verify the audit trail, and review emergencies.", no_args_is_help=True)


@audit.command("verify")
def audit_verify(
    noted: Annotated[
        str, typer.Option(help="A link that an earlier run printed, kept where who writes to the store does not reach.")
    ] = "",
    data: Data = None,
    config: Config = None,
) -> None:
    """Verify that no audit event was removed, changed, inserted or moved; ends with 1 and names them when some were."""
    from fhir_server.commands.proving import audit as verb

    with refusals_told():
        raise typer.Exit(verb.verify(effective(config, data=data), noted, console))


@audit.command("emergencies")
def audit_emergencies(data: Data = None, config: Config = None) -> None:
    """List who opened which record in an emergency, when, as what and why."""
    from fhir_server.commands.proving import audit as verb

    with refusals_told():
        verb.list_emergencies(effective(config, data=data), console)
