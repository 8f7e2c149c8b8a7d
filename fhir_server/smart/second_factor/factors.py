"""The second factors of users: enrolled with a first code, asked at each sign-in, each code good once.

Spec: https://pages.nist.gov/800-63-4/sp800-63b.html#singlefactor-otp
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.smart.second_factor.totp import new_secret, step_of
from fhir_server.storage.store import Store, Transaction

RECOVERY_CODES = 8
_KIND = "second_factor"
_DRAFT = "second_factor_draft"
_DRAFT_FOR = timedelta(minutes=15)


class Factor(msgspec.Struct, frozen=True):
    """A user's authenticator: `last_step` is that of the last code used; of recovery codes only hashes are kept."""

    secret: str
    last_step: int = 0
    recovery_hashes: tuple[str, ...] = ()


class Factors:
    """The second factors of this server."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def has(self, user_id: str) -> bool:
        """Say whether a user must show a code."""
        return await self._store.record(_KIND, user_id) is not None

    async def draft(self, user_id: str) -> str:
        """Return the secret that a user is about to enrol, the same for some minutes."""
        until = self._now() + _DRAFT_FOR

        async def work(transaction: Transaction) -> str:
            known = await transaction.record(_DRAFT, user_id)
            secret = new_secret() if known is None else known.decode()
            await transaction.put_record(_DRAFT, user_id, secret.encode(), until)
            return secret

        return await self._store.transact(work)

    async def enrol(self, user_id: str, code: str) -> tuple[str, ...]:
        """Make the drafted secret count, proven by a first code; return the recovery codes, or () for a wrong code."""
        now_seconds = int(self._now().timestamp())
        codes = tuple(secrets.token_hex(5) for _ in range(RECOVERY_CODES))

        async def work(transaction: Transaction) -> bool:
            draft = await transaction.record(_DRAFT, user_id)
            step = None if draft is None else step_of(draft.decode(), _plain(code), now_seconds, 0)
            if draft is None or step is None or await transaction.record(_KIND, user_id) is not None:
                return False
            factor = Factor(draft.decode(), step, tuple(_hash(text) for text in codes))
            await transaction.put_record(_KIND, user_id, msgspec.json.encode(factor))
            await transaction.delete_record(_DRAFT, user_id)
            return True

        return codes if await self._store.transact(work) else ()

    async def spend(self, user_id: str, code: str) -> bool:
        """Say whether a code of the app, or a recovery code, is right, and take it out of use."""
        now_seconds, text = int(self._now().timestamp()), _plain(code)

        async def work(transaction: Transaction) -> bool:
            content = await transaction.record(_KIND, user_id)
            if content is None:
                return False
            factor = msgspec.json.decode(content, type=Factor)
            step = step_of(factor.secret, text, now_seconds, factor.last_step)
            left = tuple(known for known in factor.recovery_hashes if known != _hash(text))
            if step is None and left == factor.recovery_hashes:
                return False
            spent = Factor(factor.secret, factor.last_step if step is None else step, left)
            await transaction.put_record(_KIND, user_id, msgspec.json.encode(spent))
            return True

        return await self._store.transact(work)

    async def remove(self, user_id: str, code: str) -> bool:
        """Take the second factor away from a user who shows a code; say whether it was right."""
        if not await self.spend(user_id, code):
            return False

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(_KIND, user_id)

        await self._store.transact(work)
        return True


def _plain(code: str) -> str:
    return "".join(code.split()).replace("-", "").lower()[:64]


def _hash(code: str) -> str:
    """Choice: SHA-256 suffices for 40 random bits that are tried a few times a minute at most."""
    return hashlib.sha256(code.encode()).hexdigest()
