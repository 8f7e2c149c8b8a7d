"""Passkeys: added and removed on the person's own page, and used in place of a password.

Spec: https://www.w3.org/TR/webauthn-3/#sctn-usecase-authentication
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
from fhir_server.asgi.pages.sign_in import safe, welcome
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import PASSKEYS_PATH
from fhir_server.smart.providers import Proven
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User

_SIGN_IN = "/sign-in/passkey"


def passkey_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of signing in with a passkey, and of the person's page; they come before `/sign-in/{name}`."""
    routes = APIRouter(tags=["people"])
    keys, use = _Passkeys(authorization), _SignIn(authorization)
    for path, method, answer, summary in (
        (_SIGN_IN, "GET", use.show, "Sign in with a passkey"),
        (_SIGN_IN, "POST", use.answer, "Sign in with what the passkey answered"),
        (PASSKEYS_PATH, "GET", keys.show, "The passkeys of who is signed in"),
        (f"{PASSKEYS_PATH}/add", "POST", keys.add, "Add a passkey"),
        (f"{PASSKEYS_PATH}/remove", "POST", keys.remove, "Remove a passkey"),
    ):
        routes.add_api_route(path, answer, methods=[method], summary=summary, response_model=None)
    return routes


class _SignIn:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)
        self._passkeys = authorization.passkeys

    async def show(self, request: Request) -> Response:
        return await self._page(request, safe(request.query_params.get("next", "")))

    async def answer(self, request: Request) -> Response:
        """Sign in whom the passkey names; it is verified by the person himself, so that no code is asked."""
        values = last_values(await form_pairs(request))
        expected, form_token = self._browser.cookie(request, "form"), values.get("form_token", "")
        if not expected or not hmac.compare_digest(expected.encode(), form_token.encode()):
            raise PageRefusal("expired_form", "This form was not made for your browser, or is too old.", 403)
        return_to = safe(values.get("next", ""))
        user_id = await self._passkeys.sign_in(f"browser {expected}", values.get("credential", ""))
        user = await self._authorization.users.get(user_id) if user_id else None
        if user is None:
            return await self._page(request, return_to, is_refused=True)
        return await welcome(self._authorization, request, "local", Proven(user), return_to)

    async def _page(self, request: Request, return_to: str, *, is_refused: bool = False) -> Response:
        if not self._passkeys.are_offered:
            raise PageRefusal("invalid_request", "Passkeys need an address with a name, and https.", 404)
        form_token = self._browser.cookie(request, "form") or secrets.token_urlsafe(32)
        values = {
            "options": await self._passkeys.ask_to_sign_in(f"browser {form_token}"),
            "form_token": form_token,
            "return_to": return_to,
            "is_refused": is_refused,
            "page_path": _SIGN_IN,
            "page_query": urlencode({"next": return_to}),
        }
        response = page(request, "passkey_sign_in.html", values, status=403 if is_refused else 200, has_script=True)
        self._browser.keep(response, "form", form_token)
        return response


class _Passkeys:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)
        self._passkeys = authorization.passkeys

    async def show(self, request: Request) -> Response:
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': PASSKEYS_PATH})}"))
        return await self._page(request, signed_in)

    async def add(self, request: Request) -> Response:
        signed_in, values = await self._answered(request)
        session, user = signed_in
        if not await self._passkeys.register(user, f"session {session.key}", values.get("credential", "")):
            return await self._page(request, signed_in, is_refused=True)
        return redirect(self._authorization.url(PASSKEYS_PATH))

    async def remove(self, request: Request) -> Response:
        signed_in, values = await self._answered(request)
        await self._passkeys.remove(signed_in[1].user_id, values.get("credential_id", ""))
        return redirect(self._authorization.url(PASSKEYS_PATH))

    async def _answered(self, request: Request) -> tuple[tuple[Session, User], dict[str, str]]:
        values = last_values(await form_pairs(request))
        signed_in = await self._browser.signed_in(request)
        if signed_in is None or signed_in[0].provider != "local":
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        self._browser.check_form(signed_in[0], values)
        return signed_in, values

    async def _page(self, request: Request, signed_in: tuple[Session, User], *, is_refused: bool = False) -> Response:
        session, user = signed_in
        can_add = self._passkeys.are_offered and session.provider == "local"
        values = {
            "passkeys": await self._passkeys.list(user.user_id),
            "options": await self._passkeys.ask_to_register(user, f"session {session.key}") if can_add else "",
            "form_token": session.form_token,
            "path": PASSKEYS_PATH,
            "is_refused": is_refused,
            "page_path": PASSKEYS_PATH,
            "page_query": "",
        }
        return page(request, "passkeys.html", values, status=403 if is_refused else 200, has_script=True)
