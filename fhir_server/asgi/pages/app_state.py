"""The endpoint of app states: a FHIR base of its own, with Basic only, for the tokens of SMART apps.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-state.html#app-state-interactions
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.forms import small_body, text_pairs
from fhir_server.asgi.pages.responses import NOT_KEPT
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, TooLarge, UnsupportedMediaType
from fhir_server.smart.app_state import STATE_PATH
from fhir_server.smart.app_state.reach import Reach
from fhir_server.smart.app_state.state import LARGEST_BYTES
from fhir_server.smart.app_state.states import States
from fhir_server.smart.app_state.trail import journal_state
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.bearer import NoBearer, find_bearer
from fhir_server.smart.refusal import OAuthRefusal

_BASIC = f"{STATE_PATH}/Basic"
_ONE = _BASIC + "/{state_id}"
_JSON = ("application/fhir+json", "application/json", "")
_BODY = {"requestBody": {"content": {"application/fhir+json": {"schema": {"type": "object"}}}}}
_QUERY = {
    "parameters": [
        {"name": name, "in": "query", "required": name == "code", "schema": {"type": "string"}}
        for name in ("code", "subject", "subject:missing")
    ]
}
Answer = Callable[[Request], Awaitable[Response]]


def app_state_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of the interactions that SMART asks for."""
    routes = APIRouter(tags=["app state"])
    endpoint = _AppState(authorization)
    for path, method, answer, summary in (
        (_BASIC, "GET", endpoint.search, "Find states by code, and subject or subject:missing=true"),
        (_BASIC, "POST", endpoint.create, "Keep a state"),
        (_ONE, "PUT", endpoint.update, "Replace a state; If-Match is required"),
        (_ONE, "DELETE", endpoint.delete, "Delete a state; If-Match is required"),
    ):
        told, more = (
            endpoint.telling(answer),
            _BODY if method in ("POST", "PUT") else _QUERY if method == "GET" else None,
        )
        routes.add_api_route(path, told, methods=[method], summary=summary, openapi_extra=more, response_model=None)
    for path in (_BASIC, _ONE):
        routes.add_api_route(
            path, endpoint.preflight, methods=["OPTIONS"], response_model=None, include_in_schema=False
        )
    return routes


class _AppState:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._states = States(authorization)

    def telling(self, answer: Answer) -> Answer:
        """Wrap an interaction: it leaves a trace, refusals are OperationOutcomes, registered origins may read it."""

        async def tell(request: Request) -> Response:
            try:
                response = await answer(request)
            except FhirError as refusal:
                response = _fhir(refusal.outcome(), refusal.status)
                if isinstance(refusal, NoBearer):
                    response.headers["WWW-Authenticate"] = refusal.www_authenticate
            response.headers.update(await self._allowed(request))
            state_id = request.path_params.get("state_id") or response.headers.get("location", "").rpartition("/")[2]
            asked = (answer.__name__, state_id, request.url.query)
            journal_state(self._authorization, getattr(request.state, "live", None), asked, response.status_code)
            return response

        return tell

    async def create(self, request: Request) -> Response:
        made = await self._states.create(await self._reach(request), await _body(request))
        return _fhir(made, 201, {"Location": self._states.address_of(made)})

    async def update(self, request: Request) -> Response:
        reach, state_id = await self._reach(request), request.path_params["state_id"]
        return _fhir(await self._states.update(reach, state_id, await _body(request), _if_match(request)))

    async def delete(self, request: Request) -> Response:
        await self._states.delete(await self._reach(request), request.path_params["state_id"], _if_match(request))
        return Response(status_code=204, headers=NOT_KEPT)

    async def search(self, request: Request) -> Response:
        pairs = text_pairs(request.url.query)
        asked = {name: value for name, value in pairs if value}
        is_global = asked.get("subject:missing") == "true"
        names = {"code", "subject:missing" if is_global else "subject"}
        if set(asked) != names or len(pairs) != len(names) or "|" not in asked["code"]:
            raise BadRequest("Ask with code=SYSTEM|CODE and subject=ABSOLUTE REFERENCE, or subject:missing=true.")
        found = await self._states.search(await self._reach(request), asked["code"], asked.get("subject", ""))
        return _fhir({**found, "link": [{"relation": "self", "url": str(request.url)}]})

    async def preflight(self, request: Request) -> Response:
        """Answer a page that asks before it calls."""
        headers = await self._allowed(request)
        if len(headers) > 1:
            headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, DELETE"
            headers["Access-Control-Allow-Headers"] = "Authorization, Content-Type, If-Match, Accept"
            headers["Access-Control-Max-Age"] = "600"
        return Response(status_code=204, headers=headers)

    async def _reach(self, request: Request) -> Reach:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        live = await find_bearer(self._authorization, token.strip()) if scheme.lower() == "bearer" else None
        if live is None:
            raise NoBearer("Send a live access token: Authorization: Bearer ...", "invalid_token" if scheme else "")
        request.state.live = live
        return Reach(live, self._authorization.base_url)

    async def _allowed(self, request: Request) -> dict[str, str]:
        origin = request.headers.get("origin", "")
        headers = {"Vary": "Origin"}
        if origin and origin in await self._authorization.clients.origins():
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = "ETag, Location"
        return headers


def _if_match(request: Request) -> str:
    return request.headers.get("if-match", "")


async def _body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in _JSON:
        raise UnsupportedMediaType("Send a state as application/fhir+json.")
    try:
        return await small_body(request, LARGEST_BYTES)
    except OAuthRefusal as refusal:
        raise TooLarge(f"A state has {LARGEST_BYTES // 1024} KB at most.") from refusal


def _fhir(resource: Mapping[str, Any], status: int = 200, more: Mapping[str, str] | None = None) -> Response:
    headers = {**NOT_KEPT, **(more or {})}
    if "meta" in resource:
        headers["ETag"] = f'W/"{resource["meta"]["versionId"]}"'
    return Response(fhir_json.format(resource), status, headers, "application/fhir+json")
