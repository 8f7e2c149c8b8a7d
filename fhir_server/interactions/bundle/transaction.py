"""Transaction: entries that are done together, or not at all.

Spec: http.html#transaction, http.html#trules
"""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from time import monotonic
from typing import Final

from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import (
    BadRequest,
    FhirError,
    NotFound,
    PreconditionFailed,
    Unavailable,
    Unprocessable,
)
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.ahead import Dispatch, answer_ahead
from fhir_server.interactions.bundle.entries import in_entry
from fhir_server.interactions.bundle.envelope import bundle, response_entry
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.bundle.plan import Planned, plan, relink
from fhir_server.interactions.bundle.version_specific import version_specific, with_versions
from fhir_server.interactions.canonicals.changes import CANONICAL_TYPES
from fhir_server.interactions.conditional import criteria_of, find_match
from fhir_server.interactions.governance import settle
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.update import check_unused
from fhir_server.interactions.write import aside, prepare
from fhir_server.storage.store import Transaction

Perform = Callable[[Request, Transaction, Runtime], Awaitable[Response]]
DELETING: Final = 0
READING: Final = 3
ADDRESSED: Final = ("update", "patch")


async def transaction(request: Request, runtime: Runtime, perform: Perform, dispatch: Dispatch) -> Response:
    """Do every entry in one store transaction; the first refusal undoes all and names its entry.

    `dispatch` answers the entries that need no transaction: see `answer_ahead`.
    """
    entries = await aside(plan, request, runtime)
    ahead = await answer_ahead(entries, runtime, dispatch)
    inside = replace(runtime, explain=None)
    responses = await runtime.store.transact(lambda store: Run(entries, store, inside, perform).finish(ahead))
    if runtime.canonicals is not None and any(entry.request.resource_type in CANONICAL_TYPES for entry in entries):
        await runtime.canonicals.refresh()
    return Response(200, bundle("transaction-response", _response_entries(entries, responses, request)))


def _response_entries(entries: list[Planned], responses: list[Response], request: Request) -> Iterator[bytes]:
    for entry, response in zip(entries, responses, strict=True):
        # Choice: what was written comes back only when the client prefers it so; what was read always does.
        is_shown = entry.order == READING and not entry.is_head
        is_preferred = request.prefer_return in ("representation", "OperationOutcome")
        has_resource = is_shown or (is_preferred and entry.order != READING)
        yield response_entry(response, request.base_url, has_resource)


def _too_long(seconds: float, entry: Planned) -> Unavailable:
    """Return the refusal of what keeps other writers waiting, and whose caller is answered already."""
    sentence = f"The transaction takes longer than {seconds:g} seconds, and nothing of it is done: split it."
    return Unavailable(f"{sentence} It came to Bundle.entry[{entry.index}].", code="timeout")


