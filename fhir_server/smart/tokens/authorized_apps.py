"""The apps that a person authorised: what each may do, since when, when it last asked; and taking it back.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata (management_endpoint)
"""

from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.smart.clients import Client, Clients
from fhir_server.smart.tokens.family import Families, Family
from fhir_server.storage.store import Store, Transaction

_KIND = "agreement/"


class Agreement(msgspec.Struct, frozen=True):
    """What a person agreed to and asked to remember, so that the same app need not ask again."""

    client_id: str
    scopes: tuple[str, ...]
    agreed_at: datetime


class AuthorizedApp(msgspec.Struct, frozen=True):
    """One app with all that the person gave it; `scopes` is what any of its tokens may do."""

    client_id: str
    name: str
    scopes: tuple[str, ...]
    since: datetime
    last_used_at: datetime
    is_remembered: bool


class AuthorizedApps:
    """The agreements and token families of each person."""

    def __init__(self, store: Store, now: Callable[[], datetime], clients: Clients, families: Families) -> None:
        self._store = store
        self._now = now
        self._clients = clients
        self._families = families

    async def list(self, user_id: str) -> list[AuthorizedApp]:
        """Return the apps that hold live tokens of a person, or that he agreed to, by name."""
        families = await self._families.of_user(user_id)
        agreements = {agreement.client_id: agreement for agreement in await self._agreements(user_id)}
        client_ids = sorted({family.client_id for family in families} | agreements.keys())
        known = {client.client_id: client for client in await self._clients.list()}
        apps = []
        for client_id in client_ids:
            own = [family for family in families if family.client_id == client_id]
            apps.append(_app(known.get(client_id), client_id, own, agreements.get(client_id)))
        return sorted(apps, key=lambda app: (app.name.casefold(), app.client_id))

    async def revoke(self, user_id: str, client_id: str) -> None:
        """End every token that a person gave to an app, and forget that he agreed."""
        for family in await self._families.of_user(user_id):
            if family.client_id == client_id:
                await self._families.end(family.family_id)

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(_KIND + user_id, client_id)

        await self._store.transact(work)

    async def remember(self, user_id: str, client: Client, scopes: tuple[str, ...], seconds: int) -> None:
        """Remember that a person agreed to an app that can be told from others; later scopes add to the former."""
        if not client.can_be_remembered:
            return
        before = await self._agreed(user_id, client.client_id)
        now = self._now()
        both = tuple(dict.fromkeys((*(before.scopes if before else ()), *scopes)))
        content = msgspec.json.encode(Agreement(client.client_id, both, now))

        async def work(transaction: Transaction) -> None:
            kind = _KIND + user_id
            await transaction.put_record(kind, client.client_id, content, now + timedelta(seconds=seconds))

        await self._store.transact(work)

    async def has_agreed(self, user_id: str, client: Client, scopes: tuple[str, ...]) -> bool:
        """Say whether a person agreed before to all of these scopes for this app."""
        agreement = await self._agreed(user_id, client.client_id)
        return client.can_be_remembered and agreement is not None and set(scopes) <= set(agreement.scopes)

    async def _agreed(self, user_id: str, client_id: str) -> Agreement | None:
        content = await self._store.record(_KIND + user_id, client_id)
        return None if content is None else msgspec.json.decode(content, type=Agreement)

    async def _agreements(self, user_id: str) -> tuple[Agreement, ...]:
        records = await self._store.records(_KIND + user_id)
        return tuple(msgspec.json.decode(content, type=Agreement) for _, content in records)


def _app(client: Client | None, client_id: str, families: "list[Family]", agreement: Agreement | None) -> AuthorizedApp:
    scopes = [scope for family in families for scope in family.scopes]
    moments = [moment for family in families for moment in (family.granted_at, family.used_at) if moment is not None]
    if agreement is not None:
        moments.append(agreement.agreed_at)
    return AuthorizedApp(
        client_id=client_id,
        name=client_id if client is None else client.name,
        scopes=tuple(dict.fromkeys(scopes or (() if agreement is None else agreement.scopes))),
        since=min(moments),
        last_used_at=max(moments),
        is_remembered=agreement is not None,
    )
