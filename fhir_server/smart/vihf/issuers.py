"""Issuers: the seal certificates that may sign assertions, each bound to one structure.

Choice: a certificate is trusted by itself, when an operator registered it; a chain to an authority would trust every
establishment of the country at once.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from fhir_server.storage.store import Store, Transaction

_KIND: Final = "vihf issuer"


class Issuer(msgspec.Struct, frozen=True):
    """A structure that signs assertions: `structure` is its Struct_IdNat, `certificate` PEM; the times are ISO 8601."""

    fingerprint: str
    structure: str
    subject: str
    not_after: str
    certificate: str


def issuer_of(certificate: x509.Certificate, structure: str) -> Issuer:
    """Return the issuer that a certificate makes of a structure."""
    return Issuer(
        fingerprint=fingerprint_of(certificate),
        structure=structure,
        subject=certificate.subject.rfc4514_string(),
        not_after=certificate.not_valid_after_utc.isoformat(),
        certificate=certificate.public_bytes(Encoding.PEM).decode(),
    )


def fingerprint_of(certificate: x509.Certificate) -> str:
    """Return the SHA-256 of a certificate, in hexadecimal."""
    return certificate.fingerprint(SHA256()).hex()


class Issuers:
    """The issuers that operators trust, in the store: every process knows a change at the next assertion."""

    def __init__(self, store: Store, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now

    async def trust(self, issuer: Issuer) -> None:
        """Trust an issuer from now on."""

        async def work(transaction: Transaction) -> None:
            await transaction.put_record(_KIND, issuer.fingerprint, msgspec.json.encode(issuer))

        await self._store.transact(work)

    async def withdraw(self, fingerprint: str) -> bool:
        """Trust an issuer no more; say whether it was trusted."""

        async def work(transaction: Transaction) -> bool:
            return await transaction.delete_record(_KIND, fingerprint)

        return await self._store.transact(work)

    async def all(self) -> list[Issuer]:
        """Return the trusted issuers."""
        return [msgspec.json.decode(content, type=Issuer) for _, content in await self._store.records(_KIND)]

    async def get(self, fingerprint: str) -> Issuer | None:
        """Return a trusted issuer whose certificate is valid today; None for any other."""
        content = await self._store.record(_KIND, fingerprint)
        if content is None:
            return None
        issuer = msgspec.json.decode(content, type=Issuer)
        certificate = x509.load_pem_x509_certificate(issuer.certificate.encode())
        is_valid = certificate.not_valid_before_utc <= self._now() <= certificate.not_valid_after_utc
        return issuer if is_valid else None
