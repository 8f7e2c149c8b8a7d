"""Audit chain: links that make a removed, changed, added or moved AuditEvent show.

Each stored event has one link, which holds the hash of its bytes and, through the link before it, of all that was
stored earlier. Who may write to the store could forge a chain to its end: `seal` signs the last link with a key that
the store does not hold, and whoever keeps a seal elsewhere can prove it later. Spec: security.html#audit
"""

import hmac
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Final

import msgspec


class Link(msgspec.Struct, frozen=True, array_like=True):
    """Bind an event to all events before it; `sequence` counts from 1."""

    sequence: int
    reference: str
    content_hash: bytes
    digest: bytes


class Break(msgspec.Struct, frozen=True):
    """One place where the chain does not hold; `what` is removed, changed, missing, forged or cut-off."""

    sequence: int
    reference: str
    what: str


START: Final = Link(0, "", b"", sha256(b"audit chain 1").digest())
"""Before the first event."""

encode_link = msgspec.msgpack.Encoder().encode
decode_link = msgspec.msgpack.Decoder(Link).decode


def chain(previous: Link, reference: str, content: bytes) -> Link:
    """Return the link of an event that is stored after another; `content` is the bytes as stored."""
    sequence, content_hash = previous.sequence + 1, sha256(content).digest()
    return Link(sequence, reference, content_hash, _digest(previous.digest, sequence, reference, content_hash))


def _digest(previous: bytes, sequence: int, reference: str, content_hash: bytes) -> bytes:
    # Parts of a fixed length come first, so that no two events give the same text.
    return sha256(previous + sequence.to_bytes(8) + content_hash + reference.encode()).digest()


def breaks(
    chained: Iterable[tuple[Link, bytes | None]], after: Link = START, last: Link | None = None
) -> Iterator[Break]:
    """Yield where the chain does not hold, in order; nothing when it does.

    `chained` are the links by sequence, each with the stored bytes of its event, None when there is none. `after` is a
    link known to be good, to verify from there. `last` is the last link as it was written down elsewhere.
    """
    previous = after
    seen = {previous.sequence: previous}
    for link, content in chained:
        if link.sequence != previous.sequence + 1:
            yield Break(previous.sequence + 1, "", "removed")
        elif link.digest != _digest(previous.digest, link.sequence, link.reference, link.content_hash):
            yield Break(link.sequence, link.reference, "forged")
        if content is None:
            yield Break(link.sequence, link.reference, "missing")
        elif sha256(content).digest() != link.content_hash:
            yield Break(link.sequence, link.reference, "changed")
        if last is not None and link.sequence == last.sequence:
            seen[link.sequence] = link
        previous = link
    if last is not None and seen.get(last.sequence) != last:
        yield Break(last.sequence, last.reference, "cut-off" if previous.sequence < last.sequence else "forged")


def seal(key: bytes, link: Link) -> str:
    """Return a signature of everything up to a link, to be kept where who writes to the store does not reach."""
    return hmac.new(key, link.sequence.to_bytes(8) + link.digest, sha256).hexdigest()


def is_seal_of(signature: str, key: bytes, link: Link) -> bool:
    """Say whether a signature was made of a link with the key."""
    return hmac.compare_digest(signature, seal(key, link))
