"""Request and Response: an interaction without HTTP; a bundle entry is one too.

Spec: http.html
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.foundation.resource import Version
from fhir_server.storage.store import Store


class Request(msgspec.Struct, frozen=True):
    """One interaction asked by one caller.

    `interaction` is a CapabilityStatement code (read, search ...) or `$` and an operation's code. `parameters` are the
    decoded query (and form) pairs in order. `content` is the body; `resource` the same, parsed, when a caller has it.
    """

    interaction: str
    grant: Grant
    resource_type: str = ""
    resource_id: str = ""
    version_id: str = ""
    parameters: tuple[tuple[str, str], ...] = ()
    content: bytes = b""
    media_type: str = ""
    resource: dict[str, Any] | None = None
    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: str = ""
    if_none_exist: str | None = None
    prefer_return: str = ""
    is_lenient: bool = False
    base_url: str = ""
    """The absolute FHIR base that links are made from, without a slash at the end."""
    request_id: str = ""


class Response(msgspec.Struct, frozen=True):
    """The answer to a Request, without HTTP.

    `content` is FHIR JSON unless `media_type` says otherwise; empty for no body. `location` is relative to the base.
    """

    status: int
    content: bytes = b""
    media_type: str = ""
    version_id: int | None = None
    last_updated: datetime | None = None
    location: str = ""
    version: Version | None = None


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one request; all from the settings."""

    body_bytes: int = 16 * 1024 * 1024
    depth: int = 64
    bundle_entries: int = 10_000
    count_default: int = 50
    count_maximum: int = 1_000
    include_maximum: int = 1_000
    conditional_delete_maximum: int = 1


class Runtime(msgspec.Struct, frozen=True):
    """What interactions are given: the store, the clock (aware UTC), the id source and the bounds."""

    store: Store
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    limits: Limits = Limits()
