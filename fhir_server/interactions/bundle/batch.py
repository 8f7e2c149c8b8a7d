"""Batch: entries that stand each for itself.

Spec: http.html#transaction, http.html#brules
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from itertools import groupby
from typing import Final

from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.interactions.bundle.entries import Entry, elements_of, in_entry, read_entry
from fhir_server.interactions.bundle.envelope import bundle, refusal_entry, response_entry
from fhir_server.interactions.request import Request, Response, Runtime

AT_ONCE: Final = 32
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
    entries.sort(key=lambda entry: entry.order)
    for _, equals in groupby(entries, key=lambda entry: entry.order):
        for together in batched(list(equals)):
            done = await asyncio.gather(*(_answer(entry, runtime, dispatch) for entry in together))
            answers.update(zip((entry.index for entry in together), done, strict=True))
    return Response(200, bundle("batch-response", (answers[index] for index in range(len(elements)))))


def batched(entries: list[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in portions that are done at once: they depend on each other in nothing."""
    return (entries[start : start + AT_ONCE] for start in range(0, len(entries), AT_ONCE))


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
    is_write = request.interaction in ("create", "update", "patch", "delete")
    is_shown = not is_write and not entry.is_head
    has_resource = is_shown or (is_write and request.prefer_return in ("representation", "OperationOutcome"))
    return response_entry(response, request.base_url, has_resource)
