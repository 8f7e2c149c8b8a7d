"""The audit chain: links that make a removed, changed, inserted or moved AuditEvent show.

Each stored event has one link, which holds the hash of its bytes and, through the link before it, of all that was
stored earlier. Who may write to the store could forge a chain to its end: whoever noted its last link elsewhere can
prove that. Spec: security.html#audit
"""

from collections.abc import Iterator
from hashlib import sha256
from typing import Final

import msgspec


class Link(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Bind an event to all events before it; `sequence` counts from 1."""

    sequence: int
    reference: str
    content_hash: bytes
    digest: bytes

    def __str__(self) -> str:
        """Return what to note elsewhere: `12-3f5a...`."""
        return f"{self.sequence}-{self.digest.hex()}"


class Break(msgspec.Struct, frozen=True):
    """One place where the chain does not hold; `what` is removed, changed, missing, inserted, forged or cut-off."""

    sequence: int
    reference: str
    what: str


START: Final = Link(0, "", b"", sha256(b"audit chain 1").digest())
"""Before the first event."""

encode_links = msgspec.msgpack.Encoder().encode
decode_links = msgspec.msgpack.Decoder(list[Link]).decode


def chain(previous: Link, reference: str, content: bytes) -> Link:
    """Return the link of an event that is stored after another; `content` is the bytes as stored."""
    sequence, content_hash = previous.sequence + 1, sha256(content).digest()
    return Link(sequence, reference, content_hash, _digest(previous.digest, sequence, reference, content_hash))


def _digest(previous: bytes, sequence: int, reference: str, content_hash: bytes) -> bytes:
    # Parts of a fixed length come first, so that no two events give the same text.
    return sha256(previous + sequence.to_bytes(8) + content_hash + reference.encode()).digest()


class Verification:
    """Follows a chain from a good link, and tells where it does not hold."""

    def __init__(self, after: Link = START) -> None:
        self._previous = after

    def meet(self, link: Link, content: bytes | None) -> Iterator[Break]:
        """Yield what is wrong with the next link, given with the stored bytes of its event, None when there is none."""
        previous, self._previous = self._previous, link
        if link.sequence != previous.sequence + 1:
            yield Break(previous.sequence + 1, "", "removed")
        elif link.digest != _digest(previous.digest, link.sequence, link.reference, link.content_hash):
            yield Break(link.sequence, link.reference, "forged")
        if content is None:
            yield Break(link.sequence, link.reference, "missing")
        elif sha256(content).digest() != link.content_hash:
            yield Break(link.sequence, link.reference, "changed")

    def end(self, last: Link) -> Iterator[Break]:
        """Yield what is wrong with the end: `last` is what the store says to be the last link."""
        if last != self._previous:
            yield Break(self._previous.sequence + 1, "", "cut-off")


def is_link(text: str) -> bool:
    """Say whether a text is that of a link, as it was noted elsewhere."""
    sequence, _, digest = text.partition("-")
    return sequence.isdecimal() and len(digest) == 2 * len(START.digest)
