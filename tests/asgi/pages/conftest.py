"""The pages over a real store, an app, two users, and a browser that is no other than httpx."""

import html
import itertools
import re
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest

from fhir_server.asgi.pages import pages
from fhir_server.smart.authorization import Authorization, AuthorizationSettings
from fhir_server.smart.clients import Client
from fhir_server.smart.users import User
from fhir_server.storage.sqlite.store import SqliteStore

ISSUER = "https://record.example"
SETTINGS = AuthorizationSettings(password_memory_kib=32, password_rounds=1)


class Clock:
    def __init__(self) -> None:
        self.moment = datetime.fromtimestamp(int(time.time()), UTC)

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, seconds: float) -> None:
        self.moment += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="session")
def server_keys(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, bytes]]:
    """The signing keys, which take a while to make."""

    async def make() -> list[tuple[str, bytes]]:
        clock = Clock()
        store = SqliteStore(tmp_path_factory.mktemp("keys") / "keys.sqlite", now=clock)
        await store.open()
        await Authorization(store, f"{ISSUER}/fhir", clock, lambda: "id", SETTINGS).open()
        keys = await store.records("key")
        await store.close()
        return keys

    return anyio.run(make)


@pytest.fixture
async def store(tmp_path: Path, clock: Clock, server_keys: list[tuple[str, bytes]]) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "records.sqlite", now=clock)
    await store.open()

    async def put_keys(transaction: Any) -> None:
        for key, content in server_keys:
            await transaction.put_record("key", key, content)

    await store.transact(put_keys)
    yield store
    await store.close()


@pytest.fixture
async def authorization(store: Any, clock: Clock) -> Authorization:
    ids = itertools.count(1)
    authorization = Authorization(store, f"{ISSUER}/fhir", clock, lambda: f"id-{next(ids)}", SETTINGS)
    await authorization.open()
    app = Client(
        client_id="app",
        name="Mon <carnet>",
        kind="public",
        scopes=("openid", "fhirUser", "launch/patient", "offline_access", "patient/*.cruds", "user/*.rs"),
        redirect_uris=("https://app.example/back", "fr.carnet:/back"),
        catalogue="application",
    )
    await authorization.clients.register(app)
    await authorization.users.add(User("pat", "pat", "patient", "Patient/1", "Pat Durand"), "a good password")
    doctor = User("doc", "doc", "professional", "Practitioner/1", "Dr Claire Martin", "10")
    await authorization.users.add(doctor, "another password")
    return authorization


class Browser(httpx.AsyncClient):
    """A browser that follows no redirect by itself and fills in the forms of our pages."""

    async def submit(self, response: httpx.Response, action: str, **changes: str | list[str] | None) -> httpx.Response:
        """Send the page's form of that action, its fields changed (None leaves one out)."""
        (form,) = re.findall(rf'<form method="post" action="{action}"[^>]*>(.*?)</form>', response.text, re.S)
        fields: dict[str, Any] = {}
        for tag in re.findall(r"<input[^>]*>", form):
            attributes = dict(re.findall(r'(\w+)="([^"]*)"', tag))
            fields.setdefault(attributes["name"], []).append(html.unescape(attributes.get("value", "")))
        fields = {name: value for name, value in {**fields, **changes}.items() if value is not None}
        return await self.post(action, data=fields)

    async def sign_in(self, login: str = "pat", password: str = "a good password") -> httpx.Response:
        return await self.submit(await self.get("/sign-in"), "/sign-in", login=login, password=password)


@pytest.fixture
async def browser(authorization: Authorization) -> AsyncIterator[Browser]:
    async with Browser(transport=httpx.ASGITransport(app=pages(authorization)), base_url=ISSUER) as browser:
        yield browser


@pytest.fixture
def request_fields() -> dict[str, str]:
    return {
        "response_type": "code",
        "client_id": "app",
        "redirect_uri": "https://app.example/back",
        "scope": "openid fhirUser launch/patient patient/*.rs offline_access",
        "state": "st&te",
        "aud": f"{ISSUER}/fhir",
        "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        "code_challenge_method": "S256",
    }
