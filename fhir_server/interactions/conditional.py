"""Conditional interactions: which resource the criteria name, and which version a header names.

Spec: http.html#ccreate, http.html#cond-update, http.html#3.1.0.7.1, http.html#concurrency
"""

from typing import Final
from urllib.parse import parse_qsl

from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import MultipleMatches, PreconditionFailed, VersionConflict
from fhir_server.foundation.resource import Version
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.search import plan_search
from fhir_server.search.parse import GENERAL, parse
from fhir_server.storage.store import Reader

Criteria = tuple[tuple[str, str], ...]
SHAPING: Final = GENERAL | {
    *("_count", "_elements", "_include", "_revinclude", "_sort", "_summary", "_total", "_contained", "_containedType")
}


def criteria_of(text: str) -> Criteria:
    """Return the pairs of an If-None-Exist header, `identifier=a|b&...`; a leading `Type?` or `?` is forgiven."""
    query = text.partition("?")[2] if "?" in text.partition("=")[0] else text
    return tuple(parse_qsl(query, keep_blank_values=True))


async def find_match(request: Request, reader: Reader, runtime: Runtime, criteria: Criteria) -> Version | None:
    """Return the one resource of the request's type that the criteria name, or None.

    Only what the caller may search is seen. Raises PreconditionFailed for criteria that say nothing, BadRequest for
    unknown parameters (never ignored here), MultipleMatches.
    """
    matches = await find_matches(request, reader, runtime, criteria)
    return matches[0] if matches else None


async def find_matches(
    request: Request, reader: Reader, runtime: Runtime, criteria: Criteria, most: int = 1
) -> list[Version]:
    """Return all resources of the request's type that the criteria name; refuses as `find_match` beyond `most`."""
    asked = tuple(pair for pair in criteria if pair[0] not in SHAPING and pair[1])
    if not asked:
        raise PreconditionFailed("The criteria say nothing: name at least one search parameter with a value.")
    search = plan_search(request, runtime, parse(request.resource_type, asked, runtime.parameters))
    page = await reader.search(replace(search, limit=most + 1))
    if len(page.versions) > most:
        number = "one" if most == 1 else str(most)
        raise MultipleMatches(
            f"The criteria match more than {number} {request.resource_type}; make them more selective."
        )
    return page.versions


def names_version(header: str, version_id: int) -> bool:
    """Say whether an If-Match or If-None-Match header names the version: `*`, or a list with its ETag."""
    return names_etag(header, str(version_id))


def names_etag(header: str, wanted: str) -> bool:
    """Say whether an If-Match or If-None-Match header is `*`, or a list that has the ETag; weak ones are equal."""
    if header.strip() == "*":
        return True
    return any(part.strip().removeprefix("W/").strip('"') == wanted for part in header.split(","))


def check_version(request: Request, current: Version | None) -> None:
    """Raise VersionConflict when If-Match names another version than the current one. Spec: http.html#concurrency."""
    if not request.if_match:
        return
    if current is None or current.is_deleted:
        raise VersionConflict(f"If-Match is {request.if_match[:50]}, and there is no current version.")
    if not names_version(request.if_match, current.version_id):
        raise VersionConflict(
            f'If-Match is {request.if_match[:50]}, and the current version is W/"{current.version_id}": read it first.'
        )
