"""The server's signing keys: made at the first start, kept in the store, published as a JWK Set.

Spec: https://www.rfc-editor.org/rfc/rfc7517, https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
"""

import asyncio
from collections.abc import Callable
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
_RETIRED_FOR = timedelta(hours=2)
_RELOAD_AFTER = timedelta(seconds=10)
_RELOAD_BEFORE_SIGNING = timedelta(minutes=10)


class SigningKey(msgspec.Struct, frozen=True):
    """Hold a signing key as it is stored; `jwk` has its private members."""

    kid: str
    algorithm: str
    created: datetime
    jwk: dict[str, Any]


class Keys:
    """The signing keys: the newest of each algorithm signs, and all of them verify."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self._registries = {name: JWSRegistry(algorithms=[name]) for name in _ALGORITHMS}
        self._keys: dict[str, tuple[SigningKey, Key]] = {}
        self._signing: dict[str, Key] = {}
        self._loaded_at: datetime | None = None

    async def open(self) -> None:
        """Load the keys, and make those that are missing."""
        await self._load()
        for algorithm in _ALGORITHMS:
            if algorithm not in self._signing:
                await self._make(algorithm, is_first=True)
        await self._load()

    async def rotate(self) -> None:
        """Make new keys; the old ones verify for two hours, longer than any token that they signed."""
        for algorithm in _ALGORITHMS:
            await self._make(algorithm, is_first=False)
        await self._load()

    async def sign(self, algorithm: str, claims: dict[str, Any], token_type: str) -> str:
        """Return claims as a signed JWT with that `typ`; learn within minutes that another process rotated the keys."""
        if self._loaded_at is None or self._now() - self._loaded_at > _RELOAD_BEFORE_SIGNING:
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
        if kid not in self._keys and (self._loaded_at is None or self._now() - self._loaded_at > _RELOAD_AFTER):
            await self._load()
        stored, key = self._keys.get(kid, (None, None))
        return key if stored is not None and stored.algorithm == algorithm else None

    async def _load(self) -> None:
        found = [msgspec.json.decode(content, type=SigningKey) for _, content in await self._store.records(_KIND)]
        found.sort(key=lambda stored: (stored.created, stored.kid))
        self._keys = {stored.kid: (stored, JWKRegistry.import_key(stored.jwk)) for stored in found}
        self._signing = {stored.algorithm: self._keys[stored.kid][1] for stored in found}
        self._loaded_at = self._now()

    async def _make(self, algorithm: str, *, is_first: bool) -> None:
        key = await asyncio.to_thread(_generate, algorithm)
        now = self._now()
        kid = key.kid or ""
        made = msgspec.json.encode(SigningKey(kid, algorithm, now, dict(key.as_dict(private=True))))

        async def work(transaction: Transaction) -> None:
            for other_kid, content in await transaction.records(_KIND):
                if msgspec.json.decode(content, type=SigningKey).algorithm != algorithm:
                    continue
                if is_first:
                    return
                await transaction.put_record(_KIND, other_kid, content, now + _RETIRED_FOR)
            await transaction.put_record(_KIND, kid, made)

        await self._store.transact(work)


def _generate(algorithm: str) -> Key:
    if algorithm == ID_TOKEN_ALGORITHM:
        return RSAKey.generate_key(2048, auto_kid=True)
    return ECKey.generate_key("P-256", auto_kid=True)


def _public(stored: SigningKey, key: Key) -> dict[str, Any]:
    return {**key.as_dict(private=False), "use": "sig", "alg": stored.algorithm}
