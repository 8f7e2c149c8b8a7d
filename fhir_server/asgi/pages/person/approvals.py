"""The operator's page: the apps that registered themselves, and whether each may ask people for access.

Spec: https://www.rfc-editor.org/rfc/rfc7591#section-5 (what a registration alone is worth)
"""

from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import APPROVALS_PATH
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User


def approvals_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of the page and of its form."""
    routes = APIRouter(tags=["people"])
    pages = _Approvals(authorization)
    routes.add_api_route(
        APPROVALS_PATH, pages.show, methods=["GET"], response_model=None, summary="Apps that wait for an operator"
    )
    routes.add_api_route(
        APPROVALS_PATH, pages.decide, methods=["POST"], response_model=None, summary="Approve or refuse an app"
    )
    return routes


class _Approvals:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)

    async def show(self, request: Request) -> Response:
        """List the apps that wait, with what an operator must look at before he decides."""
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': APPROVALS_PATH})}"))
        session = _operator(signed_in)
        waiting = await self._authorization.clients.pending()
        values = {
            "apps": [(client, sorted({_place(uri) for uri in client.redirect_uris})) for client in waiting],
            "form_token": session.form_token,
            "path": APPROVALS_PATH,
            "is_done": request.query_params.get("done") == "1",
        }
        return page(request, "approvals.html", values)

    async def decide(self, request: Request) -> Response:
        """Approve an app, or forget it."""
        values = last_values(await form_pairs(request))
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        self._browser.check_form(_operator(signed_in), values)
        clients = self._authorization.clients
        decision, _, client_id = values.get("decision", "").partition(" ")
        if client_id not in [client.client_id for client in await clients.pending()]:
            raise PageRefusal("invalid_request", "No such app waits.", 404)
        if decision == "approve":
            await clients.approve(client_id)
        else:
            await clients.delete(client_id)
        return redirect(self._authorization.url(f"{APPROVALS_PATH}?done=1"))


def _operator(signed_in: tuple[Session, User]) -> Session:
    session, user = signed_in
    if user.kind != "operator":
        raise PageRefusal("access_denied", "This page is for operators.", 403)
    return session


def _place(uri: str) -> str:
    parts = urlsplit(uri)
    return parts.netloc or f"{parts.scheme}:"
