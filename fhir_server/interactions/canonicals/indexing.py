"""Indexing: resources are indexed again, type by type, after search parameters came; every process sees how far it is.

Spec: searchparameter.html, search.html

The state is one record of the store, written by the very transaction that indexes a group of resources: a killed run
goes on where it stopped, and any process may take the next group. A parameter is offered once every type that it is
for was gone through; what is written meanwhile has its rows already.
"""

import hashlib
from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.interactions.governance import Indexing, index_rows
from fhir_server.storage.store import Reader, Search, Store, Transaction

GROUP: Final = 100
"""Resources of one transaction: other writers wait no longer than that takes."""
GRACE_SECONDS: Final = 4.0
"""How long a new parameter waits to be indexed: by then every process has looked, and makes its rows."""
KIND: Final = "indexing"
KEY: Final = "state"


class Waiting(msgspec.Struct, frozen=True):
    """A parameter that is indexed, or was; `key` names definition and content, `since` is in seconds since 1970."""

    reference: str
    code: str
    types: tuple[str, ...]
    since: float
    done: tuple[str, ...] = ()

    @property
    def is_complete(self) -> bool:
        """Say whether every resource has its rows."""
        return {*self.types} <= {*self.done}


class Pass(msgspec.Struct, frozen=True):
    """A walk through all resources of a type; `keys` are the parameters whose rows it makes."""

    resource_type: str
    keys: tuple[str, ...] = ()
    cursor: str = ""
    done: int = 0
    total: int = -1
    """Resources of the type when the walk began; -1 before."""


class State(msgspec.Struct, frozen=True):
    """What was indexed, the walk that is under way, the types that wait for one, and parameters without effect."""

    parameters: Mapping[str, Waiting] = {}
    walk: Pass | None = None
    asked: tuple[str, ...] = ()
    """Types to go through whatever the parameters: a whole reindexing."""
    done: int = 0
    refused: Mapping[str, str] = {}
    """Reference of a SearchParameter -> why it has no effect."""

    @property
    def is_at_work(self) -> bool:
        """Say whether something is still to be indexed."""
        return bool(self.walk or self.asked or any(not one.is_complete for one in self.parameters.values()))


def key_of(parameter: SearchParameter) -> str:
    """Return what stands for a definition: another one makes other rows, or is another promise."""
    return hashlib.sha256(msgspec.json.encode(parameter)).hexdigest()[:24]


async def state_of(reader: Reader) -> State:
    """Return the state of indexing."""
    record = await reader.record(KIND, KEY)
    return State() if record is None else msgspec.json.decode(record, type=State)


async def keep_state(transaction: Transaction, state: State) -> None:
    """Store the state of indexing."""
    await transaction.put_record(KIND, KEY, msgspec.json.encode(state))


async def ask_types(store: Store, resource_types: Iterable[str]) -> State:
    """Have resource types indexed again, unless they wait for that already; return the state."""
    asked = tuple(resource_types)

    async def work(transaction: Transaction) -> State:
        state = await state_of(transaction)
        under_way = () if state.walk is None or "" not in state.walk.keys else (state.walk.resource_type,)
        waiting = dict.fromkeys((*state.asked, *(name for name in asked if name not in under_way)))
        following = replace(state, asked=tuple(waiting), done=state.done if state.asked or under_way else 0)
        await keep_state(transaction, following)
        return following

    return await store.transact(work)


async def index_group(store: Store, indexing: Indexing, before: float) -> State | None:
    """Index the next group of resources; return the state then, None when there is nothing that can be done here now.

    Parameters that came after `before` (seconds since 1970) are left for later: by then every process makes their rows
    for what it writes. What this process does not know yet is left to others.
    """
    known = frozenset(map(key_of, indexing.extractor.added))

    async def work(transaction: Transaction) -> State | None:
        state = await state_of(transaction)
        walk = state.walk or _next(state, known, before)
        if walk is None or not {*walk.keys} <= known | {""}:
            return None
        page = await transaction.search(
            Search(walk.resource_type, limit=GROUP, cursor=walk.cursor, needs_total=walk.total < 0)
        )
        for version in page.versions:
            rows = await index_rows(transaction, fhir_json.parse(version.content), version.depositor, indexing)
            await transaction.index(version.resource_type, version.resource_id, rows)
        total = walk.total if page.total is None else page.total
        walk = replace(walk, cursor=page.cursor, done=walk.done + len(page.versions), total=total)
        following = replace(state, walk=walk, done=state.done + len(page.versions))
        if not page.cursor:
            following = _ended(following, walk)
        await keep_state(transaction, following)
        return following

    return await store.transact(work)


def _next(state: State, known: frozenset[str], before: float) -> Pass | None:
    """Return the walk to begin: of a type that waits, for all parameters that lack it."""
    ready = {key: one for key, one in state.parameters.items() if key in known and one.since <= before}
    lacking = (name for one in ready.values() for name in one.types if name not in one.done)
    resource_type = next(iter((*state.asked, *lacking)), None)
    if resource_type is None:
        return None
    keys = [key for key, one in ready.items() if resource_type in one.types]
    return Pass(resource_type, (*keys, *([""] if resource_type in state.asked else [])))


def _ended(state: State, walk: Pass) -> State:
    parameters = {
        key: replace(one, done=tuple(dict.fromkeys((*one.done, walk.resource_type)))) if key in walk.keys else one
        for key, one in state.parameters.items()
    }
    asked = tuple(name for name in state.asked if name != walk.resource_type or "" not in walk.keys)
    return replace(state, walk=None, asked=asked, parameters=parameters)
