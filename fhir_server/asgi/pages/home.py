"""The first page: what this server is, where its FHIR base is, where to sign in.

Spec: capabilitystatement.html
"""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.responses import page
from fhir_server.smart.authorization import Authorization


def home_routes(authorization: Authorization, name: str) -> APIRouter:
    """Return the route of the first page; `name` is what the operator calls the server."""
    routes = APIRouter()

    async def home(request: Request) -> Response:
        """Show the first page."""
        values = {"name": name, "base_url": authorization.base_url, "account": authorization.url("/account")}
        return page(request, "home.html", values)

    routes.add_api_route("/", home, methods=["GET", "HEAD"], response_model=None)
    return routes
