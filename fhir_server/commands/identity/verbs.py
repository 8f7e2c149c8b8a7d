"""The verbs `client`, `user` and `keys`: what each is told, and which function does it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
"""

from pathlib import Path
from typing import Annotated

import typer

from fhir_server.commands.options import Config, Data, console, effective, refusals_told

client = typer.Typer(help="Register and list the software that may ask for tokens.", no_args_is_help=True)
user = typer.Typer(help="Add and list the people who sign in with a password.", no_args_is_help=True)


keys = typer.Typer(help="The keys that sign tokens.", no_args_is_help=True)


@client.command("register")
def client_register(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    client_id: Annotated[str, typer.Argument(help="The client_id that it will use.")],
    name: Annotated[str, typer.Option(help="The name that people read on the consent page.")],
    scope: Annotated[str, typer.Option(help="The most it may ever get, such as 'system/*.crs' or 'patient/*.rs'.")],
    redirect_uri: Annotated[
        list[str] | None, typer.Option(help="For an app that people use: where it is sent back to.")
    ] = None,
    jwks: Annotated[
        Path | None, typer.Option(help="Its public JWK Set. Without it, a key pair is made for a backend service.")
    ] = None,
    actor: Annotated[str, typer.Option(help="The resource it acts as (default Device/CLIENT_ID).")] = "",
    purpose: Annotated[
        str, typer.Option(help="For an app of the catalogue: what it is there for, such as care; consents bound it.")
    ] = "",
    confidential: Annotated[
        bool, typer.Option("--confidential", help="It keeps a secret, which is drawn and told once.")
    ] = False,
    launch_host: Annotated[
        bool, typer.Option("--launch-host", help="A host software: it may open EHR launches.")
    ] = False,
    state_system: Annotated[
        list[str] | None, typer.Option(help="A code system of the app states that it may keep, besides its origins.")
    ] = None,
    tls_subject: Annotated[
        str, typer.Option(help="It proves itself by mutual TLS, with a certificate of this subject: CN=...,O=...,C=FR.")
    ] = "",
    operator: Annotated[
        bool, typer.Option("--operator", help="Trust it with every record, within its scopes.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Register a client: an app with --redirect-uri, a backend service (private_key_jwt) without."""
    from fhir_server.commands.identity import clients as verb

    with refusals_told():
        registration = verb.Registration(
            client_id,
            name,
            tuple(scope.split()),
            tuple(redirect_uri or ()),
            jwks,
            actor,
            purpose,
            operator,
            confidential,
            launch_host,
            tuple(state_system or ()),
            tls_subject,
        )
        verb.register(effective(config, data=data), registration, console)


@client.command("list")
def client_list(data: Data = None, config: Config = None) -> None:
    """List the registered clients."""
    from fhir_server.commands.identity import clients as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


@client.command("pending")
def client_pending(data: Data = None, config: Config = None) -> None:
    """List the apps that registered themselves and wait for an approval."""
    from fhir_server.commands.identity import clients as verb

    with refusals_told():
        verb.show_pending(effective(config, data=data), console)


@client.command("approve")
def client_approve(
    client_id: Annotated[str, typer.Argument(help="An app that waits.")], data: Data = None, config: Config = None
) -> None:
    """Approve an app that registered itself: from now on it may ask for tokens."""
    from fhir_server.commands.identity import clients as verb

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
    from fhir_server.commands.identity import clients as verb

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
    from fhir_server.commands.identity import sign_in as verb

    with refusals_told():
        typer.echo(verb.token(base, client_id, redirect_uri, scope))


@user.command("add")
def user_add(  # noqa: PLR0913 - each argument is an option that a person reads in --help
    login: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    actor: Annotated[
        str, typer.Option(help="Who it is: Patient/ID, Practitioner/ID, RelatedPerson/ID, or Person/ID of an operator.")
    ],
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
    represents: Annotated[str, typer.Option(help="For a RelatedPerson: Patient/ID of whom he acts for.")] = "",
    regulator: Annotated[
        bool, typer.Option("--regulator", help="A doctor of the emergency call centre (centre 15).")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Add a person who signs in with a password."""
    from fhir_server.commands.identity import users as verb
    from fhir_server.smart.users import User

    with refusals_told():
        person = User(
            "",
            login,
            verb.kind_of(actor),
            actor,
            name,
            profession,
            tuple(organization or ()),
            is_regulator=regulator,
            represents=represents.removeprefix("Patient/"),
        )
        verb.add(effective(config, data=data), person, password, console)


@user.command("list")
def user_list(data: Data = None, config: Config = None) -> None:
    """List the people who sign in here."""
    from fhir_server.commands.identity import users as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


@keys.command("list")
def keys_list(data: Data = None, config: Config = None) -> None:
    """List the keys that sign or still verify tokens; secrets are not shown."""
    from fhir_server.commands.identity import keys as verb

    with refusals_told():
        verb.show(effective(config, data=data), console)


@keys.command("rotate")
def keys_rotate(
    at_once: Annotated[
        bool, typer.Option("--at-once", help="Forget the former keys now: one was stolen. All tokens end.")
    ] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make new signing keys; the former verify for a day more, so that no token breaks. It also happens by itself."""
    from fhir_server.commands.identity import keys as verb

    with refusals_told():
        verb.rotate(effective(config, data=data), console, is_at_once=at_once)
