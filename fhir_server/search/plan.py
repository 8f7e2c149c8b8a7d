"""Plan: what a Query means under a decision, in the pieces of which a `storage.store.Search` is made.

Spec: search.html
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

import msgspec

from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.search.condition import NEVER, Condition
from fhir_server.search.meaning import Meaning, Within, types_of
from fhir_server.search.parameters import Parameters
from fhir_server.search.query import IncludeClause, Query
from fhir_server.search.result_parameters import ALL, CONTAINED
from fhir_server.search.types import SEARCH_TYPES
from fhir_server.search.types.terminology import SPECIFIED_CODES, Terminology

_encode: Final = msgspec.json.Encoder().encode
INSTANT_OR_ID: Final = ("_id", "_lastUpdated")


class PlannedSort(NamedTuple):
    """The fields of `storage.store.Sort`, in its order."""

    parameter: str
    family: int
    is_descending: bool


class PlannedInclude(NamedTuple):
    """The fields of `storage.store.Include`, in its order."""

    parameter: str
    source_type: str
    within: tuple[tuple[str, Condition], ...]
    is_reverse: bool
    is_iterated: bool


class Bounds(NamedTuple):
    """How many matches a page has: by default, and at most."""

    count_default: int = 50
    count_maximum: int = 1000


class Plan(msgspec.Struct, frozen=True):
    """What a backend is asked: the fields of `storage.store.Search`, whose structs `sort` and `includes` become.

    `limit` 0 asks for the total alone, and then `needs_total` is True.
    """

    resource_type: str
    condition: Condition
    within: Condition
    sort: tuple[PlannedSort, ...]
    limit: int
    cursor: str
    needs_total: bool
    includes: tuple[PlannedInclude, ...]
    purpose: str = ""
    """What was asked, without place and size: a cursor is good for the query it was made for, and no other."""


class Planner(msgspec.Struct, frozen=True):
    """Plan queries.

    `within(resource_type)` is the decision on searching a type, asked for each type that a query touches; it raises
    Forbidden for those that the caller may not search. `now` is in microseconds since 1970 UTC. `terminology` answers
    what `:in`, `:above` and `:below` ask of codes; it raises BadRequest or TooCostly for what it cannot.
    """

    parameters: Parameters
    within: Within
    base_urls: tuple[str, ...] = ()
    now: int = 0
    bounds: Bounds = Bounds()
    terminology: Terminology = SPECIFIED_CODES

    def plan(self, query: Query) -> Plan:
        """Return the plan of a query; raises BadRequest for values that are not understood, Forbidden by decision."""
        is_count_only = query.count == 0 or query.summary == "count"
        count = self.bounds.count_default if query.count is None else min(query.count, self.bounds.count_maximum)
        # What contains a match may be of any type.
        resource_type = "" if query.contained in CONTAINED else query.resource_type
        meaning = Meaning(self.parameters, self.within, self.base_urls, self.now, self.terminology)
        return Plan(
            resource_type,
            meaning.condition(query),
            self.within(resource_type),
            tuple(self._sort(query)),
            0 if is_count_only else count,
            query.cursor,
            is_count_only or query.total in ("accurate", "estimate"),
            () if is_count_only else tuple(self._includes(query)),
            _encode(msgspec.structs.replace(query, cursor="", count=None)).decode(),
        )

    def _sort(self, query: Query) -> Iterator[PlannedSort]:
        for key in query.sort:
            search_type = self.parameters.named(types_of(query)[0], key.parameter).type
            family = 0 if key.parameter in INSTANT_OR_ID else SEARCH_TYPES[search_type].FAMILY
            yield PlannedSort(key.parameter, family, key.is_descending)

    def _includes(self, query: Query) -> Iterator[PlannedInclude]:
        for include in query.includes:
            source_type = include.source_type or query.resource_type
            for code in self._codes(source_type, include.parameter):
                planned = self._reverse if include.is_reverse else self._forward
                yield from planned(source_type, code, include)

    def _codes(self, source_type: str, code: str) -> tuple[str, ...]:
        """Return what an include follows by type and id; canonicals are for who holds the page."""
        codes = (code,) if code != ALL else self.parameters.included(source_type)
        return tuple(code for code in codes if self.parameters.is_followed(source_type, code))

    def _forward(self, source_type: str, code: str, include: IncludeClause) -> Iterator[PlannedInclude]:
        targets = self.parameters.targets(source_type, code)
        if include.target_type:
            reached = (
                [(include.target_type, self.within(include.target_type))] if include.target_type in targets else []
            )
        else:
            reached = [(target, self._quietly_within(target)) for target in targets]
        within = tuple((target, condition) for target, condition in reached if condition != NEVER)
        if within:
            yield PlannedInclude(code, source_type, within, False, include.is_iterated)

    def _reverse(self, source_type: str, code: str, include: IncludeClause) -> Iterator[PlannedInclude]:
        if include.target_type and include.target_type not in self.parameters.targets(source_type, code):
            return
        within = ((source_type, self.within(source_type)),)
        yield PlannedInclude(code, source_type, within, True, include.is_iterated)

    def _quietly_within(self, resource_type: str) -> Condition:
        """Return the decision on a type that the client did not name: what may not be searched is not there."""
        try:
            return self.within(resource_type)
        except Forbidden:
            return NEVER
