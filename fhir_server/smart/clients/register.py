"""The register of clients, kept in the store.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec

from fhir_server.access.scopes import parse_scopes
from fhir_server.foundation.operation_outcome import Duplicate, NotFound
from fhir_server.smart.clients.client import Client, check
from fhir_server.smart.clients.redirects import Origins
from fhir_server.storage.store import Store, Transaction

KIND = "client"
_ORIGINS_KEPT = timedelta(seconds=15)
_decode = msgspec.json.Decoder(Client).decode


class Clients:
    """The clients of this server."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._origins = Origins()
        self._origins_until: datetime | None = None

    async def register(self, client: Client, *, is_replacing: bool = False, until: datetime | None = None) -> str:
        """Keep a client; return the secret of a confidential-symmetric one, told this once, or "".

        `until`: when it is forgotten; None keeps it.

        Raises Unprocessable (422) for an unsafe registration, Duplicate (409) for a client_id that exists.
        """
        check(client)
        parse_scopes(" ".join(client.scopes))
        secret = ""
        if client.kind == "confidential-symmetric" and not client.secret_hash:
            secret = secrets.token_urlsafe(32)
            client = msgspec.structs.replace(client, secret_hash=_hash(secret))
        content = msgspec.json.encode(client)

        async def work(transaction: Transaction) -> None:
            if not is_replacing and await transaction.record(KIND, client.client_id) is not None:
                raise Duplicate(f"There is already a client {client.client_id!r}.")
            await transaction.put_record(KIND, client.client_id, content, until)

        await self._store.transact(work)
        self._origins_until = None
        return secret

    async def get(self, client_id: str) -> Client | None:
        """Return a client that may ask for tokens; None when it is unknown, disabled or waits for approval."""
        client = await self.find(client_id)
        return None if client is None or client.is_disabled or client.is_pending else client

    async def find(self, client_id: str) -> Client | None:
        """Return a client, whatever its state, or None."""
        content = await self._store.record(KIND, client_id)
        return None if content is None else _decode(content)

    async def pending(self) -> "list[Client]":
        """Return the clients that registered themselves and wait for an operator, by client_id."""
        return [client for client in await self.list() if client.is_pending]

    async def approve(self, client_id: str) -> Client:
        """Let a client that registered itself ask for tokens; raises NotFound."""
        client = await self.find(client_id)
        if client is None or not client.is_pending:
            raise NotFound(f"No client {client_id!r} waits for approval.")
        client = msgspec.structs.replace(client, is_pending=False)
        await self.register(client, is_replacing=True)
        return client

    async def delete(self, client_id: str) -> None:
        """Forget a client; its tokens end with the next check."""

        async def work(transaction: Transaction) -> None:
            await transaction.delete_record(KIND, client_id)

        await self._store.transact(work)
        self._origins_until = None

    async def list(self) -> list[Client]:
        """Return all clients, disabled ones too, by client_id."""
        return [_decode(content) for _, content in await self._store.records(KIND)]

    async def disable(self, client_id: str) -> None:
        """Refuse a client from now on; its tokens end with the next check. Raises NotFound."""
        client = await self.find(client_id)
        if client is None:
            raise NotFound(f"There is no client {client_id!r}.")
        await self.register(msgspec.structs.replace(client, is_disabled=True), is_replacing=True)

    async def origins(self) -> Origins:
        """Return the web origins of all clients that may ask for tokens (for CORS); a new one may take 15 seconds."""
        now = self._now()
        if self._origins_until is None or now >= self._origins_until:
            clients = [client for client in await self.list() if not client.is_disabled and not client.is_pending]
            self._origins = Origins(uri for client in clients for uri in client.redirect_uris)
            self._origins_until = now + _ORIGINS_KEPT
        return self._origins


def is_secret_of(client: Client, secret: str) -> bool:
    """Compare a secret in constant time. Choice: SHA-256 suffices, for we draw the 256 random bits ourselves."""
    return bool(client.secret_hash) and hmac.compare_digest(client.secret_hash, _hash(secret))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
