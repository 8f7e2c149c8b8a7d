"""The store of this machine, opened by a verb of the command line; a running server may use it at the same time."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.app import Deployment, new_id, now, open_store, runtime_of, search_parameters_of
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.settings import Settings
from fhir_server.smart.authorization import Authorization

OPERATOR = replace(OPEN, client_id="command-line", display="command line of the operator")
"""Who stands at the machine's command line holds the store itself: no decision could hold him."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Runtime]:
    """Open the store of the settings for as long as the block runs."""
    store = open_store(settings)
    await store.open()
    try:
        origin = settings.public_url or f"http://{settings.host}:{settings.port}"
        deployment = Deployment(settings, origin)
        search_parameters = search_parameters_of(deployment, store)
        await search_parameters.refresh()
        yield runtime_of(deployment, store, Canonicals(store), search_parameters)
    finally:
        await store.close()


async def call(runtime: Runtime, request: Request) -> Response:
    """Answer a request of the operator; raises FhirError."""
    return await dispatch(replace(request, grant=OPERATOR), runtime)


def authorization_of(runtime: Runtime, origin: str = "http://localhost") -> Authorization:
    """Return the authorization server of an opened store, to register clients and users."""
    return Authorization(runtime.store, f"{origin}/fhir", now, new_id)
