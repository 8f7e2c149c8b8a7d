"""Contained: the contained resources that a search finds, shown without their containers.

Spec: search.html#contained
"""

from collections.abc import AsyncIterator, Iterator
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import TooCostly
from fhir_server.foundation.resource import Version
from fhir_server.search.condition import And, Condition, Contains, Identity, OfType, Or, all_of, any_of
from fhir_server.search.query import Query
from fhir_server.search.result_parameters import CONTAINED, CONTAINED_ALONE
from fhir_server.storage.store import Page, Reader, Search

PAGE: Final = 500
MAXIMUM_COUNTED: Final = 5_000
"""Containers of which the matches are counted for a total."""


class _Holder(msgspec.Struct):
    contained: list[msgspec.Raw] = []


class _Name(msgspec.Struct, rename="camel"):
    resource_type: str
    id: str = ""


_contained_of: Final = msgspec.json.Decoder(_Holder).decode
_name_of: Final = msgspec.json.Decoder(_Name).decode


def shows_contained(query: Query) -> bool:
    """Say whether contained resources stand for themselves in the answer to a query."""
    return query.contained in CONTAINED and query.contained_type == CONTAINED_ALONE


async def contained_page(reader: Reader, search: Search) -> Page:
    """Return the page of what a search finds within resources, each as a version of id `container#contained`.

    Choice: a page ends between two containers, so that it holds no more than was asked for, unless one container alone
    has more. The total counts what is found, not containers; raises TooCostly when it would have to count too many.
    """
    page = await reader.search(search)
    found = [[one async for one in _matches(reader, search.condition, version)] for version in page.versions]
    fitting = _fitting(found, search.limit)
    if fitting < len(found):
        found = found[:fitting]
        page = await reader.search(replace(search, limit=fitting))
    total = await _total(reader, search) if search.needs_total else None
    return replace(page, versions=[version for listed in found for version in listed], total=total)


def _fitting(found: list[list[Version]], limit: int) -> int:
    """Return how many containers, one at least, hold no more than the limit."""
    count = 0
    for position, listed in enumerate(found):
        count += len(listed)
        if count > limit and position:
            return position
    return len(found)


async def _total(reader: Reader, search: Search) -> int:
    asked = replace(search, limit=PAGE, cursor="", needs_total=False, includes=())
    count = containers = 0
    while True:
        page = await reader.search(asked)
        containers += len(page.versions)
        if containers > MAXIMUM_COUNTED:
            raise TooCostly("Too many resources contain a match to count them: ask for the containers, or for less.")
        for version in page.versions:
            count += len([one async for one in _matches(reader, search.condition, version)])
        if not page.cursor:
            return count
        asked = replace(asked, cursor=page.cursor)


async def _matches(reader: Reader, condition: Condition, version: Version) -> AsyncIterator[Version]:
    """Yield a resource itself when it is asked for, then what it contains and is asked for."""
    itself = all_of(OfType((version.resource_type,)), Identity((version.resource_id,)))
    own = [part for part in _alternatives(condition) if not isinstance(part, Contains)]
    if own and await _finds(reader, all_of(itself, any_of(*own))):
        yield version
    asked = [part for part in _alternatives(condition) if isinstance(part, Contains)]
    for content in _contained_of(version.content).contained:
        name = _name_of(content)
        inside = (
            Contains(part.resource_type, all_of(Identity((name.id,)), part.condition))
            for part in asked
            if part.resource_type == name.resource_type
        )
        if await _finds(reader, all_of(itself, any_of(*inside))):
            yield replace(version, resource_id=f"{version.resource_id}#{name.id}", content=bytes(content))


def _alternatives(condition: Condition) -> Iterator[Condition]:
    """Yield what a search over contained resources asks: Contains for these, other conditions for resources as such.

    A compartment, which stands beside, was judged when the container was found.
    """
    if isinstance(condition, Or):
        yield from condition.conditions
    elif isinstance(condition, And):
        for part in condition.conditions:
            if isinstance(part, Contains) or (isinstance(part, Or) and _has_contains(part.conditions)):
                yield from _alternatives(part)
    else:
        yield condition


def _has_contains(conditions: tuple[Any, ...]) -> bool:
    return any(isinstance(part, Contains) and not part.parameter for part in conditions)


async def _finds(reader: Reader, condition: Condition) -> bool:
    return bool((await reader.search(Search("", condition, limit=1))).versions)
