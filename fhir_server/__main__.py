"""The command line: `fhir-server VERB`; each verb is a file of `commands/`."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from fhir_server import __version__, settings
from fhir_server.settings import Settings, SettingsRefused

application = typer.Typer(
    name="fhir-server",
    help="A FHIR R4 server for the French personal health record. Start with: fhir-server demo",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_show_locals=False,
)
client = typer.Typer(help="Register and list the software that may ask for tokens.", no_args_is_help=True)
user = typer.Typer(help="Add and list the people who sign in with a password.", no_args_is_help=True)
application.add_typer(client, name="client")
application.add_typer(user, name="user")
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

    with refusals_told():
        chosen = effective(config, host=host, port=port, data=data, workers=workers, open=open_)
        listener = verb.bind(chosen)
        deployment = verb.deployment_of(chosen, listener)
        verb.announce(deployment, console)
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
) -> None:
    """Measure a server of this machine on a fresh store: requests/s, latency, CPU a request, memory, disk.

    Authorization and audit are on, as in production.
    """
    from fhir_server.commands import bench as verb

    with refusals_told():
        verb.run(verb.Plan(patients, seconds, tuple(cda or ()), json_file), console)


@application.command()
def fhirpath(
    expression: Annotated[str, typer.Argument(help="A FHIRPath expression, such as Patient.name.given.first().")],
    file: Annotated[Path, typer.Argument(help="A resource, JSON or XML.")],
) -> None:
    """Evaluate a FHIRPath expression on a resource, and print each item with its place."""
    from fhir_server.commands import fhirpath as verb

    with refusals_told():
        verb.run(expression, file, console)


@client.command("register")
def client_register(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    client_id: Annotated[str, typer.Argument(help="The client_id that it will use.")],
    name: Annotated[str, typer.Option(help="The name that people read on the consent page.")],
    scope: Annotated[str, typer.Option(help="The most it may ever get, such as 'system/*.crs' or 'patient/*.rs'.")],
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="For an app that people use: where it is sent back to. Makes it public.")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option(help="For a backend service: its public JWK Set. Without it, a key pair is made.")
    ] = None,
    actor: Annotated[str, typer.Option(help="The resource it acts as (default Device/CLIENT_ID).")] = "",
    operator: Annotated[
        bool, typer.Option("--operator", help="Trust it with every record, within its scopes.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Register a client: an app with --redirect-uri, a backend service (private_key_jwt) without."""
    from fhir_server.commands import clients as verb

    with refusals_told():
        registration = verb.Registration(
            client_id, name, tuple(scope.split()), tuple(redirect_uri or ()), jwks, actor, operator
        )
        verb.register(effective(config, data=data), registration, console)


@client.command("list")
def client_list(data: Data = None, config: Config = None) -> None:
    """List the registered clients."""
    from fhir_server.commands import clients as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


@client.command("pending")
def client_pending(data: Data = None, config: Config = None) -> None:
    """List the apps that registered themselves and wait for an approval."""
    from fhir_server.commands import clients as verb

    with refusals_told():
        verb.show_pending(effective(config, data=data), console)


@client.command("approve")
def client_approve(
    client_id: Annotated[str, typer.Argument(help="An app that waits.")], data: Data = None, config: Config = None
) -> None:
    """Approve an app that registered itself: from now on it may ask for tokens."""
    from fhir_server.commands import clients as verb

    with refusals_told():
        verb.approve(effective(config, data=data), client_id, console)


@client.command("token")
def client_token(
    client_id: Annotated[str, typer.Argument(help="A backend service.")],
    key: Annotated[Path, typer.Option(help="Its private key, a JWK file.")],
    base: Annotated[str, typer.Option(help="The FHIR base of a running server.")] = "http://127.0.0.1:8080/fhir",
    scope: Annotated[str, typer.Option(help="What to ask for; at most what it was registered with.")] = "system/*.crs",
) -> None:
    """Ask a running server for an access token as a backend service, and print it."""
    from fhir_server.commands import clients as verb

    with refusals_told():
        typer.echo(verb.token(base, client_id, key, scope))


@client.command("sign-in")
def client_sign_in(
    client_id: Annotated[str, typer.Argument(help="An app that people use.")],
    redirect_uri: Annotated[
        str, typer.Option(help="Its loopback redirect URI, such as http://127.0.0.1:8765/callback.")
    ],
    base: Annotated[str, typer.Option(help="The FHIR base of a running server.")] = "http://127.0.0.1:8080/fhir",
    scope: Annotated[str, typer.Option(help="What to ask for.")] = "user/*.rs",
) -> None:
    """Sign in through the browser as an app would (code + PKCE), and print the access token."""
    from fhir_server.commands import sign_in as verb

    with refusals_told():
        typer.echo(verb.token(base, client_id, redirect_uri, scope))


@user.command("add")
def user_add(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    login: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    actor: Annotated[str, typer.Option(help="Who it is: Practitioner/ID or Patient/ID.")],
    name: Annotated[str, typer.Option(help="The name that the pages show.")],
    password: Annotated[
        str,
        typer.Option(prompt=True, hide_input=True, confirmation_prompt=True, help="Asked for; not given in a script."),
    ],
    profession: Annotated[
        str, typer.Option(help="Code of the profession: 10 doctor, 21 pharmacist, 60 nurse ...")
    ] = "",
    organization: Annotated[
        list[str] | None, typer.Option(help="Organization/ID that the professional works for.")
    ] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add a person who signs in with a password."""
    from fhir_server.commands import users as verb
    from fhir_server.smart.users import User

    with refusals_told():
        person = User("", login, verb.kind_of(actor), actor, name, profession, tuple(organization or ()))
        verb.add(effective(config, data=data), person, password, console)


@user.command("list")
def user_list(data: Data = None, config: Config = None) -> None:
    """List the people who sign in here."""
    from fhir_server.commands import users as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


def main() -> None:
    """Run the command line."""
    application()


if __name__ == "__main__":
    main()
