"""security.html#authentication"""

import unicodedata
from typing import Any

import anyio
import pytest

from fhir_server.foundation.operation_outcome import Duplicate, NotFound, Unprocessable
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.limits.sign_in_attempts import FREE_ATTEMPTS
from fhir_server.smart.providers import SignInRefused
from fhir_server.smart.users import User

pytestmark = [pytest.mark.anyio, pytest.mark.spec("security.html#authentication")]
PAT = User("", "Pat@Example.fr ", "patient", "Patient/1", "Pat Durand")


async def attempt(authorization: Authorization, login: str, password: str) -> User | int:
    try:
        return (await authorization.providers["local"].finish({"login": login, "password": password}, "")).user
    except SignInRefused as refused:
        return refused.wait_seconds


async def test_a_user_signs_in_whatever_the_case_of_his_login(authorization: Authorization) -> None:
    added = await authorization.users.add(PAT, "a good password")
    assert added.user_id
    assert added.patient_id == "1"
    assert await attempt(authorization, "pat@example.FR", "a good password") == added
    assert await authorization.users.list() == [added]


async def test_the_local_provider_asks_for_a_login_and_a_password(authorization: Authorization) -> None:
    beginning = await authorization.providers["local"].begin("https://record.example/sign-in")
    assert beginning.fields == ("login", "password")
    assert beginning.redirect_url == ""


async def test_passwords_are_kept_as_argon2id(authorization: Authorization, store: Any) -> None:
    added = await authorization.users.add(PAT, "a good password")
    assert added.password_hash.startswith("$argon2id$")
    assert b"a good password" not in (await store.record("user", added.user_id) or b"")


@pytest.mark.parametrize(
    ("login", "password"), [("pat", "wrong"), ("nobody", "a good password"), ("", ""), ("\0", "x")]
)
async def test_wrong_logins_and_passwords_are_refused_alike(world: Authorization, login: str, password: str) -> None:
    assert await attempt(world, login, password) == 0


@pytest.mark.parametrize("login", ["pat", "nobody"])
async def test_failures_make_known_and_unknown_logins_wait(world: Authorization, login: str, clock: Any) -> None:
    for _ in range(FREE_ATTEMPTS):
        assert await attempt(world, login, "wrong") == 0
    assert await attempt(world, login, "a good password") == 30
    clock.advance(30)
    assert await attempt(world, login, "wrong") == 0
    assert await attempt(world, login, "wrong") == 60
    clock.advance(60)
    if login == "pat":
        assert isinstance(await attempt(world, login, "a good password"), User)
        assert await attempt(world, login, "wrong") == 0
        assert isinstance(await attempt(world, login, "a good password"), User)


async def test_parallel_guesses_are_counted_too(world: Authorization) -> None:
    answers: list[User | int] = []

    async def guess() -> None:
        answers.append(await attempt(world, "pat", "wrong"))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(guess)
    assert answers.count(0) == FREE_ATTEMPTS


async def test_an_unknown_login_costs_the_same_work(world: Authorization, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    matches = world.users._matches
    monkeypatch.setattr(world.users, "_matches", lambda hashed, text: seen.append(hashed) or matches(hashed, text))
    await attempt(world, "nobody", "x")
    await attempt(world, "pat", "x")
    assert len(seen) == 2
    assert seen[0].rpartition("$")[0].rpartition("$")[0] == seen[1].rpartition("$")[0].rpartition("$")[0]


async def test_a_disabled_user_is_refused(world: Authorization) -> None:
    await world.users.disable("pat")
    assert await world.users.get("pat") is None
    assert await attempt(world, "pat", "a good password") == 0
    with pytest.raises(NotFound):
        await world.users.disable("nobody")


async def test_a_login_is_taken_once(world: Authorization) -> None:
    with pytest.raises(Duplicate):
        await world.users.add(User("", "PAT", "patient", "Patient/2", "Other"), "a good password")
    with pytest.raises(Duplicate):
        await world.users.add(User("pat", "other", "patient", "Patient/2", "Other"), "a good password")


@pytest.mark.parametrize(
    ("user", "password"),
    [
        (PAT, "short"),
        (PAT, "x" * 257),
        (User("", " ", "patient", "Patient/1", "Pat"), "a good password"),
        (User("", "pat", "patient", "Patient/1", " "), "a good password"),
        (User("", "pat", "patient", "Practitioner/1", "Pat"), "a good password"),
        (User("", "pat", "professional", "Patient/1", "Pat"), "a good password"),
        (User("", "pat", "patient", "Patient/", "Pat"), "a good password"),
    ],
)
async def test_unsafe_users_are_refused(authorization: Authorization, user: User, password: str) -> None:
    with pytest.raises(Unprocessable):
        await authorization.users.add(user, password)


async def test_a_session_ends_by_itself_or_when_it_is_ended(world: Authorization, clock: Any) -> None:
    user = await world.users.get("pat")
    assert user is not None
    token = await world.sessions.begin(user, "local")
    other = await world.sessions.begin(user, "local", previous_token=token)
    assert await world.sessions.get(token) is None
    assert await world.sessions.get("") is None
    session = await world.sessions.get(other)
    assert session is not None
    assert session.is_own_form(session.form_token)
    assert not session.is_own_form("é")
    clock.advance(world.settings.session_seconds)
    assert await world.sessions.get(other) is None
    again = await world.sessions.begin(user, "local")
    await world.sessions.end(again)
    assert await world.sessions.get(again) is None


async def test_accents_are_the_same_however_they_are_composed(authorization: Authorization) -> None:
    password = unicodedata.normalize("NFC", "été à Noël")
    added = await authorization.users.add(PAT, password)
    assert await attempt(authorization, PAT.login, unicodedata.normalize("NFD", password)) == added
