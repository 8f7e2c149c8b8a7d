"""How refusals are answered: JSON to a client, a redirect through the browser, or a page for the person.

Spec: https://www.rfc-editor.org/rfc/rfc6749#section-5.2, https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
"""

from collections.abc import Awaitable, Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.responses import NOT_KEPT, json, page, redirect
from fhir_server.smart.refusal import OAuthRefusal, PageRefusal, RedirectRefusal


async def _answer_client(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, OAuthRefusal) else OAuthRefusal("server_error", "", 500)
    headers = dict(NOT_KEPT)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = (
            'Bearer realm="oauth", error="invalid_token"' if refusal.error == "invalid_token" else 'Basic realm="oauth"'
        )
    return json(refusal.content(), refusal.status, headers)


async def _answer_browser(request: Request, error: Exception) -> Response:
    return redirect(error.location) if isinstance(error, RedirectRefusal) else await _answer_person(request, error)


async def _answer_person(request: Request, error: Exception) -> Response:
    refusal = error if isinstance(error, OAuthRefusal) else PageRefusal("server_error", "", 500)
    values = {"error": refusal.error, "description": refusal.description}
    return page(request, "error.html", values, status=refusal.status)


REFUSALS: Mapping[type[Exception], Callable[[Request, Exception], Awaitable[Response]]] = {
    OAuthRefusal: _answer_client,
    RedirectRefusal: _answer_browser,
    PageRefusal: _answer_person,
}
"""The answer of each refusal; the most particular class wins."""
