"""Sign in and sign out.

Spec: https://openid.net/specs/openid-connect-core-1_0.html#Authenticates, security.html#authentication
"""

import hmac
import secrets
from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values, text_pairs
from fhir_server.asgi.pages.record.access import ACCESS_PATH
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import APPROVALS_PATH, APPS_PATH, PASSKEYS_PATH, SECOND_FACTOR_PATH
from fhir_server.smart.providers import Proven, Provider, SignInRefused
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.second_factor.halfway import Half
from fhir_server.smart.sessions import Session

_HOME = "/account"
_REQUEST = "/oauth/authorize?"
_OWN_PAGES = (_HOME, ACCESS_PATH, APPS_PATH, SECOND_FACTOR_PATH, APPROVALS_PATH, PASSKEYS_PATH)


def sign_in_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of signing in and out."""
    routes = APIRouter()
    pages = _SignIn(authorization)
    routes.add_api_route("/sign-in", pages.show, methods=["GET"], response_model=None)
    routes.add_api_route("/sign-in", pages.answer, methods=["POST"], response_model=None)
    routes.add_api_route("/sign-in/code", pages.show_code, methods=["GET"], response_model=None)
    routes.add_api_route("/sign-in/code", pages.answer_code, methods=["POST"], response_model=None)
    routes.add_api_route("/sign-in/{name}", pages.go, methods=["GET"], response_model=None)
    routes.add_api_route("/sign-in/{name}/callback", pages.come_back, methods=["GET"], response_model=None)
    routes.add_api_route("/sign-out", pages.leave, methods=["POST"], response_model=None)
    return routes


class _SignIn:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)
        self._provider = authorization.providers["local"]

    async def show(self, request: Request) -> Response:
        """Show the sign-in form."""
        return self._form(request, request.query_params.get("next", ""))

    async def answer(self, request: Request) -> Response:
        """Sign in with a login and a password."""
        values = last_values(await form_pairs(request))
        return_to, form_token = safe(values.get("next", "")), values.get("form_token", "")
        expected = self._browser.cookie(request, "form")
        if not expected or not hmac.compare_digest(expected.encode(), form_token.encode()):
            raise PageRefusal("expired_form", "This form was not made for your browser, or is too old.", 403)
        try:
            user = (await self._provider.finish(values, "")).user
        except SignInRefused as refused:
            return self._form(request, return_to, refused=refused, login=values.get("login", ""))
        if await self._authorization.factors.has(user.user_id):
            response = redirect(self._authorization.url("/sign-in/code"))
            self._browser.keep(response, "half", await self._authorization.halfway.begin(user.user_id, return_to))
            return response
        return await self._welcome(request, self._provider, Proven(user), return_to)

    async def show_code(self, request: Request) -> Response:
        """Ask for the code of the second factor."""
        half = await self._authorization.halfway.get(self._browser.cookie(request, "half"))
        return redirect(self._authorization.url("/sign-in")) if half is None else _code_page(request, half)

    async def answer_code(self, request: Request) -> Response:
        """Finish a sign-in with a code of the second factor; wrong ones make the next attempt wait."""
        values = last_values(await form_pairs(request))
        authorization, token = self._authorization, self._browser.cookie(request, "half")
        half = await authorization.halfway.get(token)
        user = None if half is None else await authorization.users.get(half.user_id)
        form_token = values.get("form_token", "")
        if half is None or user is None or not hmac.compare_digest(half.form_token.encode(), form_token.encode()):
            raise PageRefusal("expired_form", "This form was not made for your browser, or is too old.", 403)
        attempt = f"code:{user.user_id}"
        wait_seconds = await authorization.attempts.begin(attempt)
        if wait_seconds or not await authorization.factors.spend(user.user_id, values.get("code", "")):
            return _code_page(request, half, is_refused=True, wait_seconds=wait_seconds)
        await authorization.attempts.succeed(attempt)
        await authorization.halfway.end(token)
        return await self._welcome(request, self._provider, Proven(user), half.return_to)

    async def go(self, request: Request, name: str) -> Response:
        """Send the browser to another provider; a cookie keeps what its answer is checked against."""
        provider = self._elsewhere(name)
        try:
            beginning = await provider.begin(self._authorization.url(f"/sign-in/{name}/callback"))
        except SignInRefused as refused:
            return self._form(request, request.query_params.get("next", ""), refused=refused)
        response = redirect(beginning.redirect_url)
        kept = {"name": name, "kept": beginning.kept, "next": safe(request.query_params.get("next", ""))}
        self._browser.keep(response, "away", urlencode(kept))
        return response

    async def come_back(self, request: Request, name: str) -> Response:
        """Sign in with what another provider answered."""
        provider = self._elsewhere(name)
        away = last_values(text_pairs(self._browser.cookie(request, "away")))
        if away.get("name") != name:
            raise PageRefusal("expired_form", "This sign-in was not begun in your browser, or is too old.", 403)
        try:
            proven = await provider.finish(dict(request.query_params), away.get("kept", ""))
        except SignInRefused as refused:
            return self._form(request, away.get("next", ""), refused=refused)
        return await self._welcome(request, provider, proven, safe(away.get("next", "")))

    async def leave(self, request: Request) -> Response:
        """Sign out, also of the provider where the person signed in."""
        values = last_values(await form_pairs(request))
        token = self._browser.cookie(request, "session")
        session = await self._authorization.sessions.get(token)
        response = redirect(self._authorization.url("/sign-in"))
        if session is not None:
            self._browser.check_form(session, values)
            await self._authorization.sessions.end(token)
            response = await self._leave_elsewhere(request, session) or response
        self._browser.drop(response, "session")
        return response

    async def _leave_elsewhere(self, request: Request, session: Session) -> Response | None:
        """Return the page that goes on to sign out at the provider, None when there is no need.

        Choice: a page and no redirect, because browsers hold a form's redirects to `form-action`.
        """
        provider = self._authorization.providers.get(session.provider)
        address = "" if provider is None else await provider.leave(session.hint, self._authorization.url("/sign-in"))
        if provider is None or not address:
            return None
        values = {"provider": provider.display, "address": address, "page_path": "/sign-in", "page_query": ""}
        response = page(request, "signed_out.html", values)
        response.headers["Refresh"] = f"0; url={address}"
        return response

    def _elsewhere(self, name: str) -> Provider:
        provider = self._authorization.providers.get(name)
        if provider is None or provider is self._provider:
            raise PageRefusal("invalid_request", "There is no such way to sign in.", 404)
        return provider

    async def _welcome(self, request: Request, provider: Provider, proven: Proven, return_to: str) -> Response:
        return await welcome(self._authorization, request, provider.name, proven, return_to)

    def _form(
        self, request: Request, return_to: str, *, refused: SignInRefused | None = None, login: str = ""
    ) -> Response:
        form_token = self._browser.cookie(request, "form") or secrets.token_urlsafe(32)
        wait_seconds = 0 if refused is None else refused.wait_seconds
        values = {
            "return_to": safe(return_to),
            "form_token": form_token,
            "login": login[:256],
            "refused": "" if refused is None else refused.reason,
            "page_path": "/sign-in",
            "page_query": urlencode({"next": safe(return_to)}),
            "providers": [other for other in self._authorization.providers.values() if other is not self._provider],
            "wait_minutes": -(-wait_seconds // 60),
            "has_passkeys": self._authorization.passkeys.are_offered,
        }
        status = 200 if refused is None else 429 if wait_seconds else 403
        response = page(request, "sign_in.html", values, status=status)
        if wait_seconds:
            response.headers["Retry-After"] = str(wait_seconds)
        self._browser.keep(response, "form", form_token)
        return response


async def welcome(
    authorization: Authorization, request: Request, provider_name: str, proven: Proven, return_to: str
) -> Response:
    """Begin a new session, whatever the browser brought, and go on to where the person was going."""
    browser = Browser(authorization)
    previous = browser.cookie(request, "session")
    token = await authorization.sessions.begin(proven.user, provider_name, previous, proven.hint)
    response = redirect(authorization.url(return_to))
    browser.keep(response, "session", token)
    for name in ("form", "away", "half"):
        browser.drop(response, name)
    return response


def _code_page(request: Request, half: Half, *, is_refused: bool = False, wait_seconds: int = 0) -> Response:
    values = {
        "form_token": half.form_token,
        "is_refused": is_refused,
        "wait_minutes": -(-wait_seconds // 60),
        "page_path": "/sign-in/code",
        "page_query": "",
    }
    response = page(request, "code.html", values, status=429 if wait_seconds else 403 if is_refused else 200)
    if wait_seconds:
        response.headers["Retry-After"] = str(wait_seconds)
    return response


def safe(return_to: str) -> str:
    """Return an address of ours to go to after the sign-in, never one of another site."""
    is_known = return_to.startswith(_REQUEST) or return_to in _OWN_PAGES
    is_ours = is_known and return_to.isascii() and return_to.isprintable()
    return return_to if is_ours else _HOME
