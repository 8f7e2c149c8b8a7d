"""A family: all the tokens that follow from one authorization. They live, are refreshed and end together.

Spec: https://www.rfc-editor.org/rfc/rfc9700#section-4.14 (refresh token rotation), https://www.rfc-editor.org/rfc/rfc7009
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime

import msgspec

from fhir_server.smart.launch.context import NO_CONTEXT, LaunchContext
from fhir_server.storage.store import Store, Transaction

_KIND = "family"
_OF_USER = "family/"


class Family(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold what one authorization granted; a token is live while its family is.

    `user_id` and `patient_id` are empty for a backend service. `refresh_key` (empty: no refresh) derives the refresh
    tokens, of which only that of the current `generation` is good. `expires_at` is the end of the last token.
    `used_at` is when the last token was given.
    `session_key` (online_access) names the session without which there is no refresh. `thumbprint` is the certificate
    that every use of its tokens needs, "" for none.
    """

    family_id: str
    client_id: str
    scopes: tuple[str, ...]
    expires_at: datetime
    user_id: str = ""
    patient_id: str = ""
    signed_in_at: datetime | None = None
    nonce: str = ""
    refresh_key: str = ""
    generation: int = 0
    granted_at: datetime | None = None
    used_at: datetime | None = None
    session_key: str = ""
    context: LaunchContext = NO_CONTEXT
    thumbprint: str = ""

    def refresh_token(self) -> str:
        """Return the refresh token of the current generation, `family.generation.mac`."""
        return f"{self.family_id}.{self.generation}.{self._mac(self.generation)}"

    def generation_of(self, refresh_token: str) -> int | None:
        """Return the generation of a refresh token that we made for this family, or None for a forged one."""
        _, generation, mac = split(refresh_token)
        if not self.refresh_key or generation is None or generation > self.generation:
            return None
        return generation if hmac.compare_digest(self._mac(generation).encode(), mac.encode()) else None

    def _mac(self, generation: int) -> str:
        message = f"{self.family_id}.{generation}".encode()
        return hmac.new(self.refresh_key.encode(), message, hashlib.sha256).hexdigest()


def new_refresh_key() -> str:
    """Draw the secret of which a family's refresh tokens are made.

    Choice: tokens made of a key and a counter let us recognise every spent one (and so a theft) without keeping any.
    """
    return secrets.token_urlsafe(32)


def split(refresh_token: str) -> tuple[str, int | None, str]:
    """Return the family_id, generation (None when it is no number) and mac of a refresh token."""
    family_id, _, rest = refresh_token.partition(".")
    generation, _, mac = rest.partition(".")
    return family_id, int(generation) if generation.isdecimal() and len(generation) < 10 else None, mac


class Families:
    """The families of this server; `on_end` are told the family_id of each that is ended by this process."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self.on_end: list[Callable[[str], None]] = []

    async def get(self, family_id: str) -> Family | None:
        """Return a live family, or None."""
        return self._live(await self._store.record(_KIND, family_id))

    async def find(self, transaction: Transaction, family_id: str) -> Family | None:
        """Return a live family as a transaction sees it, or None."""
        return self._live(await transaction.record(_KIND, family_id))

    async def put(self, transaction: Transaction, family: Family) -> None:
        """Store a family, new or refreshed, until its last token ends."""
        await transaction.put_record(_KIND, family.family_id, msgspec.json.encode(family), family.expires_at)
        if family.user_id and not family.generation:
            await transaction.put_record(_OF_USER + family.user_id, family.family_id, b"1", family.expires_at)

    async def of_user(self, user_id: str) -> list[Family]:
        """Return the live families of a person, by family_id."""
        family_ids = [family_id for family_id, _ in await self._store.records(_OF_USER + user_id)]
        found = [await self.get(family_id) for family_id in family_ids]
        return [family for family in found if family is not None]

    async def end(self, family_id: str) -> None:
        """End all the tokens of a family, at once in this process."""

        async def work(transaction: Transaction) -> None:
            family = await self.find(transaction, family_id)
            await transaction.delete_record(_KIND, family_id)
            if family is not None and family.user_id:
                await transaction.delete_record(_OF_USER + family.user_id, family_id)

        await self._store.transact(work)
        for tell in self.on_end:
            tell(family_id)

    def _live(self, content: bytes | None) -> Family | None:
        family = None if content is None else msgspec.json.decode(content, type=Family)
        return None if family is None or family.expires_at <= self._now() else family
