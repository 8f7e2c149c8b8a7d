"""Calls by address: whoever floods the sign-in or the endpoints of clients waits.

Spec: https://www.rfc-editor.org/rfc/rfc6585#section-4

The address is that of the ASGI scope; behind a proxy the server must be told which proxy to believe.
"""

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fhir_server.asgi.pages.responses import page, too_many
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.limits.rates import Rates

_PEOPLE = ("/sign-in", "/oauth/register")
_CLIENTS = ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/launch")


class Limited:
    """An application whose sign-in and client endpoints one address may call only so often."""

    def __init__(self, app: ASGIApp, authorization: Authorization) -> None:
        settings = authorization.settings
        self._app = app
        people = Rates(authorization.now, settings.sign_ins_a_minute)
        clients = Rates(authorization.now, settings.client_calls_a_minute)
        self._rates = {**dict.fromkeys(_PEOPLE, people), **dict.fromkeys(_CLIENTS, clients)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 429, or pass the request on."""
        seconds = self._wait_seconds(scope)
        if not seconds:
            await self._app(scope, receive, send)
            return
        await _refuse(Request(scope, receive), seconds)(scope, receive, send)

    def _wait_seconds(self, scope: Scope) -> int:
        if scope["type"] != "http" or scope["method"] != "POST":
            return 0
        path: str = scope["path"]
        rates = self._rates.get("/sign-in" if path.startswith("/sign-in/") else path)
        client = scope.get("client")
        return 0 if rates is None or not client else rates.take(client[0])


def _refuse(request: Request, seconds: int) -> Response:
    again = str(seconds)
    if request.url.path.startswith("/sign-in"):
        values = {"error": "too_many", "description": ""}
        response = page(request, "error.html", values, status=429)
        response.headers["Retry-After"] = again
        return response
    return too_many(seconds)
