"""Discovery documents and public keys: readable by any page of any origin.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html#using-well-known
"""

from urllib.parse import urlsplit

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from fhir_server.asgi.pages.responses import json
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.brands import BRANDS_PATH
from fhir_server.smart.configuration import openid_configuration, smart_configuration
from fhir_server.smart.launch.style import STYLE, STYLE_PATH

_PUBLIC = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}


def discovery_routes(authorization: Authorization) -> APIRouter:
    """Return the routes of what a client reads before it asks."""
    routes = APIRouter()
    base_path = urlsplit(authorization.base_url).path
    issuer_path = urlsplit(authorization.issuer).path

    async def smart() -> Response:
        """Tell apps what this server offers (SMART)."""
        return json(smart_configuration(authorization), headers=_PUBLIC)

    async def openid() -> Response:
        """Tell clients what this server offers (OpenID Connect, RFC 8414)."""
        return json(openid_configuration(authorization), headers=_PUBLIC)

    async def jwks() -> Response:
        """Publish the keys that verify our tokens."""
        await authorization.keys.refresh()
        return json(authorization.keys.jwks(), headers=_PUBLIC)

    async def brands(request: Request) -> Response:
        """Publish the brands by which people find this server."""
        told = authorization.brands
        headers = {**_PUBLIC, "Access-Control-Expose-Headers": "ETag", "ETag": told.etag}
        if told.etag in [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]:
            return Response(status_code=304, headers=headers)
        return Response(told.content, 200, headers, "application/fhir+json")

    async def style() -> Response:
        """Publish the style that apps may take on."""
        return json(STYLE, headers=_PUBLIC)

    for path, answer in (
        (STYLE_PATH, style),
        (BRANDS_PATH, brands),
        (f"{base_path}/.well-known/smart-configuration", smart),
        (f"{issuer_path}/.well-known/openid-configuration", openid),
        (f"/.well-known/oauth-authorization-server{issuer_path}", openid),
        ("/.well-known/jwks.json", jwks),
        ("/oauth/jwks", jwks),
    ):
        routes.add_api_route(path, answer, methods=["GET", "HEAD"], response_model=None)
    return routes
