"""The picker: which patient, or which encounter, the app is to be opened for.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#standalone-apps
"""

from urllib.parse import urlencode

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.browser import Browser
from fhir_server.asgi.pages.forms import form_pairs, last_values, text_pairs
from fhir_server.asgi.pages.request.asking import PAGE_FIELDS, parsed
from fhir_server.asgi.pages.responses import page, redirect
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.authorize import AuthorizationRequest
from fhir_server.smart.launch.picking import choices, pick
from fhir_server.smart.refusal import PageRefusal
from fhir_server.smart.sessions import Session
from fhir_server.smart.users import User

_LONGEST_TEXT = 100


def picker_routes(authorization: Authorization) -> APIRouter:
    """Return the route of the picker's form."""
    routes = APIRouter(prefix="/oauth")
    routes.add_api_route("/pick", Picker(authorization).answer, methods=["POST"], response_model=None)
    return routes


class Picker:
    """The page that lists what may be picked; searching it is a GET, picking a POST."""

    def __init__(self, authorization: Authorization) -> None:
        self._authorization = authorization
        self._browser = Browser(authorization)

    async def show(self, request: Request, asked: AuthorizationRequest, signed_in: tuple[Session, User]) -> Response:
        """Return the page; the text to look for is the query's `find`."""
        session, user = signed_in
        text = request.query_params.get("find", "")[:_LONGEST_TEXT]
        values = {
            "client": asked.client,
            "emergency": asked.purpose,
            "user": user,
            "missing": asked.missing(user),
            "choices": await choices(self._authorization, asked, user, text),
            "find": text,
            "kept": [pair for pair in request.query_params.multi_items() if pair[0] not in PAGE_FIELDS],
            "request_text": request.url.query,
            "form_token": session.form_token,
        }
        return page(request, "picker.html", values)

    async def answer(self, request: Request) -> Response:
        """Keep what was picked and go on with the request."""
        values = last_values(await form_pairs(request))
        pairs = text_pairs(values.get("request", ""))
        asked = await parsed(self._authorization, pairs)
        signed_in = await self._browser.signed_in(request)
        if signed_in is None:
            raise PageRefusal("expired_form", "The session ended meanwhile.", 403)
        session, user = signed_in
        self._browser.check_form(session, values)
        asked.check_user(user)
        if asked.missing(user) not in ("patient", "encounter"):
            raise PageRefusal("invalid_request", "There is nothing to pick.")
        text = dict(pairs).get("find", "")[:_LONGEST_TEXT]
        handle = await pick(self._authorization, asked, user, values.get("chosen", ""), text)
        kept = [pair for pair in pairs if pair[0] not in ("find", "picked")]
        return redirect(self._authorization.url(f"/oauth/authorize?{urlencode([*kept, ('picked', handle)])}"))
