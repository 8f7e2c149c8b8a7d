"""Users: the patients and professionals who sign in here, and their passwords.

Spec: security.html#authentication, https://www.rfc-editor.org/rfc/rfc9106 (Argon2id)
"""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import Literal, TypeVar

import msgspec
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from fhir_server.foundation.operation_outcome import Duplicate, NotFound, Unprocessable
from fhir_server.storage.store import Store, Transaction

_KIND = "user"
_LOGIN_KIND = "login"
_SHORTEST_PASSWORD = 8
_LONGEST_PASSWORD = 256
_ACTOR_TYPES = {
    "patient": ("Patient",),
    "representative": ("RelatedPerson",),
    "professional": ("Practitioner", "PractitionerRole"),
    "operator": ("Person",),
}
UserKind = Literal["patient", "representative", "professional", "operator"]
T = TypeVar("T")


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what is known of a person who signs in.

    `actor` is his own resource ("Patient/1", "Practitioner/1"); `profession` a code of the French habilitation matrix
    ("10" doctor, "21" pharmacist ...); `organizations` are references that act with him. `password_hash` is empty for
    who signs in elsewhere. Of a professional: `national_id` is 8 and the RPPS number, `sector` a code of TRE_R02
    ("SA07"), `is_regulator` says that he may open records for the emergency call centre. `represents` is the id of the
    patient whom a representative acts for. An operator administers: he approves apps, and reads no record.
    """

    user_id: str
    login: str
    kind: UserKind
    actor: str
    display: str
    profession: str = ""
    organizations: tuple[str, ...] = ()
    password_hash: str = ""
    is_disabled: bool = False
    national_id: str = ""
    sector: str = ""
    is_regulator: bool = False
    represents: str = ""

    @property
    def patient_id(self) -> str:
        """Return the id of the patient that he is, or acts for, or ""."""
        if self.kind == "representative":
            return self.represents
        return self.actor.removeprefix("Patient/") if self.kind == "patient" else ""


class Users:
    """The users of this server. `hasher` sets the cost of a password: the default takes 64 MiB and some 50 ms."""

    def __init__(self, store: Store, new_id: Callable[[], str], hasher: PasswordHasher | None = None) -> None:
        self._store = store
        self._new_id = new_id
        self._hasher = hasher or PasswordHasher()
        self._unknown_hash = ""
        self._turns = asyncio.Semaphore(2)

    async def add(self, user: User, password: str) -> User:
        """Add a user (an empty `user_id` is assigned) and return it.

        Raises Unprocessable (422) for a weak password or a wrong actor, Duplicate (409) for a login that exists.
        """
        _check(user, password)
        user = msgspec.structs.replace(
            user,
            user_id=user.user_id or self._new_id(),
            login=normalize(user.login),
            password_hash=await self._in_turn(self._hasher.hash, _composed(password)),
        )

        async def work(transaction: Transaction) -> None:
            if await transaction.record(_LOGIN_KIND, user.login) is not None:
                raise Duplicate(f"There is already a user {user.login!r}.")
            if await transaction.record(_KIND, user.user_id) is not None:
                raise Duplicate(f"There is already a user with the id {user.user_id!r}.")
            await transaction.put_record(_LOGIN_KIND, user.login, user.user_id.encode())
            await transaction.put_record(_KIND, user.user_id, msgspec.json.encode(user))

        await self._store.transact(work)
        return user

    async def adopt(self, user: User) -> User:
        """Add or update a user whom a provider elsewhere proved, known by his login, and return what is kept.

        His user_id and whether he is disabled stay; he has no password here.
        """
        _check_person(user)
        login, new_id = normalize(user.login), self._new_id()

        async def work(transaction: Transaction) -> User:
            user_id = await transaction.record(_LOGIN_KIND, login)
            content = None if user_id is None else await transaction.record(_KIND, user_id.decode())
            known = None if content is None else msgspec.json.decode(content, type=User)
            adopted = msgspec.structs.replace(
                user,
                user_id=new_id if known is None else known.user_id,
                login=login,
                password_hash="",
                is_disabled=known is not None and known.is_disabled,
            )
            await transaction.put_record(_LOGIN_KIND, login, adopted.user_id.encode())
            await transaction.put_record(_KIND, adopted.user_id, msgspec.json.encode(adopted))
            return adopted

        return await self._store.transact(work)

    async def get(self, user_id: str) -> User | None:
        """Return a user who may sign in; None when unknown or disabled."""
        content = await self._store.record(_KIND, user_id)
        user = None if content is None else msgspec.json.decode(content, type=User)
        return None if user is None or user.is_disabled else user

    async def list(self) -> list[User]:
        """Return all users, disabled ones too, by id."""
        return [msgspec.json.decode(content, type=User) for _, content in await self._store.records(_KIND)]

    async def disable(self, user_id: str) -> None:
        """Refuse a user from now on; his tokens end with the next check. Raises NotFound."""

        async def work(transaction: Transaction) -> None:
            content = await transaction.record(_KIND, user_id)
            if content is None:
                raise NotFound(f"There is no user {user_id!r}.")
            user = msgspec.structs.replace(msgspec.json.decode(content, type=User), is_disabled=True)
            await transaction.put_record(_KIND, user_id, msgspec.json.encode(user))

        await self._store.transact(work)

    async def verify(self, login: str, password: str) -> User | None:
        """Return the user whose login and password these are, or None, after the same work for unknown logins."""
        user_id = await self._store.record(_LOGIN_KIND, normalize(login))
        user = await self.get(user_id.decode() if user_id is not None else "")
        known_hash = user.password_hash if user is not None else ""
        self._unknown_hash = self._unknown_hash or await self._in_turn(self._hasher.hash, self._new_id())
        is_right = await self._in_turn(self._matches, known_hash or self._unknown_hash, _composed(password))
        return user if is_right and known_hash else None

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[..., T], *arguments: str) -> T:
        async with self._turns:
            return await asyncio.to_thread(work, *arguments)


def normalize(login: str) -> str:
    """Return the form in which logins are compared: NFKC, without case and outer spaces."""
    return unicodedata.normalize("NFKC", login[:_LONGEST_PASSWORD]).strip().casefold()


def _composed(password: str) -> str:
    """Return a password in one form, however the keyboard composed its accents; a longer one cannot be right."""
    return unicodedata.normalize("NFC", password[: _LONGEST_PASSWORD + 1])


def _check(user: User, password: str) -> None:
    if not _SHORTEST_PASSWORD <= len(password) <= _LONGEST_PASSWORD:
        raise Unprocessable(f"A password has {_SHORTEST_PASSWORD} to {_LONGEST_PASSWORD} characters.")
    _check_person(user)


def _check_person(user: User) -> None:
    if not normalize(user.login) or not user.display.strip():
        raise Unprocessable("A user needs a login and a name to display.")
    resource_type, _, resource_id = user.actor.partition("/")
    if resource_type not in _ACTOR_TYPES[user.kind] or not resource_id:
        raise Unprocessable(f"The actor of a {user.kind} is a reference such as {_ACTOR_TYPES[user.kind][0]}/1.")
    if (user.kind == "representative") != bool(user.represents):
        raise Unprocessable("A representative, and nobody else, represents a patient.")
