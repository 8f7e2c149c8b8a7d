"""Search parameters of the store: SearchParameter resources take effect in each server process.

Spec: searchparameter.html

An active one makes rows at once, for all that is written; it is offered (asked for, listed) once what was stored
before is indexed too. Any other status, or its deletion, withdraws it. Each process looks at the log of definitions
and at the state of indexing every second, and after its own writes.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.conformance.publish import PUBLISHER
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.resource import Version
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.interactions.canonicals.changes import changes
from fhir_server.interactions.canonicals.indexing import (
    GRACE_SECONDS,
    State,
    Waiting,
    index_group,
    keep_state,
    key_of,
    state_of,
)
from fhir_server.interactions.governance import Indexing
from fhir_server.interactions.request import Request
from fhir_server.search.custom import admitted, search_parameter_of
from fhir_server.search.extract import Extractor
from fhir_server.search.parameters import Offered, Parameters, types_with
from fhir_server.storage.store import Search, Store, Transaction

LOG: Final = logging.getLogger("fhir_server")
TYPE: Final = "SearchParameter"
ACTIVE: Final = "active"
LOOK_SECONDS: Final = 1.0
_PAGE: Final = 200
Resource = dict[str, Any]


class _Definition(msgspec.Struct, frozen=True):
    """What a stored SearchParameter says: a parameter, or why it is none; both None when it is not active."""

    parameter: SearchParameter | None = None
    refusal: str = ""


class SearchParameters:
    """Keep what searches may ask for: `offered`, and `indexing`, by which rows are made.

    `own` parameters travel with the server: they are offered as those of the specification are, from the start.
    """

    def __init__(
        self,
        store: Store,
        now: Callable[[], datetime],
        base_urls: tuple[str, ...] = (),
        *,
        own: tuple[SearchParameter, ...] = (),
        grace_seconds: float = GRACE_SECONDS,
    ) -> None:
        self.offered = Offered(Parameters(own))
        self.indexing = Indexing(Extractor(self.offered.parameters, base_urls), base_urls)
        self._own = own
        self._store = store
        self._now = now
        self._grace_seconds = grace_seconds
        self._epoch = -1
        self._definitions: dict[str, _Definition] = {}
        self._keyed: dict[str, tuple[str, SearchParameter]] = {}
        self._refused: dict[str, str] = {}
        self._lock = asyncio.Lock()

    async def check(self, request: Request, transaction: Transaction, before: Resource | None) -> None:
        """Refuse an active SearchParameter that could have no effect: a ChangeRule.

        Raises Unprocessable. Choice: what a package brings is stored all the same, and its state says what is wrong.
        """
        assert request.resource is not None
        if request.resource.get("status") == ACTIVE and request.grant.client_id != PUBLISHER.client_id:
            others = {key: one for key, one in self._definitions.items() if key != f"{TYPE}/{request.resource_id}"}
            effective, _ = _effective(others, self._own)
            admitted(search_parameter_of(request.resource), Parameters((*self._own, *effective.values())))

    async def refresh(self) -> None:
        """Take note of the definitions and of the indexing that the store holds now."""
        async with self._lock:
            log = await changes(self._store)
            if log.epoch != self._epoch:
                references = None if self._epoch < 0 else log.since(self._epoch)
                if references is None or any(reference.startswith(f"{TYPE}/") for reference in references):
                    await self._load()
                self._epoch = log.epoch
            state = await state_of(self._store)
            if {*state.parameters} != {*self._keyed} or state.refused != self._refused:
                state = await self._store.transact(self._reconcile)
            self._offer(state)

    async def follow(self) -> None:
        """Look, and index what waits, until cancelled; as long again as a group takes is left to others."""
        while True:
            try:
                started = time.monotonic()
                await self.refresh()
                is_busy = await self.index_group() is not None
                taken = time.monotonic() - started
            except FhirError:
                LOG.exception("search parameters could not be read or indexed; it is tried again")
                is_busy, taken = False, 0.0
            await asyncio.sleep(taken if is_busy else LOOK_SECONDS)

    async def index_group(self) -> State | None:
        """Index one group of resources: see `indexing.index_group`."""
        if not (await state_of(self._store)).is_at_work:
            return None
        before = self._now().timestamp() - self._grace_seconds
        return await index_group(self._store, self.indexing, before)

    async def _load(self) -> None:
        """Read every SearchParameter of the store, in order of creation: the first one of a code has it."""
        definitions: dict[str, _Definition] = {}
        cursor = ""
        while True:
            page = await self._store.search(Search(TYPE, limit=_PAGE, cursor=cursor))
            definitions.update((version.reference, _definition(version)) for version in page.versions)
            cursor = page.cursor
            if not cursor:
                break
        self._definitions = definitions
        effective, self._refused = _effective(definitions, self._own)
        keyed = {key_of(parameter): (reference, parameter) for reference, parameter in effective.items()}
        if {*keyed} != {*self._keyed}:
            self.indexing.extractor.use(Parameters((*self._own, *effective.values())))
        self._keyed = keyed

    async def _reconcile(self, transaction: Transaction) -> State:
        """Write into the state what came and went, unless another process knows more."""
        state = await state_of(transaction)
        if (await changes(transaction)).epoch != self._epoch:
            return state
        parameters = {
            key: state.parameters.get(key)
            or Waiting(reference, parameter.code, types_with(parameter), self._now().timestamp())
            for key, (reference, parameter) in self._keyed.items()
        }
        walk = state.walk
        if walk is not None and not {*walk.keys} <= {*parameters, ""}:
            walk = None
        following = replace(state, parameters=parameters, walk=walk, refused=self._refused)
        await keep_state(transaction, following)
        return following

    def _offer(self, state: State) -> None:
        complete = {key for key, one in state.parameters.items() if one.is_complete}
        chosen = self._own + tuple(parameter for key, (_, parameter) in self._keyed.items() if key in complete)
        if chosen != self.offered.parameters.added:
            self.offered.parameters = Parameters(chosen)


def _definition(version: Version) -> _Definition:
    resource = fhir_json.parse(version.content)
    if resource.get("status") != ACTIVE:
        return _Definition()
    try:
        return _Definition(search_parameter_of(resource))
    except FhirError as refusal:
        return _Definition(refusal=str(refusal))


def _effective(
    definitions: Mapping[str, _Definition], own: tuple[SearchParameter, ...]
) -> tuple[dict[str, SearchParameter], dict[str, str]]:
    """Return the parameters that have an effect, by reference, and why the others have none."""
    effective: dict[str, SearchParameter] = {}
    refused = {reference: one.refusal for reference, one in definitions.items() if one.refusal}
    waiting = {reference: one.parameter for reference, one in definitions.items() if one.parameter is not None}
    known = Parameters(own)
    # A composite may stand before its components.
    for reference, parameter in sorted(waiting.items(), key=lambda item: bool(item[1].components)):
        try:
            gained = admitted(parameter, known)
        except FhirError as refusal:
            refused[reference] = str(refusal)
            continue
        if gained is not None:
            effective[reference] = gained
            known = Parameters((*own, *effective.values()))
    return effective, refused
