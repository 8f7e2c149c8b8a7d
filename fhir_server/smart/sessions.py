"""Browser sessions: who signed in, when, and the secret that its forms must carry.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest (auth_time, max_age)
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.smart.users import User
from fhir_server.storage.store import Store, Transaction

_KIND = "session"


class Session(msgspec.Struct, frozen=True):
    """Hold who is signed in in one browser: `form_token` must come back with each form.

    `key` names it in the store, and is no secret. `hint` is what the provider wants to see at sign-out.
    """

    user_id: str
    signed_in_at: datetime
    expires_at: datetime
    form_token: str
    provider: str
    key: str = ""
    hint: str = ""

    def is_own_form(self, form_token: str) -> bool:
        """Say whether a form was made for this session, in constant time."""
        return hmac.compare_digest(self.form_token.encode(), form_token.encode())


class Sessions:
    """The sessions of this server: the browser holds a random token, the store only its hash."""

    def __init__(self, store: Store, now: Callable[[], datetime], session_seconds: int) -> None:
        self._store = store
        self._now = now
        self._seconds = session_seconds

    async def begin(self, user: User, provider: str, previous_token: str = "", hint: str = "") -> str:
        """Begin a new session, end the previous one of that browser, and return the new token."""
        token, now = secrets.token_urlsafe(32), self._now()
        expires_at = now + timedelta(seconds=self._seconds)
        session = Session(user.user_id, now, expires_at, secrets.token_urlsafe(32), provider, _key(token), hint)

        async def work(transaction: Transaction) -> None:
            if previous_token:
                await transaction.delete_record(_KIND, _key(previous_token))
            await transaction.put_record(_KIND, _key(token), msgspec.json.encode(session), expires_at)

        await self._store.transact(work)
        return token

    async def get(self, token: str) -> Session | None:
        """Return the live session of a token, or None."""
        content = await self._store.record(_KIND, _key(token)) if token else None
        session = None if content is None else msgspec.json.decode(content, type=Session)
        return None if session is None or session.expires_at <= self._now() else session

    async def is_live(self, transaction: Transaction, key: str) -> bool:
        """Say whether a session goes on."""
        return await transaction.record(_KIND, key) is not None

    async def end(self, token: str) -> None:
        """End a session (sign out)."""

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(_KIND, _key(token))

        await self._store.transact(work)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
