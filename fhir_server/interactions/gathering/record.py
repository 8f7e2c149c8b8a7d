"""Record: a page of all that is in a compartment, with what it refers to outside.

Spec: patient-operation-everything.html, encounter-operation-everything.html
"""

from typing import Final

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.compartment import compartment_definition
from fhir_server.interactions.gathering.care_dates import within_period
from fhir_server.interactions.gathering.referenced import referenced
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.search import plan_search
from fhir_server.interactions.trail import drain_all
from fhir_server.search.condition import Compare, all_of
from fhir_server.search.index_row import COMPARTMENT
from fhir_server.search.parse import parse
from fhir_server.search.result_parameters import CURSOR
from fhir_server.storage.store import Page

TRAIL: Final = "AuditEvent"
Compartment = tuple[str, str]


class Extent(msgspec.Struct, frozen=True):
    """How much of a record is asked: texts as the client sent them, "" for no bound; `types` () for all."""

    types: tuple[str, ...] = ()
    since: str = ""
    start: str = ""
    end: str = ""
    count: str = ""
    cursor: str = ""


async def record_page(request: Request, runtime: Runtime, compartment: Compartment, extent: Extent) -> Page:
    """Return one page of a compartment under the grant of the request. Raises BadRequest, Forbidden.

    A Patient compartment without an id stands for those of all patients.
    `included` is what the page refers to and can be in no compartment of the kind: people, organizations, medications.
    """
    asked = [
        ("_type", ",".join(extent.types)),
        ("_lastUpdated", f"ge{extent.since}" if extent.since else ""),
        ("_count", extent.count),
        (CURSOR, extent.cursor),
    ]
    one = compartment if compartment[1] else None
    inner = replace(request, interaction="search", resource_type="", resource_id="", compartment=one)
    query = parse("", [pair for pair in asked if pair[1]], runtime.parameters)
    search = plan_search(inner, runtime, query)
    if one is None:
        search = replace(search, condition=all_of(search.condition, Compare(COMPARTMENT, compartment[0])))
    if extent.start or extent.end:
        period = within_period(request, runtime, extent.start, extent.end)
        purpose = f"{search.purpose} {extent.start} {extent.end}"
        search = replace(search, condition=all_of(search.condition, period), purpose=purpose)
    if not extent.types or TRAIL in extent.types:
        await drain_all(runtime)
    page = await runtime.store.search(search)
    inside = compartment_definition(compartment[0])

    def is_wanted(resource_type: str) -> bool:
        return resource_type not in inside and (not extent.types or resource_type in extent.types)

    most = runtime.limits.include_maximum
    included = await referenced(inner, runtime.store, page.versions, is_wanted, most)
    is_whole = page.total is None and not extent.cursor and not page.cursor
    total = len(page.versions) if is_whole else page.total
    return replace(page, included=included, total=total, is_truncated=len(included) == most)
