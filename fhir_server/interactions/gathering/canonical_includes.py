"""Canonical includes: the definitions that resources name by URL, and what names a definition so.

A store follows references by type and id; URLs and versions are compared here, a search for each type of target.
Spec: search.html#include, references.html#canonical
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec
from msgspec.structs import replace

from fhir_server.access.decision import decide
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.foundation.resource import Version
from fhir_server.interactions.request import Request, Runtime
from fhir_server.search.condition import NEVER, Compare, Condition, Identity, any_of
from fhir_server.search.index_row import REFERENCE, URI
from fhir_server.search.parameters import Parameters
from fhir_server.search.query import IncludeClause, Query
from fhir_server.search.result_parameters import ALL
from fhir_server.storage.store import Page, Reader, Search

ROUNDS_MAXIMUM: Final = 10


class Name(msgspec.Struct, frozen=True):
    """What a reference says: type and id, or type "" and a URL; and the version that it asks for, or ""."""

    target_type: str
    target: str
    version: str = ""


class Named(msgspec.Struct):
    """What of a definition a canonical names; of other resources (a Device) they may be anything."""

    url: Any = ""
    version: Any = ""


_named_of: Final = msgspec.json.Decoder(Named).decode


async def with_canonicals(request: Request, reader: Reader, runtime: Runtime, query: Query, page: Page) -> Page:
    """Return the page with what its includes reach by canonical URL, under the decision on each type.

    Choice: a canonical without a version names every version that is here. What is found so leads on by iterated
    includes of canonicals, and by no others.
    """
    includes = tuple(_by_canonical(query, runtime.parameters)) if query.includes else ()
    if not includes or not page.versions:
        return page
    gathering = Gathering(request, reader, runtime, page)
    latest = list(page.versions)
    iterated = tuple(include for include in includes if include.is_iterated)
    await gathering.follow(iterated, page.included)
    for _ in range(ROUNDS_MAXIMUM):
        latest = await gathering.follow(includes, latest)
        includes = iterated
        if not latest or not includes:
            break
    return replace(page, included=gathering.included, is_truncated=gathering.is_truncated)


def _by_canonical(query: Query, parameters: Parameters) -> Iterator[IncludeClause]:
    for include in query.includes:
        source_type = include.source_type or query.resource_type
        codes = (include.parameter,) if include.parameter != ALL else tuple(parameters.included(source_type))
        for code in codes:
            if parameters.is_canonical(source_type, code):
                yield replace(include, source_type=source_type, parameter=code)


class Gathering:
    """Gather what is included, each resource once, until there is no more room."""

    def __init__(self, request: Request, reader: Reader, runtime: Runtime, page: Page) -> None:
        self.included = list(page.included)
        self.is_truncated = page.is_truncated
        self._request = request
        self._reader = reader
        self._runtime = runtime
        self._known = {version.reference for version in (*page.versions, *page.included)}

    async def follow(self, includes: Iterable[IncludeClause], versions: Sequence[Version]) -> list[Version]:
        """Include what some includes reach from some resources; return what is new."""
        start = len(self.included)
        for include in includes if versions else ():
            await (self._reverse if include.is_reverse else self._forward)(include, versions)
        return self.included[start:]

    async def _forward(self, include: IncludeClause, versions: Sequence[Version]) -> None:
        names = {name for version in versions for name in self._names(version, include)}
        targets = self._runtime.parameters.targets(include.source_type, include.parameter)
        for target_type in targets if names else ():
            if include.target_type not in ("", target_type):
                continue
            asked = self._asked(target_type, names)
            if asked != NEVER:
                found = await self._search(include, target_type, asked)
                self._add(version for version in found if any(_is_named(version, name) for name in names))

    async def _reverse(self, include: IncludeClause, versions: Sequence[Version]) -> None:
        targets = self._runtime.parameters.targets(include.source_type, include.parameter)
        wanted = [version for version in versions if version.resource_type in targets]
        if include.target_type:
            wanted = [version for version in wanted if version.resource_type == include.target_type]
        named = (_named_of(version.content).url for version in wanted)
        names = {Name("", url) for url in named if url and isinstance(url, str)}
        names |= {Name(version.resource_type, version.resource_id) for version in wanted}
        asked = _naming(include.parameter, names)
        found = await self._search(include, include.source_type, asked) if wanted else ()
        self._add(
            version
            for version in found
            if any(_is_named(one, name) for name in self._names(version, include) for one in wanted)
        )

    def _names(self, version: Version, include: IncludeClause) -> Iterator[Name]:
        if version.resource_type == include.source_type:
            for row in self._runtime.indexing.extractor.extract(fhir_json.parse(version.content)):
                if row[:2] == (REFERENCE, include.parameter):
                    yield Name(row[3], row[4].partition("#")[0] or row[4], row[5].partition("#")[0])

    def _asked(self, target_type: str, names: Iterable[Name]) -> Condition:
        """Return what finds the named resources of a type, whatever their version."""
        urls = sorted({name.target for name in names if not name.target_type})
        ids = sorted({name.target for name in names if name.target_type == target_type})
        has_url = urls and "url" in self._runtime.parameters.of_type(target_type)
        by_url: Condition = Compare(URI, "url", (("value", "in", tuple(urls)),)) if has_url else NEVER
        return any_of(by_url, Identity(tuple(ids)) if ids else NEVER)

    async def _search(self, include: IncludeClause, resource_type: str, asked: Condition) -> Sequence[Version]:
        try:
            within = decide(self._request.grant, "search", resource_type)
        except Forbidden:
            if include.target_type or include.is_reverse:
                raise
            return ()  # As of other includes: a type that the client did not name, and may not search, is not there.
        limit = self._runtime.limits.include_maximum + 1
        page = await self._reader.search(Search(resource_type, asked, within, limit=limit))
        self.is_truncated = self.is_truncated or len(page.versions) == limit
        return page.versions

    def _add(self, found: Iterable[Version]) -> None:
        for version in found:
            if version.reference in self._known:
                continue
            if len(self.included) >= self._runtime.limits.include_maximum:
                self.is_truncated = True
                return
            self._known.add(version.reference)
            self.included.append(version)


def _naming(parameter: str, names: Iterable[Name]) -> Condition:
    """Return what finds the resources that refer to one of some, whatever the version that they ask for."""
    targets: dict[str, list[str]] = {}
    for name in names:
        targets.setdefault(name.target_type, []).append(name.target)
    return any_of(
        *(
            Compare(REFERENCE, parameter, (("target_type", "eq", kind), ("target_id", "in", tuple(sorted(listed)))))
            for kind, listed in sorted(targets.items())
        )
    )


def _is_named(version: Version, name: Name) -> bool:
    if name.target_type:
        return version.reference == f"{name.target_type}/{name.target}"
    named = _named_of(version.content)
    return named.url == name.target and name.version in ("", named.version)
