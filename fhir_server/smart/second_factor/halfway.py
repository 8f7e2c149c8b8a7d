"""Halfway: the password was right, the code is still to come; good for some minutes, in one browser.

Spec: https://pages.nist.gov/800-63-4/sp800-63b.html#aal2req
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.storage.store import Store, Transaction

_KIND = "halfway"
_LASTS = timedelta(minutes=5)


class Half(msgspec.Struct, frozen=True):
    """Whose password was right, and where he was going; `form_token` must come back with the form."""

    user_id: str
    return_to: str
    form_token: str


class Halfway:
    """The sign-ins that wait for a code; the store knows them by a hash only."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def begin(self, user_id: str, return_to: str) -> str:
        """Keep that the password was right; return the token for the browser."""
        token, until = secrets.token_urlsafe(32), self._now() + _LASTS
        half = Half(user_id, return_to, secrets.token_urlsafe(32))

        async def work(transaction: Transaction) -> None:
            await transaction.put_record(_KIND, _key(token), msgspec.json.encode(half), until)

        await self._store.transact(work)
        return token

    async def get(self, token: str) -> Half | None:
        """Return what waits under a token, or None."""
        content = await self._store.record(_KIND, _key(token)) if token else None
        return None if content is None else msgspec.json.decode(content, type=Half)

    async def end(self, token: str) -> None:
        """Forget it: the code was right."""

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(_KIND, _key(token))

        await self._store.transact(work)


def _key(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
