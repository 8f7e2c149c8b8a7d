"""The public keys of a client: registered inline, or fetched from its jwks_uri and kept as long as it allows.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/client-confidential-asymmetric.html#registering-a-client-communicating-public-keys
"""

import asyncio
import http.client
import json
import re
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec
from joserfc.errors import JoseError
from joserfc.jwk import JWKRegistry, Key, RSAKey

from fhir_server.smart.clients.client import Client
from fhir_server.smart.clients.redirects import is_safe_web_address
from fhir_server.smart.refusal import invalid_client

KEY_TYPES = {"RS384": "RSA", "ES384": "EC", "ES256": "EC"}
"""The signature algorithms of client assertions, and the kty of their keys."""

Fetch = Callable[[str], Awaitable[tuple[bytes, int]]]
"""Get an address: return the content and for how many seconds it may be kept."""

_LIMIT_BYTES = 65_536
_SHORTEST_RSA_BITS = 2048
_TIMEOUT_SECONDS = 5
_KEPT_AT_MOST_SECONDS = 3600
_KEPT_ADDRESSES = 1000
_ASKED_AGAIN_AFTER = timedelta(seconds=10)


class _Kept(msgspec.Struct, frozen=True):
    until: datetime
    fetched_at: datetime
    jwks: dict[str, Any]


class ClientKeys:
    """The JWK Sets of clients; fetched ones are kept no longer than their Cache-Control says."""

    def __init__(self, now: Callable[[], datetime], fetch: Fetch | None = None) -> None:
        self._now = now
        self._fetch = fetch or fetch_jwks
        self._kept: dict[str, _Kept] = {}

    async def pick(self, client: Client, header: dict[str, Any]) -> Key:
        """Return the one key that a signature header names; raises invalid_client."""
        algorithm, kid = header.get("alg"), header.get("kid")
        key_type = KEY_TYPES.get(algorithm) if isinstance(algorithm, str) else None
        if key_type is None:
            raise invalid_client(f"Sign the assertion with one of {', '.join(KEY_TYPES)}.")
        if "jku" in header and (not client.jwks_uri or header["jku"] != client.jwks_uri):
            raise invalid_client("The jku of the assertion is not the jwks_uri that was registered.")
        matching = _matching(await self.key_set(client), kid, key_type)
        if not matching and self._may_ask_again(client):
            matching = _matching(await self._fetched(client), kid, key_type)
        if not isinstance(kid, str) or len(matching) != 1:
            raise invalid_client("The kid of the assertion names no single key of the client.")
        return _import(msgspec.json.encode(matching[0]))

    async def key_set(self, client: Client) -> dict[str, Any]:
        """Return the JWK Set of a client; raises invalid_client when it cannot be fetched."""
        if not client.jwks_uri:
            return client.jwks or {}
        kept = self._kept.get(client.jwks_uri)
        if kept is not None and kept.until > self._now():
            return kept.jwks
        return await self._fetched(client)

    async def _fetched(self, client: Client) -> dict[str, Any]:
        try:
            content, seconds = await self._fetch(client.jwks_uri)
            jwks = json.loads(content)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise invalid_client("The keys of the client could not be fetched from its jwks_uri.") from error
        if not isinstance(jwks, dict) or not all(isinstance(key, dict) for key in jwks.get("keys", ())):
            raise invalid_client("What the jwks_uri of the client answers is no JWK Set.")
        self._keep(client.jwks_uri, jwks, seconds)
        return jwks

    def _keep(self, uri: str, jwks: dict[str, Any], seconds: int) -> None:
        while len(self._kept) >= _KEPT_ADDRESSES:
            del self._kept[next(iter(self._kept))]
        now = self._now()
        self._kept[uri] = _Kept(now + timedelta(seconds=min(seconds, _KEPT_AT_MOST_SECONDS)), now, jwks)

    def _may_ask_again(self, client: Client) -> bool:
        """Say whether an unknown kid may be a new key: the client changes its keys before the kept ones are old."""
        kept = self._kept.get(client.jwks_uri)
        return kept is not None and self._now() - kept.fetched_at >= _ASKED_AGAIN_AFTER


def _matching(jwks: dict[str, Any], kid: object, key_type: str) -> list[dict[str, Any]]:
    return [key for key in jwks.get("keys", ()) if key.get("kid") == kid and key.get("kty") == key_type]


async def fetch_jwks(uri: str) -> tuple[bytes, int]:
    """Get a JWK Set over https (http on this machine), following no redirect; raises OSError or ValueError."""
    return await asyncio.to_thread(_fetch, uri)


def _fetch(uri: str) -> tuple[bytes, int]:
    if not is_safe_web_address(uri):
        raise ValueError("not a safe web address")
    parts = urlsplit(uri)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=_TIMEOUT_SECONDS)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json", "Accept-Encoding": "identity"})
        with connection.getresponse() as response:
            content = response.read(_LIMIT_BYTES + 1)
            if response.status != 200 or len(content) > _LIMIT_BYTES:
                raise ValueError("no JWK Set there")
            return content, _max_age_seconds(response.headers.get("Cache-Control", ""))
    finally:
        connection.close()


def _max_age_seconds(cache_control: str) -> int:
    text = cache_control.lower()
    found = re.search(r"max-age=(\d{1,9})", text)
    return 0 if found is None or "no-store" in text or "no-cache" in text else int(found.group(1))


@lru_cache(maxsize=1024)
def _import(content: bytes) -> Key:
    """Return a JWK as a key: importing costs as much as verifying with it, so that keys in use are kept."""
    try:
        imported = JWKRegistry.import_key(json.loads(content))
        is_weak = isinstance(imported, RSAKey) and imported.public_key.key_size < _SHORTEST_RSA_BITS
    except (JoseError, ValueError, TypeError) as error:
        raise invalid_client("The key of the client cannot be read.") from error
    if is_weak:
        raise invalid_client(f"An RSA key has {_SHORTEST_RSA_BITS} bits at least.")
    return imported
