"""Request and Response: an interaction without HTTP; a bundle entry is one too.

Spec: http.html
"""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from fhir_server.access.grant import Grant
from fhir_server.foundation.resource import Version
from fhir_server.interactions.canonicals.changes import Canonicals
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.interactions.governance import INDEXING, Indexing
from fhir_server.interactions.patching.change import Change
from fhir_server.search.parameters import Offered, Parameters
from fhir_server.search.types.terminology import SPECIFIED_CODES, Terminology
from fhir_server.storage.store import Reader, Search, Store, Transaction


class Request(msgspec.Struct, frozen=True):
    """One interaction asked by one caller.

    `interaction` is a CapabilityStatement code (read, search ...) or `$` and an operation's code. `parameters` are the
    decoded query (and form) pairs in order. `content` is the body as FHIR JSON (or, for an operation, as `media_type`
    says); `resource` the same, parsed, when a caller has it, and `content` may then be empty.
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
    change: Change | None = None
    """What a patch does to the resource: `prepare` reads it from the body."""
    if_match: str = ""
    if_none_match: str = ""
    if_modified_since: datetime | None = None
    if_none_exist: str | None = None
    prefer_return: str = ""
    """`minimal`, `representation`, `OperationOutcome`, or "" when the client did not say."""
    is_lenient: bool = False
    language: str = "en"
    """The language of what is said about a resource that is refused: en or fr."""
    source: bytes = b""
    """The body of an operation as it was sent, when `resource` was made of another form than JSON."""
    base_url: str = ""
    """The absolute FHIR base that links are made from, without a slash at the end."""
    request_id: str = ""
    languages: str = ""
    """The Accept-Language header, for operations that answer persons."""
    compartment: tuple[str, str] | None = None
    """Search only this compartment: a pair (Patient, 1)."""
    is_get: bool = False
    """An operation was invoked with GET, which must change nothing."""
    assigned_id: str = ""
    """The id that a create must give: drawn before a transaction, so that its entries can refer to each other."""


class Response(msgspec.Struct, frozen=True):
    """The answer to a Request, without HTTP.

    `content` is FHIR JSON unless `media_type` says otherwise; empty for no body. `location` is relative to the base.
    """

    status: int
    content: bytes = b""
    media_type: str = ""
    version_id: int | None = None
    etag: str = ""
    """What tells one content from another where there are no versions, without quotes."""
    last_updated: datetime | None = None
    location: str = ""
    version: Version | None = None
    """The version that was read or written; None for bundles."""
    shown: tuple[str, ...] = ()
    """References of the resources that a search or a history shows, for the audit."""


class Limits(msgspec.Struct, frozen=True):
    """Bounds of one request; all from the settings."""

    body_bytes: int = 16 * 1024 * 1024
    depth: int = 64
    bundle_entries: int = 10_000
    count_default: int = 50
    count_maximum: int = 1_000
    include_maximum: int = 1_000
    body_seconds: float = 30.0
    request_seconds: float = 60.0
    """From the complete request to its answer."""
    delete_maximum: int = 1_000
    """Most resources that one conditional delete deletes."""
    query_parameters: int = 500


class Operation(msgspec.Struct, frozen=True):
    """One operation: where it may be invoked, and what answers.

    `resource_types` are the types that have it, ("Resource",) for all; `levels` a subset of system, type, instance and
    version (below `_history/1`).
    Only an operation that is not `is_affecting` may be invoked with GET.
    """

    code: str
    definition: str
    """Canonical URL of the OperationDefinition."""
    invoke: Callable[[Request, "Runtime"], Awaitable[Response]]
    resource_types: tuple[str, ...] = ("Resource",)
    levels: tuple[str, ...] = ("system",)
    is_affecting: bool = False


class Guides(msgspec.Struct, frozen=True):
    """Canonicals that the CapabilityStatement names: statements of others that hold here, their guides, profiles.

    `profiles` are pairs of a resource type and a profile that this server knows for it.
    """

    instantiates: tuple[str, ...] = ()
    implementation_guides: tuple[str, ...] = ()
    profiles: tuple[tuple[str, str], ...] = ()


class Profiled(msgspec.Struct, frozen=True):
    """An interaction that has a meaning of its own when its body claims one of some profiles, and what answers it.

    `interaction` is `transaction`, of a Bundle, or `create`; the body is parsed, and of a create validated.
    """

    interaction: str
    resource_type: str
    profiles: frozenset[str]
    invoke: Callable[[Request, "Runtime"], Awaitable[Response]]


ChangeRule = Callable[[Request, Transaction, dict[str, Any] | None], Awaitable[None]]
"""Refuses what may not become of a resource: given what is asked, and the content before (None for the first)."""


class Runtime(msgspec.Struct, frozen=True):
    """What interactions are given: the store, the clock (aware UTC), the id source, the bounds, the operations.

    `profiled` are interactions that profiles give a meaning, `change_rules` what restricts writes, by resource type.
    `offered` are the search parameters that may be asked for, `indexing` makes the rows. `oauth_uris` are the SMART
    endpoints by name (authorize, token ...); empty when the server runs open.
    """

    store: Store
    now: Callable[[], datetime]
    new_id: Callable[[], str]
    limits: Limits = Limits()
    offered: Offered = msgspec.field(default_factory=Offered)
    indexing: Indexing = INDEXING
    operations: tuple[Operation, ...] = ()
    profiled: tuple[Profiled, ...] = ()
    change_rules: Mapping[str, ChangeRule] = msgspec.field(default_factory=dict)
    guides: Guides = Guides()
    oauth_uris: tuple[tuple[str, str], ...] = ()
    has_cors: bool = False
    """Pages of some web origins may call."""
    terminology: Terminology = SPECIFIED_CODES
    """What `:in`, `:not-in`, `:above` and `:below` ask."""
    describe_terminology: Callable[[], Mapping[str, Any]] | None = None
    """What TerminologyCapabilities tells of what is held; None where nobody can tell. It may take a while."""
    canonicals: Canonicals | None = None
    """The definitions that take effect in this process; None where none do."""
    profiling: Profiling | None = None
    """The profiles that resources must meet; None where no profile is checked."""
    may_combine_labels: bool = False
    """One item may be hidden from the patient and masked from professionals at once."""
    explain: Callable[[Search], Awaitable[dict[str, Any]]] | None = None
    """How the store answers a search, for `_explain=true`; None when it cannot tell."""

    @property
    def parameters(self) -> Parameters:
        """Return the search parameters that are known now: keep them for one request, and no longer."""
        return self.offered.parameters


Read = Callable[[Request, Reader, Runtime], Awaitable[Response]]
"""An interaction that only reads: from the store, or from the transaction of a bundle."""
Write = Callable[[Request, Transaction, Runtime], Awaitable[Response]]
"""An interaction that writes, inside a store transaction."""
