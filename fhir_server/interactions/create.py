"""Create a resource under an id that the server gives.

Spec: http.html#create, http.html#ccreate
"""

from fhir_server.access.decision import decide
from fhir_server.interactions.conditional import criteria_of, find_match
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import Draft, put, written
from fhir_server.storage.store import Transaction


async def create(request: Request, transaction: Transaction, runtime: Runtime) -> Response:
    """Store the first version, 201; or with If-None-Exist, 200 and the one match. Raises MultipleMatches, Forbidden.

    The match and the write are one transaction: two clients that ask at once cannot both create.
    """
    within = decide(request.grant, "create", request.resource_type)
    if request.if_none_exist is not None:
        match = await find_match(request, transaction, runtime, criteria_of(request.if_none_exist))
        if match is not None:
            return written(request, match, 200)
    draft = Draft(request.assigned_id or runtime.new_id(), None, within)
    return written(request, await put(request, transaction, runtime, draft), 201)
