"""The signed-in person's own pages: who he is here, and the apps that he authorised.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#metadata (management_endpoint)
"""

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values
from fhir_server.asgi.pages.language import language_of
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.asgi.pages.scope_words import describe
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.configuration import APPROVALS_PATH, APPS_PATH, PASSKEYS_PATH, SECOND_FACTOR_PATH
from fhir_server.smart.refusal import PageRefusal


def account_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of the account."""
    routes = APIRouter()
    pages = _Account(authorization)
    routes.add_api_route("/account", pages.show, methods=["GET"], response_model=None)
    routes.add_api_route(APPS_PATH, pages.apps, methods=["GET"], response_model=None)
    routes.add_api_route(f"{APPS_PATH}/revoke", pages.revoke, methods=["POST"], response_model=None)
    return routes


class _Account:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)

    async def show(self, request: Request) -> Response:
        """Show who is signed in, and his pages."""
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url("/sign-in"))
        session, user = signed_in
        values = {
            "user": user,
            "form_token": session.form_token,
            "apps_path": APPS_PATH,
            "factor_path": SECOND_FACTOR_PATH,
            "approvals_path": APPROVALS_PATH,
            "passkeys_path": PASSKEYS_PATH,
            "has_passkeys": self._authorization.passkeys.are_offered,
        }
        return page(request, "account.html", values)

    async def apps(self, request: Request) -> Response:
        """List the authorised apps in plain words, each with a button that takes the access back."""
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': APPS_PATH})}"))
        session, user = signed_in
        language = language_of(request)
        found = await self._authorization.apps.list(user.user_id)
        values = {
            "apps": [(app, [describe(scope, language) for scope in app.scopes]) for app in found],
            "form_token": session.form_token,
            "apps_path": APPS_PATH,
            "is_revoked": request.query_params.get("done") == "1",
        }
        return page(request, "apps.html", values)

    async def revoke(self, request: Request) -> Response:
        """Take back the access of an app."""
        values = last_values(await form_pairs(request))
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        session, user = signed_in
        self._browser.check_form(session, values)
        await self._authorization.apps.revoke(user.user_id, values.get("client_id", ""))
        return redirect(self._authorization.url(f"{APPS_PATH}?done=1"))
