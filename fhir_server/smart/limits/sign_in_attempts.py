"""Failed sign-ins are counted by login, and make the next attempt wait; known and unknown logins are treated alike.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-10.10, https://pages.nist.gov/800-63-4/sp800-63b.html#throttle
"""

import hashlib
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.storage.store import Store, Transaction

FREE_ATTEMPTS = 5
"""So many attempts may fail before the next one waits."""

_KIND = "sign_in_attempts"
_FIRST_WAIT_SECONDS = 30
_LONGEST_WAIT_SECONDS = 900
_FORGOTTEN_AFTER = timedelta(hours=1)


class _Attempts(msgspec.Struct, frozen=True):
    count: int
    wait_until: datetime


class SignInAttempts:
    """The attempts that did not succeed yet, by login."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def begin(self, login: str) -> int:
        """Count an attempt before it is judged, so that parallel ones count too; return the seconds to wait, or 0."""
        key, now = _key(login), self._now()

        async def work(transaction: Transaction) -> int:
            content = await transaction.record(_KIND, key)
            attempts = _Attempts(0, now) if content is None else msgspec.json.decode(content, type=_Attempts)
            if attempts.wait_until > now:
                return max(1, int((attempts.wait_until - now).total_seconds()))
            count = attempts.count + 1
            attempts = _Attempts(count, now + timedelta(seconds=_wait_seconds(count)))
            await transaction.put_record(_KIND, key, msgspec.json.encode(attempts), now + _FORGOTTEN_AFTER)
            return 0

        return await self._store.transact(work)

    async def succeed(self, login: str) -> None:
        """Forget the failures of a login."""
        key = _key(login)

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(_KIND, key)

        await self._store.transact(work)


def _wait_seconds(count: int) -> int:
    if count < FREE_ATTEMPTS:
        return 0
    return min(_LONGEST_WAIT_SECONDS, _FIRST_WAIT_SECONDS << min(count - FREE_ATTEMPTS, 10))


def _key(login: str) -> str:
    return hashlib.sha256(login.encode()).hexdigest()
