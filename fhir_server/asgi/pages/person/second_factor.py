"""The second factor: asked after the password, enrolled and taken away on the person's own page.

Spec: https://www.rfc-editor.org/rfc/rfc6238
"""

from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import SECOND_FACTOR_PATH
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.second_factor.totp import address_of
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User


def second_factor_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of enrolling and removing."""
    routes = APIRouter()
    pages = _SecondFactor(authorization)
    routes.add_api_route(SECOND_FACTOR_PATH, pages.show, methods=["GET"], response_model=None)
    routes.add_api_route(f"{SECOND_FACTOR_PATH}/enrol", pages.enrol, methods=["POST"], response_model=None)
    routes.add_api_route(f"{SECOND_FACTOR_PATH}/remove", pages.remove, methods=["POST"], response_model=None)
    return routes


class _SecondFactor:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)

    async def show(self, request: Request) -> Response:
        """Show whether a second factor is on, or how to add one."""
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': SECOND_FACTOR_PATH})}"))
        return await self._page(request, signed_in)

    async def enrol(self, request: Request) -> Response:
        """Enrol with a first code, and show the recovery codes once."""
        signed_in, code = await self._answered(request)
        codes = await self._authorization.factors.enrol(signed_in[1].user_id, code)
        return await self._page(request, signed_in, codes=codes, is_refused=not codes)

    async def remove(self, request: Request) -> Response:
        """Take the second factor away, with a code."""
        signed_in, code = await self._answered(request)
        user = signed_in[1]
        wait_seconds = await self._authorization.attempts.begin(f"code:{user.user_id}")
        if wait_seconds or not await self._authorization.factors.remove(user.user_id, code):
            return await self._page(request, signed_in, is_refused=True)
        await self._authorization.attempts.succeed(f"code:{user.user_id}")
        return redirect(self._authorization.url(SECOND_FACTOR_PATH))

    async def _answered(self, request: Request) -> tuple[tuple[Session, User], str]:
        values = last_values(await form_pairs(request))
        signed_in = await self._browser.signed_in(request)
        if signed_in is None or signed_in[0].provider != "local":
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        self._browser.check_form(signed_in[0], values)
        return signed_in, values.get("code", "")

    async def _page(
        self,
        request: Request,
        signed_in: tuple[Session, User],
        *,
        codes: tuple[str, ...] = (),
        is_refused: bool = False,
    ) -> Response:
        session, user = signed_in
        has_factor = await self._authorization.factors.has(user.user_id)
        is_local = session.provider == "local"
        secret = await self._authorization.factors.draft(user.user_id) if is_local and not has_factor else ""
        host = urlsplit(self._authorization.issuer).netloc
        values = {
            "has_factor": has_factor,
            "is_local": is_local,
            "secret": " ".join(secret[start : start + 4] for start in range(0, len(secret), 4)),
            "address": address_of(secret, user.login, host) if secret else "",
            "codes": codes,
            "is_refused": is_refused,
            "form_token": session.form_token,
            "path": SECOND_FACTOR_PATH,
            "page_path": SECOND_FACTOR_PATH,
            "page_query": "",
        }
        return page(request, "second_factor.html", values, status=403 if is_refused else 200)
