"""Answering: where an operation finds the terminology, and the threads in which it asks it.

Spec: terminology-service.html
"""

import asyncio
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.interactions.dispatch import check_grant
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.terminology.code_system import Validation
from fhir_server.terminology.terminology import Terminology

Resource = Mapping[str, Any]
Work = Callable[[Request, Runtime, Resource | None], dict[str, Any]]
"""From a request and the resource that it is invoked on (None on a type) to the resource that answers."""

_THREADS: Final = 2


class NotChecked(Unprocessable):
    """What is asked depends on terminology that is not here: it is neither right nor wrong."""

    code = "not-found"


async def answer(request: Request, runtime: Runtime, work: Work) -> Response:
    """Answer an operation of a terminology type; the work is done in a thread, so that nobody else waits for it.

    Terminology is a definition and nobody's record: who may read the type may ask of it. Raises Forbidden, NotFound,
    Gone, and what the work raises.
    """
    check_grant(request, "read")
    if runtime.canonicals is not None:
        await runtime.canonicals.ready()
    stored: Resource | None = None
    if request.resource_id:
        plain = replace(request, interaction="read", parameters=(), if_none_match="", if_modified_since=None)
        stored = fhir_json.parse((await read(plain, runtime.store, runtime)).content)
    return await aside(lambda: Response(200, fhir_json.format(work(request, runtime, stored))))


async def aside(work: Callable[[], Response]) -> Response:
    """Return what the work answers; it is done in a thread of this room."""
    return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@lru_cache(maxsize=1)
def _threads() -> ThreadPoolExecutor:
    """Return threads of their own: expansions, however many, never take those that large writes need."""
    return ThreadPoolExecutor(_THREADS, "terminology")


@lru_cache(maxsize=1)
def _specified() -> Terminology:
    return Terminology(lambda canonical, resource_type: None)


def terminology_of(runtime: Runtime) -> Terminology:
    """Return the terminology of the server, or that of R4 itself when it was given none."""
    found = runtime.terminology
    return found if isinstance(found, Terminology) else _specified()


def versioned(canonical: str, version: str) -> str:
    """Return `url|version`; a version that is in the canonical already has to be the same. Raises BadRequest."""
    url, _, told = canonical.partition("|")
    if told and version and told != version:
        raise BadRequest(f"{canonical} names another version than {version!r}: give one of the two.")
    return f"{url}|{told or version}" if told or version else url


def verdict(found: Validation) -> dict[str, Any]:
    """Return the Parameters of a validation; raise NotChecked (422) when it could not be checked."""
    if found.result is None:
        raise NotChecked(found.message)
    shown = [parameter("result", "boolean", found.result)]
    shown += [parameter("message", "string", found.message)] if found.message else []
    shown += [parameter("display", "string", found.display)] if found.display else []
    return parameters_resource(shown)


def only(name: str, *found: Any) -> None:
    """Raise BadRequest unless exactly one of several alternatives is given."""
    count = sum(1 for one in found if one)
    if count != 1:
        told = "none is" if count == 0 else f"{count} are"
        raise BadRequest(f"Give one of {name}: {told} given.", code="required" if count == 0 else "invalid")
