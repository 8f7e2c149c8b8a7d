"""The journal entry of one request: small, durable at once, made an AuditEvent later.

Spec: auditevent.html, security.html#audit
"""

from typing import Final

import msgspec

QUERY_CHARACTERS: Final = 2_000
"""A journal entry keeps so much of a search; a query of that length was cut, and is not read any more."""


class AccessEntry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Record one request that was answered or refused; it holds no content, no token and no secret.

    `instant` is microseconds since 1970 UTC. `query` (URL-encoded) and `compartment` ("Patient/1") are what a search
    asked; `results` are the references of what the answer showed, included resources too. `ground` is the
    reason given for breaking the glass. `is_secret`: done in a secret connection, hidden from representatives.
    """

    instant: int
    kind: str
    actor: str
    client_id: str
    display: str
    interaction: str
    resource_type: str
    resource_id: str
    version_id: str
    status: int
    query: str = ""
    results: tuple[str, ...] = ()
    user_id: str = ""
    purpose_of_use: str = ""
    ground: str = ""
    request_id: str = ""
    base_url: str = ""
    compartment: str = ""
    is_secret: bool = False


encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(AccessEntry).decode
