"""Ahead: the entries of a transaction that are answered before it begins, as they neither write nor need it.

Spec: http.html#transaction, operations.html
"""

from collections.abc import Awaitable, Callable, Sequence

from fhir_server.foundation.operation_outcome import FhirError, Unprocessable
from fhir_server.interactions.bundle.entries import in_entry
from fhir_server.interactions.bundle.plan import Planned
from fhir_server.interactions.request import Request, Response, Runtime

Dispatch = Callable[[Request, Runtime], Awaitable[Response]]


async def answer_ahead(entries: Sequence[Planned], runtime: Runtime, dispatch: Dispatch) -> dict[int, Response]:
    """Return the responses to capabilities and operations by the index of their entry; raises their refusals.

    Choice: an operation may take long, in threads of its own, which nothing in a store transaction may. So it sees what
    there was before; invoked on a resource that the transaction writes, it is refused with 422.
    """
    written = {entry.identity for entry in entries if entry.identity}
    answered = {}
    for entry in entries:
        request = entry.request
        if request.interaction != "capabilities" and request.interaction[0] != "$":
            continue
        try:
            if f"{request.resource_type}/{request.resource_id}" in written:
                sentence = f"The transaction writes what {request.interaction} is invoked on: invoke it afterwards."
                raise Unprocessable(sentence, code="not-supported")
            answered[entry.index] = await dispatch(request, runtime)
        except FhirError as refusal:
            raise in_entry(refusal, entry.index) from None
    return answered
