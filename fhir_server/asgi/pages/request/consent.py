"""The authorization endpoint: the person reads who asks for what, and allows or denies it.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#obtain-authorization-code
"""

from urllib.parse import urlencode, urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values, text_pairs
from fhir_server.asgi.pages.language import language_of
from fhir_server.asgi.pages.request.asking import parsed
from fhir_server.asgi.pages.request.emergency import EmergencyPage
from fhir_server.asgi.pages.request.picker import Picker
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.asgi.pages.scope_words import describe
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import AuthorizationRequest, allow
from fhir_server.smart.granted_scopes import CONTEXT_SCOPES
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User

Pairs = list[tuple[str, str]]

_SIGN_IN_PROMPTS = frozenset({"login", "select_account"})
"""Both mean to us: sign in again. Choice: a session here has one account, so that to choose one is to sign in."""


def consent_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of the authorization endpoint and of its form."""
    routes = APIRouter(prefix="/oauth")
    pages = _Consent(authorization)
    routes.add_api_route("/authorize", pages.show, methods=["GET"], response_model=None)
    routes.add_api_route("/authorize", pages.take, methods=["POST"], response_model=None)
    routes.add_api_route("/consent", pages.decide, methods=["POST"], response_model=None)
    return routes


class _Consent:
    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)
        self._picker = Picker(authorization)
        self._emergency = EmergencyPage(authorization)

    async def take(self, request: Request) -> Response:
        """Turn a posted request into a GET: the session's cookie does not come with a form of another site."""
        pairs = await form_pairs(request)
        return redirect(self._authorization.url(f"/oauth/authorize?{urlencode(pairs)}"))

    async def show(self, request: Request) -> Response:
        """Check what an app asks for, and ask the person: sign in, pick, agree."""
        pairs = request.query_params.multi_items()
        asked = await parsed(self._authorization, pairs)
        signed_in = await self._signed_in(request, asked)
        if signed_in is None or asked.prompts & _SIGN_IN_PROMPTS:
            return self._sign_in(asked, pairs)
        session, user = signed_in
        asked.check_user(user)
        offered = asked.offered(user)
        if "none" in asked.prompts and asked.missing(user):
            raise asked.refusal("interaction_required", "The person must choose first.")
        if missing := asked.missing(user):
            asking = self._emergency if missing == "reason" else self._picker
            return await asking.show(request, asked, signed_in)
        is_agreed = await self._authorization.apps.has_agreed(user.user_id, asked.client, offered)
        is_usual = not asked.purpose and not asked.is_secret
        if is_agreed and is_usual and "consent" not in asked.prompts:
            return redirect(await allow(self._authorization, asked, session, user, offered))
        if "none" in asked.prompts:
            raise asked.refusal("consent_required", "The person must be asked.")
        return self._page(request, asked, (session, user), offered)

    async def decide(self, request: Request) -> Response:
        """Allow or deny what an app asks for, and go back to it."""
        form = await form_pairs(request)
        values = last_values(form)
        pairs = text_pairs(values.get("request", ""))
        asked = await parsed(self._authorization, pairs)
        signed_in = await self._signed_in(request, asked)
        if signed_in is None:
            return self._sign_in(asked, pairs)
        session, user = signed_in
        self._browser.check_form(session, values)
        if values.get("decision") != "allow":
            raise asked.refusal("access_denied", "The person denied the request.")
        chosen = {value for name, value in form if name == "scope"}
        location = await allow(self._authorization, asked, session, user, chosen)
        if values.get("remember") == "yes":
            agreed = tuple(scope for scope in asked.offered(user) if scope in chosen)
            seconds = self._authorization.settings.refresh_seconds
            await self._authorization.apps.remember(user.user_id, asked.client, agreed, seconds)
        return redirect(location)

    async def _signed_in(self, request: Request, asked: AuthorizationRequest) -> tuple[Session, User] | None:
        signed_in = await self._browser.signed_in(request)
        is_old = signed_in is not None and asked.needs_sign_in(signed_in[0], self._authorization.now())
        return None if is_old else signed_in

    def _sign_in(self, asked: AuthorizationRequest, pairs: Pairs) -> Response:
        if "none" in asked.prompts:
            raise asked.refusal("login_required", "Nobody is signed in.")
        return_to = f"/oauth/authorize?{urlencode(_once_signed_in(pairs))}"
        return redirect(self._authorization.url(f"/sign-in?{urlencode({'next': return_to})}"))

    def _page(
        self, request: Request, asked: AuthorizationRequest, signed_in: tuple[Session, User], offered: tuple[str, ...]
    ) -> Response:
        session, user = signed_in
        language = language_of(request)
        values = {
            "client": asked.client,
            "emergency": asked.purpose,
            "is_secret": asked.is_secret,
            "user": user,
            "destination": urlsplit(asked.redirect_uri).netloc or asked.redirect_uri.partition(":")[0],
            "scopes": [(scope, describe(scope, language)) for scope in offered if scope not in CONTEXT_SCOPES],
            "implied_scopes": [scope for scope in offered if scope in CONTEXT_SCOPES],
            "form_token": session.form_token,
            "request_text": request.url.query,
        }
        return page(request, "consent.html", values, form_target=asked.redirect_uri)


def _once_signed_in(pairs: Pairs) -> Pairs:
    """Return the request without what asks for a sign-in, which then happened."""
    kept = []
    for name, value in pairs:
        left = " ".join(word for word in value.split() if word not in _SIGN_IN_PROMPTS) if name == "prompt" else value
        if name != "max_age" and (left or name != "prompt"):
            kept.append((name, left))
    return kept
