"""`Observation/$lastn`: the most recent observations of each code.

Spec: observation-operation-lastn.html
"""

import re
from collections.abc import AsyncIterator
from typing import Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.envelope import bundle, search_entry
from fhir_server.interactions.conditional import SHAPING
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.search import find
from fhir_server.operations.inputs import GENERAL, posted, simple

MAX: Final = "max"
SUBJECTS: Final = ("patient", "subject")
LOOKED_AT: Final = 10_000
PAGE: Final = "500"


class Coding(msgspec.Struct, frozen=True):
    """What of a Coding tells two codes apart."""

    system: str = ""
    code: str = ""


class Concept(msgspec.Struct, frozen=True):
    """An Observation.code."""

    coding: tuple[Coding, ...] = ()
    text: str = ""


class Coded(msgspec.Struct, frozen=True):
    """What of an Observation is looked at."""

    code: Concept


_decode = msgspec.json.Decoder(Coded).decode


async def lastn(request: Request, runtime: Runtime) -> Response:
    """Return for each code the `max` most recent ones (1 by default). Raises BadRequest, TooCostly, Forbidden."""
    most = _most(_pairs(request, runtime))
    kept: list[Version] = []
    groups: dict[tuple[str, str], list[Version]] = {}
    looked_at = 0
    async for version in _newest_first(request, runtime):
        looked_at += 1
        if looked_at > LOOKED_AT:
            raise TooCostly(f"There are more than {LOOKED_AT} observations: ask for a category, a code or a date.")
        group = _group(groups, version)
        if len(group) < most:
            group.append(version)
            kept.append(version)
    entries = (search_entry(version, version.content, "match", request.base_url) for version in kept)
    shown = tuple(version.reference for version in kept)
    return Response(200, bundle("searchset", entries, total=len(kept)), shown=shown)


async def _newest_first(request: Request, runtime: Runtime) -> AsyncIterator[Version]:
    asked = [pair for pair in _pairs(request, runtime) if pair[0] not in (MAX, *GENERAL)]
    for name, _ in asked:
        if name in SHAPING:
            raise BadRequest(f"$lastn takes what a search asks, and not how it is shown: leave {name} out.")
    if not any(re.split("[:.]", name)[0] in SUBJECTS for name, _ in asked):
        raise BadRequest("$lastn is about somebody: give patient or subject.")
    cursor = ""
    while True:
        shaping = (("_sort", "-date"), ("_count", PAGE), *([("_cursor", cursor)] if cursor else []))
        inner = replace(request, interaction="search", parameters=(*asked, *shaping))
        _, page = await find(inner, runtime.store, runtime)
        for version in page.versions:
            yield version
        cursor = page.cursor
        if not cursor:
            return


def _pairs(request: Request, runtime: Runtime) -> list[tuple[str, str]]:
    return [*request.parameters, *simple(posted(request, runtime))]


def _most(pairs: list[tuple[str, str]]) -> int:
    asked = [text for name, text in pairs if name == MAX]
    if not asked:
        return 1
    if len(asked) > 1 or not re.fullmatch("[1-9][0-9]{0,4}", asked[0]):
        raise BadRequest("max is a whole number from 1, given once.")
    return int(asked[0])


def _group(groups: dict[tuple[str, str], list[Version]], version: Version) -> list[Version]:
    """Return the observations of the same code: they share a coding, or, without any, the text."""
    code = _decode(version.content).code
    keys = [(coding.system, coding.code) for coding in code.coding] or [("", code.text)]
    group = next((groups[key] for key in keys if key in groups), [])
    for key in keys:
        groups.setdefault(key, group)
    return group
