"""A store, a clock that tests move, and an authorization server with an app, a backend service and two users."""

import itertools
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

from fhir_server.smart.authorization import Authorization, AuthorizationSettings
from fhir_server.smart.clients import Client
from fhir_server.smart.users import User
from fhir_server.storage.sqlite.store import SqliteStore

BASE = "https://record.example/fhir"
TOKEN_URL = "https://record.example/oauth/token"


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
        await _authorization(store, clock).open()
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
async def authorization(store: SqliteStore, clock: Clock) -> Authorization:
    authorization = _authorization(store, clock)
    await authorization.open()
    return authorization


def _authorization(store: Any, clock: Clock) -> Authorization:
    ids = itertools.count(1)
    settings = AuthorizationSettings(password_memory_kib=32, password_rounds=1)
    return Authorization(store, BASE, clock, lambda: f"id-{next(ids)}", settings)


@pytest.fixture(scope="session")
def rsa_key() -> Key:
    return RSAKey.generate_key(2048, {"kid": "rsa-1"})


@pytest.fixture(scope="session")
def ec_key() -> Key:
    return ECKey.generate_key("P-384", {"kid": "ec-1"})


@pytest.fixture
def app_client() -> Client:
    return Client(
        client_id="app",
        name="Mon carnet",
        kind="public",
        scopes=("openid", "fhirUser", "launch/patient", "offline_access", "patient/*.cruds", "user/*.rs"),
        redirect_uris=("https://app.example/back",),
    )


@pytest.fixture
def lab_client(rsa_key: Key, ec_key: Key) -> Client:
    return Client(
        client_id="lab",
        name="Laboratoire",
        kind="confidential-asymmetric",
        scopes=("system/Observation.rs", "system/DocumentReference.cruds"),
        grant_types=("client_credentials",),
        jwks={"keys": [rsa_key.as_dict(private=False), ec_key.as_dict(private=False)]},
        actor="Device/lab",
    )


@pytest.fixture
async def world(authorization: Authorization, app_client: Client, lab_client: Client) -> Authorization:
    """An authorization server with clients and users."""
    await authorization.clients.register(app_client)
    await authorization.clients.register(lab_client)
    await authorization.users.add(User("pat", "pat", "patient", "Patient/1", "Pat Durand"), "a good password")
    doctor = User("doc", "doc", "professional", "Practitioner/1", "Dr Claire Martin", "10", ("Organization/1",))
    await authorization.users.add(doctor, "another password")
    return authorization


@pytest.fixture
def sign(clock: Clock, rsa_key: Key, ec_key: Key) -> Callable[..., str]:
    """Make a client assertion; keyword arguments change its claims (None removes one), `header` its header."""
    ids = itertools.count(1)

    def make(
        algorithm: str = "RS384", key: Key | None = None, header: dict[str, Any] | None = None, **changes: Any
    ) -> str:
        chosen = key or (rsa_key if algorithm.startswith("RS") else ec_key)
        now = int(clock().timestamp())
        claims = {"iss": "lab", "sub": "lab", "aud": TOKEN_URL, "exp": now + 240, "jti": f"jti-{next(ids)}", **changes}
        claims = {name: value for name, value in claims.items() if value is not None}
        full = {"alg": algorithm, "kid": chosen.kid, **(header or {})}
        full = {name: value for name, value in full.items() if value is not None}
        return jwt.encode(full, claims, chosen, registry=JWSRegistry(algorithms=[algorithm], strict_check_header=False))

    return make
