"""The endpoints that clients call: token, introspect, revoke, launch; from pages, only those of registered origins.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#considerations-for-cross-origin-resource-sharing-cors-support
"""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.forms import form_pairs
from fhir_server.asgi.pages.refusals import REFUSALS
from fhir_server.asgi.pages.responses import NOT_KEPT, json, too_many
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.clients.authentication import claimed_client
from fhir_server.smart.introspect import introspect
from fhir_server.smart.launch.open_launch import open_launch
from fhir_server.smart.limits.rates import Rates
from fhir_server.smart.refusal import OAuthRefusal
from fhir_server.smart.revoke import revoke
from fhir_server.smart.token import token

_LONGEST_NAME = 64
_GUESSES = ("invalid_client", "invalid_grant", "invalid_token")
"""What is told to who shows a proof, a code or a token that does not hold."""

Endpoint = Callable[[Authorization, list[tuple[str, str]], str], Awaitable[dict[str, Any] | None]]


def oauth_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of the endpoints that clients post to."""
    routes = APIRouter(prefix="/oauth")
    refused = Rates(authorization.now, authorization.settings.client_refusals_a_minute)
    for name, endpoint in ENDPOINTS.items():
        summary = (endpoint.__doc__ or name).partition("\n")[0]
        routes.add_api_route(
            f"/{name}", _post(authorization, endpoint, refused), methods=["POST"], summary=summary, response_model=None
        )
        routes.add_api_route(f"/{name}", _preflight(authorization), methods=["OPTIONS"], response_model=None)
    return routes


ENDPOINTS: dict[str, Endpoint] = {
    "token": token,
    "introspect": introspect,
    "revoke": revoke,
    "launch": open_launch,
}
"""The endpoints by the last part of their address."""

SUMMARIES = {
    "token": "Exchange a code, a refresh token or a client's own proof for an access token",
    "introspect": "Tell what a token is worth, and its context (RFC 7662)",
    "revoke": "End a token and all that follow from the same authorization (RFC 7009)",
    "launch": "Open an EHR launch, as a host software",
}
"""What each is for, in the OpenAPI document."""


def _post(authorization: Authorization, endpoint: Endpoint, refused: Rates) -> Callable[[Request], Awaitable[Response]]:
    async def post(request: Request) -> Response:
        caller = ""
        try:
            pairs = await form_pairs(request)
            caller = _caller(request, pairs)
            if seconds := refused.wait_seconds(caller):
                return too_many(seconds)
            content = await endpoint(authorization, pairs, request.headers.get("authorization", ""))
            response = Response(status_code=200, headers=NOT_KEPT) if content is None else json(content)
        except OAuthRefusal as refusal:
            if refusal.error in _GUESSES:
                refused.take(caller)
            response = await REFUSALS[OAuthRefusal](request, refusal)
        response.headers.update(await _allowed(authorization, request))
        return response

    return post


def _caller(request: Request, pairs: list[tuple[str, str]]) -> str:
    """Return the address that calls with what it shows to say which client it is, of which nothing is proven."""
    address = request.client.host if request.client else ""
    values = dict(pairs)
    header = request.headers.get("authorization", "").partition(" ")[2]
    client_id = values.get("client_id") or claimed_client(values.get("client_assertion", ""), header)
    return f"{address} {client_id[-_LONGEST_NAME:]}"


def _preflight(authorization: Authorization) -> Callable[[Request], Awaitable[Response]]:
    async def preflight(request: Request) -> Response:
        headers = await _allowed(authorization, request)
        if len(headers) > 1:
            headers["Access-Control-Allow-Methods"] = "POST"
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type"
            headers["Access-Control-Max-Age"] = "600"
        return Response(status_code=204, headers=headers)

    return preflight


async def _allowed(authorization: Authorization, request: Request) -> dict[str, str]:
    origin = request.headers.get("origin", "")
    headers = {"Vary": "Origin"}
    if origin and origin in await authorization.clients.origins():
        headers["Access-Control-Allow-Origin"] = origin
    return headers
