"""Sign in, sign out, and the page that says who is signed in.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#Authenticates, security.html#authentication
"""

import hmac
import secrets
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.providers import SignInRefused
from fhir_server.smart.refusal import PageRefusal

_HOME = "/account"
_RETURNS_TO = ("/oauth/authorize?", _HOME)


def sign_in_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of signing in and out."""
    routes = APIRouter()
    pages = _SignIn(authorization)
    routes.add_api_route("/sign-in", pages.show, methods=["GET"], response_model=None)
    routes.add_api_route("/sign-in", pages.answer, methods=["POST"], response_model=None)
    routes.add_api_route("/sign-out", pages.leave, methods=["POST"], response_model=None)
    routes.add_api_route(_HOME, pages.account, methods=["GET"], response_model=None)
    return routes


class _SignIn:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)
        self._provider = authorization.providers["local"]

    async def show(self, request: Request) -> Response:
        return self._form(request, request.query_params.get("next", ""))

    async def answer(self, request: Request) -> Response:
        values = last_values(await form_pairs(request))
        return_to, form_token = _safe(values.get("next", "")), values.get("form_token", "")
        expected = self._browser.cookie(request, "form")
        if not expected or not hmac.compare_digest(expected.encode(), form_token.encode()):
            raise PageRefusal("expired_form", "This form was not made for your browser, or is too old.", 403)
        try:
            user = await self._provider.finish(values, "")
        except SignInRefused as refused:
            return self._form(request, return_to, refused=refused, login=values.get("login", ""))
        previous = self._browser.cookie(request, "session")
        token = await self._authorization.sessions.begin(user, self._provider.name, previous)
        response = redirect(self._authorization.url(return_to))
        self._browser.keep(response, "session", token)
        self._browser.drop(response, "form")
        return response

    async def leave(self, request: Request) -> Response:
        values = last_values(await form_pairs(request))
        token = self._browser.cookie(request, "session")
        session = await self._authorization.sessions.get(token)
        if session is not None:
            self._browser.check_form(session, values)
            await self._authorization.sessions.end(token)
        response = redirect(self._authorization.url("/sign-in"))
        self._browser.drop(response, "session")
        return response

    async def account(self, request: Request) -> Response:
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url("/sign-in"))
        session, user = signed_in
        return page(request, "account.html", {"user": user, "form_token": session.form_token})

    def _form(
        self, request: Request, return_to: str, *, refused: SignInRefused | None = None, login: str = ""
    ) -> Response:
        form_token = self._browser.cookie(request, "form") or secrets.token_urlsafe(32)
        wait_seconds = 0 if refused is None else refused.wait_seconds
        values = {
            "return_to": _safe(return_to),
            "form_token": form_token,
            "login": login[:256],
            "is_refused": refused is not None,
            "page_query": urlencode({"next": _safe(return_to)}),
            "wait_minutes": -(-wait_seconds // 60),
        }
        status = 200 if refused is None else 429 if wait_seconds else 403
        response = page(request, "sign_in.html", values, status=status)
        if wait_seconds:
            response.headers["Retry-After"] = str(wait_seconds)
        self._browser.keep(response, "form", form_token)
        return response


def _safe(return_to: str) -> str:
    """Return an address of ours to go to after the sign-in, never one of another site."""
    is_ours = return_to.startswith(_RETURNS_TO) and return_to.isascii() and return_to.isprintable()
    return return_to if is_ours else _HOME
