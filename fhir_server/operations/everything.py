"""`Patient/$everything` and `Encounter/$everything`: the whole record, page by page, under the caller's grant.

Spec: patient-operation-everything.html, encounter-operation-everything.html
"""

from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.envelope import Link, searchset
from fhir_server.interactions.gathering.record import Extent, record_page
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.search import shown
from fhir_server.interactions.subset import subset_asked
from fhir_server.operations.inputs import inputs, single

CURSOR: Final = "_cursor"
SHORTENING: Final = ("_summary", "_elements")
OF_ENCOUNTER: Final = ("_since", "_type", "_count", CURSOR, *SHORTENING)
Pairs = tuple[tuple[str, str], ...]
OF_PATIENT: Final = ("start", "end", *OF_ENCOUNTER)


async def patient_everything(request: Request, runtime: Runtime) -> Response:
    """Return a page of the patient's compartment, and of what it refers to; of the type, all patients' compartments.

    Only what the caller may see: of the type, a patient gets his own record. Raises NotFound, BadRequest, Forbidden.
    """
    return await _everything(request, runtime, OF_PATIENT)


async def encounter_everything(request: Request, runtime: Runtime) -> Response:
    """Return a page of the encounter's compartment and of what it refers to. Raises as for a patient."""
    return await _everything(request, runtime, OF_ENCOUNTER)


async def _everything(request: Request, runtime: Runtime, known: tuple[str, ...]) -> Response:
    found = inputs(request, runtime, known)
    types = tuple(name for text in found.get("_type", ()) for name in text.split(",") if name)
    extent = Extent(
        types,
        *(single(found, name) for name in ("_since", "start", "end", "_count", CURSOR)),
    )
    if request.resource_id:
        # Who may not read the resource itself has no everything of it.
        await read(replace(request, interaction="read", parameters=(), if_none_match=""), runtime.store, runtime)
    page = await record_page(request, runtime, (request.resource_type, request.resource_id), extent)
    short = tuple((name, single(found, name)) for name in SHORTENING if name in found)
    if short:
        page = replace(page, versions=_shortened(page.versions, short), included=_shortened(page.included, short))
    links = _links(request, extent, page.cursor, short)
    issues = []
    if page.is_truncated:
        issues.append(Issue("warning", "too-costly", "The page refers to more resources than one page takes."))
    return Response(200, searchset(page, links, request.base_url, issues), shown=shown(page))


def _shortened(versions: list[Version], short: Pairs) -> list[Version]:
    return [replace(version, content=subset_asked(version.content, short)) for version in versions]


def _links(request: Request, extent: Extent, cursor: str, short: Pairs) -> list[Link]:
    asked = [
        *short,
        ("_type", ",".join(extent.types)),
        ("_since", extent.since),
        ("start", extent.start),
        ("end", extent.end),
        ("_count", extent.count),
    ]
    place = f"{request.resource_type}/{request.resource_id}".rstrip("/")
    address = f"{request.base_url}/{place}/$everything"
    links = [("self", _url(address, [*asked, (CURSOR, extent.cursor)]))]
    if cursor:
        links.append(("next", _url(address, [*asked, (CURSOR, cursor)])))
    return links


def _url(address: str, pairs: list[tuple[str, str]]) -> str:
    query = urlencode([pair for pair in pairs if pair[1]])
    return f"{address}?{query}" if query else address
