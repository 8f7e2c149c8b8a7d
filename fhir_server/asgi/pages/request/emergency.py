"""The page that asks a professional why he opens a record in an emergency; no reason, no access.

Spec: CSP L.1111-17 (bris de glace, centre 15), DMP EX_0.3-1050 (the mode is shown during the whole access)
"""

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values, text_pairs
from fhir_server.asgi.pages.request.asking import parsed
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import AuthorizationRequest
from fhir_server.smart.launch.emergencies import LONGEST_REASON, SHORTEST_REASON
from fhir_server.smart.launch.picking import give_reason
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User


def emergency_routes(authorization: Authorization) -> APIRouter:
    """Return the route of the form."""
    routes = APIRouter(prefix="/oauth")
    routes.add_api_route("/emergency", EmergencyPage(authorization).answer, methods=["POST"], response_model=None)
    return routes


class EmergencyPage:
    """The page and its answer."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)

    async def show(self, request: Request, asked: AuthorizationRequest, signed_in: tuple[Session, User]) -> Response:
        """Ask for the reason."""
        return self._page(request, asked, signed_in, request.url.query)

    async def answer(self, request: Request) -> Response:
        """Keep the reason and go on with the request; ask again when it says nothing."""
        values = last_values(await form_pairs(request))
        text = values.get("request", "")
        asked = await parsed(self._authorization, text_pairs(text))
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        session, user = signed_in
        self._browser.check_form(session, values)
        asked.check_user(user)
        if asked.missing(user) != "reason":
            raise PageRefusal("invalid_request", "No reason is asked for.")
        reason = " ".join(values.get("reason", "").split())
        if not SHORTEST_REASON <= len(reason) <= LONGEST_REASON:
            return self._page(request, asked, signed_in, text, is_refused=True)
        handle = await give_reason(self._authorization, asked, user, reason)
        kept = [pair for pair in text_pairs(text) if pair[0] != "picked"]
        return redirect(self._authorization.url(f"/oauth/authorize?{urlencode([*kept, ('picked', handle)])}"))

    def _page(
        self,
        request: Request,
        asked: AuthorizationRequest,
        signed_in: tuple[Session, User],
        text: str,
        *,
        is_refused: bool = False,
    ) -> Response:
        session, user = signed_in
        values = {
            "client": asked.client,
            "user": user,
            "emergency": asked.purpose,
            "is_refused": is_refused,
            "shortest": SHORTEST_REASON,
            "longest": LONGEST_REASON,
            "request_text": text,
            "form_token": session.form_token,
            "page_path": "/oauth/authorize",
            "page_query": text,
        }
        return page(request, "emergency.html", values, status=400 if is_refused else 200)
