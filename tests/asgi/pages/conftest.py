"""The pages over a store in memory, an app, two users, and a browser that is no other than httpx."""

import html
import itertools
import re
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import httpx
import pytest

from fhir_server.asgi.pages import pages
from fhir_server.smart.authorization import Authorization, AuthorizationSettings
from fhir_server.smart.clients import Client
from fhir_server.smart.users import User

ISSUER = "https://record.example"
SETTINGS = AuthorizationSettings(password_memory_kib=32, password_rounds=1)


class MemoryStore:
    """The records of a store, in memory."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._records: dict[tuple[str, str], tuple[bytes, datetime | None]] = {}

    async def record(self, kind: str, key: str) -> bytes | None:
        content, expires_at = self._records.get((kind, key), (None, None))
        return None if expires_at is not None and expires_at <= self._now() else content

    async def records(self, kind: str) -> list[tuple[str, bytes]]:
        keys = sorted(key for found, key in self._records if found == kind)
        return [(key, content) for key in keys if (content := await self.record(kind, key)) is not None]

    async def put_record(self, kind: str, key: str, content: bytes, expires_at: datetime | None = None) -> None:
        self._records[kind, key] = (content, expires_at)

    async def delete_record(self, kind: str, key: str) -> bool:
        is_live = await self.record(kind, key) is not None
        self._records.pop((kind, key), None)
        return is_live

    async def transact(self, work: Any) -> Any:
        before = dict(self._records)
        try:
            return await work(self)
        except BaseException:
            self._records = before
            raise


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
def server_keys() -> list[tuple[str, bytes]]:
    async def make() -> list[tuple[str, bytes]]:
        clock = Clock()
        store: Any = MemoryStore(clock)
        await Authorization(store, f"{ISSUER}/fhir", clock, lambda: "id", SETTINGS).open()
        return await store.records("key")

    return anyio.run(make)


@pytest.fixture
async def store(clock: Clock, server_keys: list[tuple[str, bytes]]) -> Any:
    store = MemoryStore(clock)
    for key, content in server_keys:
        await store.put_record("key", key, content)
    return store


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
        (form,) = re.findall(rf'<form method="post" action="{action}">(.*?)</form>', response.text, re.S)
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
