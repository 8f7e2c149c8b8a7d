"""Passkeys: a key of the person's own device or account signs him in, with his finger or his code, and no password.

Spec: https://www.w3.org/TR/webauthn-3/#sctn-usecase-registration

Choice: py_webauthn verifies; user verification is required, so that a passkey counts for both factors.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta
from urllib.parse import urlsplit

import msgspec
import webauthn
from webauthn.helpers.base64url_to_bytes import base64url_to_bytes
from webauthn.helpers.bytes_to_base64url import bytes_to_base64url
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from fhir_server.smart.users import User
from fhir_server.storage.store import Store, Transaction

_KIND = "passkey"
_OF_USER = "passkey/"
_CHALLENGE = "passkey_challenge"
_CHALLENGE_FOR = timedelta(minutes=5)
_MOST_OF_A_USER = 20
_ADDRESS = re.compile(r"[\d.]+|.*:.*", re.ASCII)


class Passkey(msgspec.Struct, frozen=True):
    """One key: `credential_id` and `public_key` are base64url, `sign_count` what the device counted last."""

    credential_id: str
    user_id: str
    public_key: str
    sign_count: int
    added_at: datetime


class Passkeys:
    """The passkeys of this server's local users; offered where the address has a name, as WebAuthn asks."""

    def __init__(self, store: Store, now: Callable[[], datetime], issuer: str) -> None:
        self._store = store
        self._now = now
        parts = urlsplit(issuer)
        self._host = parts.hostname or ""
        self._origin = f"{parts.scheme}://{parts.netloc}"

    @property
    def are_offered(self) -> bool:
        """Say whether browsers take this server's address: a name, and https but on this machine."""
        is_safe = self._origin.startswith("https:") or self._host == "localhost"
        return is_safe and not _ADDRESS.fullmatch(self._host)

    async def list(self, user_id: str) -> "list[Passkey]":
        """Return the passkeys of a user, oldest first."""
        found = [await self._find(credential_id) for credential_id, _ in await self._store.records(_OF_USER + user_id)]
        return sorted((one for one in found if one is not None), key=lambda one: one.added_at)

    async def ask_to_register(self, user: User, place: str) -> str:
        """Return what a browser is told to make a key with (JSON); `place` names who may answer, for some minutes."""
        known = [
            PublicKeyCredentialDescriptor(base64url_to_bytes(one.credential_id))
            for one in await self.list(user.user_id)
        ]
        options = webauthn.generate_registration_options(
            rp_id=self._host,
            rp_name=self._host,
            user_name=user.login,
            user_id=user.user_id.encode(),
            user_display_name=user.display,
            challenge=await self._challenge(place),
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
            ),
            exclude_credentials=known,
        )
        return webauthn.options_to_json(options)

    async def register(self, user: User, place: str, credential: str) -> bool:
        """Keep the key that a browser made; say whether it holds and answers what `place` was asked."""
        challenge = await self._spend(place)
        try:
            verified = webauthn.verify_registration_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError):
            return False
        passkey = Passkey(
            bytes_to_base64url(verified.credential_id),
            user.user_id,
            bytes_to_base64url(verified.credential_public_key),
            verified.sign_count,
            self._now(),
        )

        async def work(transaction: Transaction) -> bool:
            is_full = len(await transaction.records(_OF_USER + user.user_id)) >= _MOST_OF_A_USER
            if is_full or await transaction.record(_KIND, passkey.credential_id) is not None:
                return False
            await transaction.put_record(_KIND, passkey.credential_id, msgspec.json.encode(passkey))
            await transaction.put_record(_OF_USER + user.user_id, passkey.credential_id, b"1")
            return True

        return bool(challenge) and await self._store.transact(work)

    async def remove(self, user_id: str, credential_id: str) -> None:
        """Forget a key of a user; nothing happens for one that is not his."""

        async def work(transaction: Transaction) -> None:
            if await transaction.delete_record(_OF_USER + user_id, credential_id):
                await transaction.delete_record(_KIND, credential_id)

        await self._store.transact(work)

    async def ask_to_sign_in(self, place: str) -> str:
        """Return what a browser is told to look for a key with (JSON)."""
        options = webauthn.generate_authentication_options(
            rp_id=self._host,
            challenge=await self._challenge(place),
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return webauthn.options_to_json(options)

    async def sign_in(self, place: str, credential: str) -> str:
        """Return the user_id whose key answered what `place` was asked, or ""."""
        challenge = await self._spend(place)
        passkey = await self._find(_id_of(credential))
        if not challenge or passkey is None:
            return ""
        try:
            verified = webauthn.verify_authentication_response(
                credential=credential,
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=base64url_to_bytes(passkey.public_key),
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except (WebAuthnException, ValueError, TypeError, KeyError):
            return ""
        counted = msgspec.json.encode(msgspec.structs.replace(passkey, sign_count=verified.new_sign_count))

        async def work(transaction: Transaction) -> None:
            if await transaction.record(_KIND, passkey.credential_id) is not None:
                await transaction.put_record(_KIND, passkey.credential_id, counted)

        await self._store.transact(work)
        return passkey.user_id

    async def _find(self, credential_id: str) -> Passkey | None:
        content = await self._store.record(_KIND, credential_id) if credential_id else None
        return None if content is None else msgspec.json.decode(content, type=Passkey)

    async def _challenge(self, place: str) -> bytes:
        challenge, until = secrets.token_bytes(32), self._now() + _CHALLENGE_FOR

        async def work(transaction: Transaction) -> None:
            await transaction.put_record(_CHALLENGE, _key(place), challenge, until)

        await self._store.transact(work)
        return challenge

    async def _spend(self, place: str) -> bytes:
        """Return the challenge that a place was given, which is good once; b"" when there is none."""

        async def work(transaction: Transaction) -> bytes:
            challenge = await transaction.record(_CHALLENGE, _key(place))
            await transaction.delete_record(_CHALLENGE, _key(place))
            return challenge or b""

        return await self._store.transact(work)


def _id_of(credential: str) -> str:
    try:
        told = json.loads(credential)
    except ValueError:
        return ""
    credential_id = told.get("id") if isinstance(told, dict) else None
    return credential_id if isinstance(credential_id, str) else ""


def _key(place: str) -> str:
    return hashlib.sha256(place.encode()).hexdigest()