class Run:
    """One run of a plan inside a store transaction; a run that is undone leaves nothing behind."""

    def __init__(self, entries: list[Planned], store: Transaction, runtime: Runtime, perform: Perform) -> None:
        self._entries = entries
        self._store = store
        self._runtime = runtime
        self._perform = perform
        self._end = monotonic() + runtime.limits.request_seconds
        self._responses: dict[int, Response] = {}
        self._writers: dict[str, int] = {}
        self._moved: dict[str, str] = {}
        self._found: dict[int, Version] = {}
        self._same: dict[int, int] = {}
        self._firsts: dict[tuple[str, str | None], Planned] = {}

    async def finish(self, ahead: Mapping[int, Response]) -> list[Response]:
        """Do every entry that is not answered ahead; return the responses in the order of the bundle."""
        self._responses |= ahead
        deletes = [entry for entry in self._entries if entry.order == DELETING]
        writes = [entry for entry in self._entries if entry.identity]
        # A conditional reference may name what this bundle writes: those that have one come last.
        writes.sort(key=lambda entry: (bool(entry.conditional_references), entry.order))
        reads = [entry for entry in self._entries if entry.order == READING and entry.index not in ahead]
        for entry in deletes:
            await self._guarded(entry, self._delete)
        for entry in writes:
            await self._guarded(entry, self._resolve)
        # A twin answers with what its first one wrote.
        for entry in sorted(writes, key=lambda entry: entry.index in self._same):
            await self._guarded(entry, self._write)
        versions = (self._responses[entry.index].version for entry in writes)
        await settle(self._store, [version for version in versions if version is not None], self._runtime.indexing)
        for entry in reads:
            await self._guarded(entry, self._read)
        return [self._responses[entry.index] for entry in self._entries]

    async def _guarded(self, entry: Planned, step: Callable[[Planned], Awaitable[None]]) -> None:
        if monotonic() > self._end:
            raise _too_long(self._runtime.limits.request_seconds, entry)
        try:
            await step(entry)
        except FhirError as refusal:
            raise in_entry(refusal, entry.index) from None

    async def _read(self, entry: Planned) -> None:
        self._responses[entry.index] = await self._perform(entry.request, self._store, self._runtime)

    async def _delete(self, entry: Planned) -> None:
        response = await self._perform(entry.request, self._store, self._runtime)
        self._responses[entry.index] = response
        written = response.shown if response.version is None else (response.version.reference,)
        for reference in written:
            self._claim(entry, reference)

    async def _resolve(self, entry: Planned) -> None:
        """Find what the criteria of a conditional entry name, before anything refers to it."""
        request = entry.request
        if request.interaction == "create" and request.if_none_exist is not None:
            criteria = criteria_of(request.if_none_exist)
        elif request.interaction in ADDRESSED and not request.resource_id:
            criteria = request.parameters
        else:
            return
        match = await find_match(request, self._store, self._runtime, criteria)
        if match is not None:
            self._found[entry.index] = match
            if match.reference != entry.identity:
                self._moved[entry.identity] = match.reference
        elif request.interaction == "create":
            self._join_twin(entry)

    def _join_twin(self, entry: Planned) -> None:
        """Let a second conditional create of the same criteria stand for the first."""
        first = self._firsts.setdefault((entry.request.resource_type, entry.request.if_none_exist), entry)
        if first is not entry:
            self._same[entry.index] = first.index
            self._moved[entry.identity] = first.identity

    async def _write(self, entry: Planned) -> None:
        self._responses[entry.index] = await self._written(entry)

    async def _written(self, entry: Planned) -> Response:
        request, found = entry.request, self._found.get(entry.index)
        if request.interaction == "create":
            if found is not None or entry.index in self._same:
                return await self._perform(request, self._store, self._runtime)
            request = replace(request, if_none_exist=None)
        elif not request.resource_id:
            if found is None and request.if_match:
                raise PreconditionFailed("If-Match is given, and the criteria match nothing.")
            request = self._addressed(request, found)
            if found is None and request.interaction == "update":
                await check_unused(request, self._store)
        self._claim(entry, f"{request.resource_type}/{request.resource_id or request.assigned_id}")
        request = await self._relinked(entry, request)
        if entry.has_version_specific and request.interaction != "patch":
            request = await self._with_versions(request)
        return await self._perform(request, self._store, self._runtime)

    def _addressed(self, request: Request, found: Version | None) -> Request:
        """Return a conditional update as the update (or patch) of what its criteria name."""
        if request.interaction == "patch":
            if found is None:
                raise NotFound(f"The criteria match no {request.resource_type}: there is nothing to patch.")
            return replace(request, resource_id=found.resource_id)
        own_id = (request.resource or {}).get("id")
        if found is None and own_id is None:
            return replace(request, interaction="create")
        if found is None:
            return replace(request, resource_id=request.assigned_id)
        if own_id not in (None, found.resource_id):
            raise BadRequest(f"The criteria match {found.reference}, and the body's id is {str(own_id)[:80]!r}.")
        return replace(request, resource_id=found.resource_id)

    def _claim(self, entry: Planned, identity: str) -> None:
        """Refuse that two entries write one resource: the result would hang on their order."""
        first = self._writers.setdefault(identity, entry.index)
        if first != entry.index:
            raise Unprocessable(f"Bundle.entry[{first}] writes {identity} too.", code="duplicate")

    async def _relinked(self, entry: Planned, request: Request) -> Request:
        """Return the request with links to matches, and conditional references, in place."""
        if request.resource is None or not (self._moved or entry.conditional_references):
            return request
        table = dict(self._moved)
        for reference in entry.conditional_references:
            table[reference] = await self._resolved(reference, request)
        linked = relink(request, Links(table).relink, self._runtime)
        return prepare(linked, self._runtime) if request.interaction == "patch" else linked

    async def _with_versions(self, request: Request) -> Request:
        """Return the request with references to the versions that this transaction makes, written already or not."""
        made = {entry.identity: entry for entry in self._entries if entry.identity}
        made |= {self._moved[name]: entry for name, entry in made.items() if name in self._moved}
        version_ids = {}
        for reference in set(version_specific(request.resource)) & made.keys():
            version_ids[reference] = await self._version_id(made[reference], reference)
        return replace(request, resource=with_versions(request.resource, version_ids))

    async def _version_id(self, entry: Planned, reference: str) -> int:
        written = self._responses.get(entry.index)
        if written is not None and written.version_id is not None:
            return written.version_id
        resource_type, _, resource_id = reference.partition("/")
        current = await self._store.read(resource_type, resource_id)
        if current is None:
            return 1
        is_left = entry.request.interaction == "create"  # A conditional create whose match stays as it is.
        return current.version_id + (0 if is_left else 1)

    async def _resolved(self, reference: str, request: Request) -> str:
        named = parse_reference(reference, (request.base_url,))
        if named.base_url:
            raise Unprocessable(f"The reference {reference[:200]} asks another server, which is not searched.")
        asked = Request("search", request.grant, named.target_type, base_url=request.base_url)
        match = await find_match(asked, self._store, self._runtime, criteria_of(named.query))
        if match is None:
            raise PreconditionFailed(f"The reference {reference[:200]} matches nothing.", code="not-found")
        return match.reference
