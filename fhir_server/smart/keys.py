"""The server's signing keys: made at the first start, kept in the store, published as a JWK Set.

Spec: https://www.rfc-editor.org/rfc/rfc7517, https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any

import msgspec
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, JWKRegistry, Key, RSAKey
from joserfc.jws import JWSRegistry, extract_compact

from fhir_server.storage.store import Store, Transaction

ACCESS_TOKEN_ALGORITHM = "ES256"  # noqa: S105
"""Choice: ES256 signs seven times faster than RS256; the tokens are for this server only."""

ID_TOKEN_ALGORITHM = "RS256"  # noqa: S105
"""The algorithm that SMART and OpenID Connect require of an id_token."""

_ALGORITHMS = (ACCESS_TOKEN_ALGORITHM, ID_TOKEN_ALGORITHM)
_KIND = "key"
RETIRED_FOR = timedelta(hours=25)
"""A key that no longer signs is published and verifies for so long: longer than any token that it signed."""

_KNOWN_FOR = timedelta(seconds=60)
_RELOAD_AFTER = timedelta(seconds=10)
_ALWAYS, _NEVER = timedelta(0), timedelta(days=36_500)


class SigningKey(msgspec.Struct, frozen=True):
    """Hold a signing key as it is stored; `jwk` has its private members."""

    kid: str
    algorithm: str
    created: datetime
    jwk: dict[str, Any]


class Keys:
    """The signing keys: the newest of each algorithm signs, and all of them verify."""

    def __init__(self, store: Store, now: Callable[[], datetime], longest_age: timedelta = _NEVER) -> None:
        self._store = store
        self._now = now
        self._longest_age = longest_age
        self._registries = {name: JWSRegistry(algorithms=[name]) for name in _ALGORITHMS}
        self._keys: dict[str, tuple[SigningKey, Key]] = {}
        self._signing: dict[str, Key] = {}
        self._loaded_at: datetime | None = None

    async def open(self) -> None:
        """Load the keys, and make those that are missing or too old."""
        for algorithm in _ALGORITHMS:
            await self._renew(algorithm, self._longest_age)
        await self._load()

    async def rotate(self, *, is_at_once: bool = False) -> None:
        """Make new keys; the old ones verify for RETIRED_FOR, or no longer when `is_at_once` (one was stolen)."""
        for algorithm in _ALGORITHMS:
            await self._renew(algorithm, _ALWAYS, is_at_once=is_at_once)
        await self._load()

    async def refresh(self) -> None:
        """Learn what another process made or retired, unless that was done seconds ago."""
        await self._load_after(_RELOAD_AFTER)

    def stored(self) -> list[SigningKey]:
        """Return the keys, oldest first; the last of each algorithm signs."""
        return [stored for stored, _ in self._keys.values()]

    async def sign(self, algorithm: str, claims: dict[str, Any], token_type: str) -> str:
        """Return claims as a signed JWT with that `typ`, by a key that is not too old."""
        await self._load_after(_KNOWN_FOR)
        if self._is_old(algorithm):
            await self._renew(algorithm, self._longest_age)
            await self._load()
        key = self._signing[algorithm]
        header = {"alg": algorithm, "kid": key.kid, "typ": token_type}
        return jwt.encode(header, claims, key, registry=self._registries[algorithm])

    async def verify(self, algorithm: str, token: str, token_type: str) -> dict[str, Any]:
        """Return the claims of a JWT that one of our keys signed; raises ValueError. Judges no claim."""
        try:
            header = extract_compact(token.encode()).headers()
            key = await self._find(header.get("kid"), algorithm)
            if header.get("typ") != token_type or key is None:
                raise ValueError("not a token of ours")
            return jwt.decode(token, key, registry=self._registries[algorithm]).claims
        except JoseError as error:
            raise ValueError("not a token of ours") from error

    def jwks(self) -> dict[str, Any]:
        """Return the public keys as a JWK Set."""
        return {"keys": [_public(stored, key) for stored, key in self._keys.values()]}

    async def _find(self, kid: object, algorithm: str) -> Key | None:
        if not isinstance(kid, str):
            return None
        await self._load_after(_RELOAD_AFTER if kid not in self._keys else _KNOWN_FOR)
        stored, key = self._keys.get(kid, (None, None))
        return key if stored is not None and stored.algorithm == algorithm else None

    async def _load_after(self, age: timedelta) -> None:
        if self._loaded_at is None or self._now() - self._loaded_at > age:
            await self._load()

    async def _load(self) -> None:
        found = [msgspec.json.decode(content, type=SigningKey) for _, content in await self._store.records(_KIND)]
        found.sort(key=lambda stored: (stored.created, stored.kid))
        known = self._keys
        self._keys = {
            stored.kid: known.get(stored.kid) or (stored, JWKRegistry.import_key(stored.jwk)) for stored in found
        }
        self._signing = {stored.algorithm: self._keys[stored.kid][1] for stored in found}
        self._loaded_at = self._now()

    def _is_old(self, algorithm: str) -> bool:
        stored, _ = self._keys[self._signing[algorithm].kid or ""]
        return self._now() - stored.created >= self._longest_age

    async def _renew(self, algorithm: str, age: timedelta, *, is_at_once: bool = False) -> None:
        """Make a key unless another process just did, so that the newest is younger than `age`; retire the former."""
        now = self._now()
        if _newest(await self._store.records(_KIND), algorithm, now - age) is not None:
            return
        key = await asyncio.to_thread(_generate, algorithm)
        kid = key.kid or ""
        made = msgspec.json.encode(SigningKey(kid, algorithm, now, dict(key.as_dict(private=True))))

        async def work(transaction: Transaction) -> None:
            records = await transaction.records(_KIND)
            if _newest(records, algorithm, now - age) is not None:
                return
            former = _newest(records, algorithm)
            for other_kid, content in records:
                if is_at_once and _is_of(content, algorithm):
                    await transaction.delete_record(_KIND, other_kid)
                elif former is not None and other_kid == former.kid:
                    await transaction.put_record(_KIND, other_kid, content, now + RETIRED_FOR)
            await transaction.put_record(_KIND, kid, made)

        await self._store.transact(work)


def _newest(records: Iterable[tuple[str, bytes]], algorithm: str, after: datetime | None = None) -> SigningKey | None:
    """Return the newest key of an algorithm, None when there is none made after that moment."""
    known = [msgspec.json.decode(content, type=SigningKey) for _, content in records if _is_of(content, algorithm)]
    newest = max(known, key=lambda stored: (stored.created, stored.kid), default=None)
    return None if newest is None or (after is not None and newest.created <= after) else newest


def _is_of(content: bytes, algorithm: str) -> bool:
    return msgspec.json.decode(content, type=SigningKey).algorithm == algorithm


def _generate(algorithm: str) -> Key:
    if algorithm == ID_TOKEN_ALGORITHM:
        return RSAKey.generate_key(2048, auto_kid=True)
    return ECKey.generate_key("P-256", auto_kid=True)


def _public(stored: SigningKey, key: Key) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "alg": stored.algorithm}
