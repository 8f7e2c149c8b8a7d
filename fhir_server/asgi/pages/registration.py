"""The registration endpoint, where apps register themselves.

Spec: https://www.rfc-editor.org/rfc/rfc7591#section-3, https://www.rfc-editor.org/rfc/rfc7592#section-2
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.forms import small_body
from fhir_server.asgi.pages.responses import NOT_KEPT, json
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients import dynamic
from fhir_server.smart.configuration import REGISTRATION_PATH
from fhir_server.smart.refusal import OAuthRefusal


def registration_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of registration, and of each client's own registration."""
    routes = APIRouter()
    clients = authorization.clients

    async def register(request: Request) -> Response:
        is_open = authorization.settings.is_registration_open
        made = await dynamic.register(clients, await _metadata(request), is_open, authorization.now())
        return json(_with_address(made), 201)

    async def read(request: Request, client_id: str) -> Response:
        header = request.headers.get("authorization", "")
        return _again(await dynamic.read(clients, client_id, header), header)

    async def update(request: Request, client_id: str) -> Response:
        header, is_open = request.headers.get("authorization", ""), authorization.settings.is_registration_open
        known = await dynamic.own(clients, client_id, header)
        made = await dynamic.update(clients, known, await _metadata(request), is_open, authorization.now())
        return _again(made, header)

    async def delete(request: Request, client_id: str) -> Response:
        await dynamic.delete(clients, client_id, request.headers.get("authorization", ""))
        return Response(status_code=204, headers=NOT_KEPT)

    def _again(information: dict[str, object], header: str) -> Response:
        """Answer with the token that the app showed, which only it knows: the server keeps a hash."""
        return json({**_with_address(information), "registration_access_token": dynamic.shown_token(header)})

    def _with_address(information: dict[str, object]) -> dict[str, object]:
        address = authorization.url(f"{REGISTRATION_PATH}/{information['client_id']}")
        return {**information, "registration_client_uri": address}

    own = REGISTRATION_PATH + "/{client_id}"
    metadata = {"requestBody": {"content": {"application/json": {"schema": {"type": "object"}}}}}
    for path, method, answer, summary, more in (
        (REGISTRATION_PATH, "POST", register, "Register an app by its metadata (RFC 7591).", metadata),
        (own, "GET", read, "Return an app's registration to the app (RFC 7592).", None),
        (own, "PUT", update, "Replace an app's registration by the app (RFC 7592).", metadata),
        (own, "DELETE", delete, "End an app's registration (RFC 7592).", None),
    ):
        routes.add_api_route(path, answer, methods=[method], summary=summary, openapi_extra=more, response_model=None)
    return routes


async def _metadata(request: Request) -> bytes:
    """Return the JSON body of a registration; raises OAuthRefusal (415) for another type."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise OAuthRefusal("invalid_client_metadata", "Send application/json.", 415)
    return await small_body(request)
