"""Batch: entries that stand each for itself.

Spec: http.html#transaction, http.html#brules
"""

from collections.abc import Awaitable, Callable

from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.interactions.bundle.entries import Entry, elements_of, in_entry, read_entry
from fhir_server.interactions.bundle.envelope import bundle, refusal_entry, response_entry
from fhir_server.interactions.request import Request, Response, Runtime

Dispatch = Callable[[Request, Runtime], Awaitable[Response]]


async def batch(request: Request, runtime: Runtime, dispatch: Dispatch) -> Response:
    """Answer every entry by itself, in the order of a transaction; a refused one leaves the others as they are."""
    elements = elements_of(request)
    answers: dict[int, bytes] = {}
    entries: list[Entry] = []
    for index, element in enumerate(elements):
        try:
            entries.append(_single(read_entry(index, element, request)))
        except FhirError as refusal:
            answers[index] = refusal_entry(refusal)
    for entry in sorted(entries, key=lambda entry: entry.order):
        answers[entry.index] = await _answer(entry, runtime, dispatch)
    return Response(200, bundle("batch-response", (answers[index] for index in range(len(elements)))))


def _single(entry: Entry) -> Entry:
    if entry.request.interaction == "transaction":
        raise in_entry(Unprocessable("A batch holds no batch and no transaction.", code="not-supported"), entry.index)
    return entry


async def _answer(entry: Entry, runtime: Runtime, dispatch: Dispatch) -> bytes:
    request = entry.request
    try:
        response = await dispatch(request, runtime)
    except FhirError as refusal:
        return refusal_entry(in_entry(refusal, entry.index))
    is_write = request.interaction in ("create", "update", "delete")
    has_resource = not is_write or request.prefer_return in ("representation", "OperationOutcome")
    return response_entry(response, request.base_url, has_resource)
