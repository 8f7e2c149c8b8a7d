"""Value sets: what a search asks of terminology, expanded before it is planned.

Spec: search.html#token, search_filter.html
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.parse import FILTER
from fhir_server.search.query import Query
from fhir_server.search.special.value_sets import value_sets
from fhir_server.search.types.terminology import Terminology
from fhir_server.storage.store import Reader

ASKING = frozenset({"in", "not-in", "above", "below"})
_STORED = "ValueSet/"


class Expanded(msgspec.Struct, frozen=True):
    """A terminology whose value sets, as far as one query asks for them, are expanded already."""

    terminology: Terminology
    value_sets: Mapping[str, Mapping[str, Collection[str]]]

    def expand(self, value_set: str | Mapping[str, Any]) -> Mapping[str, Collection[str]]:
        """See Terminology.expand."""
        known = self.value_sets.get(value_set) if isinstance(value_set, str) else None
        return self.terminology.expand(value_set) if known is None else known

    def below(self, system: str, code: str) -> Collection[str]:
        """See Terminology.below."""
        return self.terminology.below(system, code)

    def above(self, system: str, code: str) -> Collection[str]:
        """See Terminology.above."""
        return self.terminology.above(system, code)


async def with_value_sets(request: Request, reader: Reader, runtime: Runtime, query: Query) -> Runtime:
    """Return the runtime to plan a query by: itself, unless the query asks for value sets or hierarchies.

    `ValueSet/id` is one of this server that the caller may read. Raises BadRequest for a value set that is not known or
    cannot be expanded, TooCostly for one with too many codes.
    """
    if not any(clause.modifier in ASKING or clause.parameter == FILTER for clause in query.clauses):
        return runtime
    is_in_transaction = reader is not runtime.store
    if runtime.canonicals is not None and not is_in_transaction:
        await runtime.canonicals.ready()
    expanded = {}
    for name in value_sets(query):
        named = await _named(request, reader, name)
        # A transaction's work awaits nothing but the transaction; elsewhere nobody waits for a long expansion.
        expand = runtime.terminology.expand
        expanded[name] = expand(named) if is_in_transaction else await asyncio.to_thread(expand, named)
    return replace(runtime, terminology=Expanded(runtime.terminology, expanded)) if expanded else runtime


async def _named(request: Request, reader: Reader, name: str) -> str | Mapping[str, Any]:
    """Return a canonical as it is, and the ValueSet resource of a reference to one of this server."""
    local = name.removeprefix(f"{request.base_url}/") if request.base_url else name
    if not local.startswith(_STORED):
        return name
    resource_id = local.removeprefix(_STORED)
    found = await reader.read("ValueSet", resource_id, within=decide(request.grant, "read", "ValueSet"))
    if found is None or found.is_deleted:
        raise BadRequest(f"There is no {local[:80]} here: name a stored ValueSet, or a value set by its canonical URL.")
    return fhir_json.parse(found.content)
