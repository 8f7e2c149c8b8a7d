"""`$reindex` and `$reindex-progress`: index what is stored again, and tell how far that is.

Spec: searchparameter.html
"""

from collections.abc import Iterator
from typing import Any, Final

from msgspec.structs import replace

from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Forbidden, Unprocessable
from fhir_server.foundation.parameters import parameter, parameters_resource
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.canonicals.indexing import Pass, State, Waiting, ask_types, state_of
from fhir_server.interactions.read import read
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.operations.inputs import inputs

Part = dict[str, Any]
TYPE: Final = "SearchParameter"


async def reindex(request: Request, runtime: Runtime) -> Response:
    """Have everything, or the types of one search parameter, indexed again in the background; return the progress.

    Raises Forbidden for all but operators, NotFound, Unprocessable for a parameter that has no effect.
    """
    state = await _state(request, runtime)
    types = tuple(sorted(RESOURCE_TYPES))
    if request.resource_id:
        types = _named(state, f"{TYPE}/{request.resource_id}").types
    return _answer(await ask_types(runtime.store, types), request)


async def reindex_progress(request: Request, runtime: Runtime) -> Response:
    """Return how far indexing is, of all search parameters or of one. Raises as `reindex` does."""
    return _answer(await _state(request, runtime), request)


async def _state(request: Request, runtime: Runtime) -> State:
    inputs(request, runtime, ())
    if request.grant.kind != "open" and not request.grant.is_operator:
        raise Forbidden(f"{request.interaction} is for operators: it tells how much is stored.")
    if request.resource_id:
        await read(replace(request, interaction="read", content=b"", parameters=()), runtime.store, runtime)
    state = await state_of(runtime.store)
    if request.resource_id:
        _named(state, f"{TYPE}/{request.resource_id}")
    return state


def _named(state: State, reference: str) -> Waiting:
    for one in state.parameters.values():
        if one.reference == reference:
            return one
    why = state.refused.get(reference, "it is not active, or defines again what its types have already.")
    raise Unprocessable(f"{reference} has no effect: {why}", f"{TYPE}.status")


def _answer(state: State, request: Request) -> Response:
    reference = f"{TYPE}/{request.resource_id}" if request.resource_id else ""
    return Response(200, fhir_json.format(parameters_resource(list(_parts(state, reference)))))


def _parts(state: State, reference: str) -> Iterator[Part]:
    """Yield what is told of all parameters, or of the one that a reference names."""
    shown = [one for one in state.parameters.values() if reference in ("", one.reference)]
    is_complete = all(one.is_complete for one in shown) if reference else not state.is_at_work
    yield parameter("status", "code", "complete" if is_complete else "in-progress")
    if state.walk is not None:
        yield parameter("type", "part", [*_walked(state.walk)])
    if not reference:
        yield parameter("waiting", "integer", len(state.asked))
    for one in shown:
        yield parameter("searchParameter", "part", [*_indexed(one)])
    for name, why in state.refused.items():
        if not reference:
            told = [parameter("reference", "string", name), parameter("problem", "string", why)]
            yield parameter("searchParameter", "part", told)


def _walked(walk: Pass) -> Iterator[Part]:
    yield parameter("name", "code", walk.resource_type)
    yield parameter("done", "integer", walk.done)
    if walk.total >= 0:
        yield parameter("total", "integer", walk.total)


def _indexed(one: Waiting) -> Iterator[Part]:
    yield parameter("reference", "string", one.reference)
    yield parameter("code", "code", one.code)
    yield parameter("status", "code", "complete" if one.is_complete else "in-progress")
    yield parameter("types", "integer", len(one.types))
    yield parameter("typesDone", "integer", len({*one.types} & {*one.done}))
