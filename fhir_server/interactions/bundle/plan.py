"""Plan: what a transaction will do, known before the store is asked: ids drawn, links made, resources validated.

Spec: http.html#trules
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.interactions.bundle.entries import Entry, elements_of, in_entry, read_entry
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.bundle.route import is_id
from fhir_server.interactions.patching.change import Resource
from fhir_server.interactions.patching.formats import relinked
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.write import prepare

WRITING: Final = frozenset({"create", "update", "patch"})
ENTIRE: Final = frozenset({"transaction", "batch"})


class Planned(msgspec.Struct, frozen=True):
    """An entry that is ready: `identity` is the `Type/id` it will write ("" for other entries).

    The identity of a conditional entry holds unless its criteria match another id. `conditional_references` are
    searches (`Patient?identifier=...`) that its resource refers by.
    """

    index: int
    order: int
    request: Request
    identity: str = ""
    conditional_references: frozenset[str] = frozenset()
    is_head: bool = False
    has_version_specific: bool = False
    """A reference in it asks for the version that the transaction makes of its target."""


def plan(request: Request, runtime: Runtime) -> list[Planned]:
    """Return the entries of a submitted Bundle, in its order. Raises the first FhirError, which names its entry."""
    entries = [_identified(entry, runtime) for entry in _entries(request, runtime)]
    table = _table(entries)
    return [_planned(entry, table, runtime) for entry in entries]


def relink(request: Request, links: Callable[[Resource], Resource], runtime: Runtime) -> Request:
    """Return a request whose resource, or patch, points where the links lead."""
    assert request.resource is not None
    if request.interaction == "patch":
        return replace(request, resource=relinked(request.resource, links, runtime.limits.depth))
    return replace(request, resource=links(request.resource))


def identity_of(request: Request) -> str:
    """Return the `Type/id` that a create, update or patch will write, "" for other requests."""
    if request.interaction not in WRITING:
        return ""
    return f"{request.resource_type}/{request.resource_id or request.assigned_id}"


def _entries(request: Request, runtime: Runtime) -> Iterator[Entry]:
    for index, element in enumerate(elements_of(request)):
        entry = read_entry(index, element, request)
        interaction = entry.request.interaction
        if interaction in ENTIRE or _affects(interaction, runtime):
            raise in_entry(Unprocessable(f"A transaction holds no {interaction}.", code="not-supported"), index)
        yield entry


def _affects(interaction: str, runtime: Runtime) -> bool:
    """Say whether an operation changes what is stored, in a transaction of its own."""
    code = interaction[1:] if interaction[0] == "$" else ""
    return any(operation.code == code and operation.is_affecting for operation in runtime.operations)


def _identified(entry: Entry, runtime: Runtime) -> Entry:
    request = entry.request
    if request.interaction not in WRITING or request.resource_id:
        return entry
    own_id: Any = (request.resource or {}).get("id") if request.interaction == "update" else None
    assigned_id = own_id if isinstance(own_id, str) and is_id(own_id) else runtime.new_id()
    return Entry(entry.index, entry.full_url, replace(request, assigned_id=assigned_id))


def _table(entries: list[Entry]) -> dict[str, str]:
    table: dict[str, str] = {}
    for entry in entries:
        identity = identity_of(entry.request)
        if not entry.full_url or not identity:
            continue
        if entry.full_url in table:
            raise in_entry(Unprocessable("The fullUrl is that of an earlier entry.", code="duplicate"), entry.index)
        table[entry.full_url] = identity
    return table


def _planned(entry: Entry, table: dict[str, str], runtime: Runtime) -> Planned:
    request = entry.request
    identity = identity_of(request)
    if not identity:
        return Planned(entry.index, entry.order, request, is_head=entry.is_head)
    links = Links(table)
    try:
        if request.resource is not None:
            request = relink(request, lambda resource: links.relink(resource, entry.full_url), runtime)
        request = prepare(request, runtime)
    except FhirError as refusal:
        raise in_entry(refusal, entry.index) from None
    return Planned(
        entry.index,
        entry.order,
        request,
        identity,
        frozenset(links.conditional),
        has_version_specific=links.has_version_specific,
    )
