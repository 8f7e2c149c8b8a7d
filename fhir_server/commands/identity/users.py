"""`fhir-server user`: add and list the people who sign in with a password."""

import asyncio

from rich.console import Console
from rich.table import Table

from fhir_server.commands.local import authorization_of, opened
from fhir_server.settings import Settings
from fhir_server.smart.users import User, UserKind

_KINDS: dict[str, UserKind] = {"RelatedPerson": "representative", "Patient": "patient", "Person": "operator"}


def kind_of(actor: str) -> UserKind:
    """Return what a person is by his own resource: `Patient/1`, `RelatedPerson/1`, `Person/1`, `Practitioner/1`."""
    return _KINDS.get(actor.partition("/")[0], "professional")


def add(settings: Settings, user: User, password: str, console: Console) -> None:
    """Add a person; raises Duplicate or Unprocessable."""

    async def work() -> User:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).users.add(user, password)

    added = asyncio.run(work())
    console.print(f"Added [bold]{added.login}[/bold], {added.display} ({added.kind}, {added.actor})")


def show(settings: Settings, console: Console) -> None:
    """Print the people who sign in here."""

    async def work() -> list[User]:
        async with opened(settings) as runtime:
            return await authorization_of(runtime).users.list()

    table = Table("login", "name", "kind", "is", "acts for", "profession", title="Users")
    for user in asyncio.run(work()):
        profession = f"{user.profession} (centre 15)" if user.is_regulator else user.profession
        represented = f"Patient/{user.represents}" if user.represents else ""
        table.add_row(user.login, user.display, user.kind, user.actor, represented, profession)
    console.print(table)
