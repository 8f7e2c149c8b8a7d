"""OpenAPI: what stands outside the FHIR base, as it is routed; the FHIR API has its CapabilityStatement.

Spec: https://spec.openapis.org/oas/v3.1.0
"""

import sys
from collections.abc import Iterator, Sequence
from inspect import cleandoc
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.responses import Response

from fhir_server import __version__
from fhir_server.asgi.health import ADDRESSES
from fhir_server.asgi.pages.responses import json

OPENAPI_PATH: Final = "/openapi.json"
FORM: Final = "application/x-www-form-urlencoded"
ANSWERS: Final = {
    "2XX": {"description": "Done: a page, a JSON document, or nothing when there is nothing to say."},
    "3XX": {"description": "Go on at the address of the Location header."},
    "4XX": {"description": "Refused: the body says why, as a page or as the JSON of an OAuth error."},
}
FILES_PATH: Final = "/pages"
Element = dict[str, Any]


def _path_parameter(name: str) -> Element:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


FILES: Final[Element] = {
    "operationId": "get_pages_path",
    "tags": ["static"],
    "summary": "Files that the pages need: styles.",
    "parameters": [_path_parameter("path")],
    "responses": ANSWERS,
}


def openapi_routes(routers: Sequence[APIRouter], base_url: str) -> APIRouter:
    """Return the route of the document that describes the routes of `routers`, which it looks at when it is asked."""
    routes = APIRouter()

    async def openapi() -> Response:
        return json(document(routers, base_url), headers={"Access-Control-Allow-Origin": "*"})

    summary = "This document: every address outside the FHIR base."
    routes.add_api_route(OPENAPI_PATH, openapi, methods=["GET", "HEAD"], summary=summary, response_model=None)
    return routes


def document(routers: Sequence[APIRouter], base_url: str) -> Element:
    """Return the OpenAPI document of what is routed now, and of static files and health beside it.

    `base_url` is the FHIR base. The SOAP addresses that a setting opens have descriptions of their own kind.
    """
    paths: dict[str, Element] = {}
    for router in routers:
        for path, method, operation in _operations(router):
            paths.setdefault(path, {}).setdefault(method, operation)
    paths[f"{FILES_PATH}/{{path}}"] = {"get": FILES}
    for path, summary in ADDRESSES.items():
        paths[path] = {method: _health(method, path, summary) for method in ("get", "head")}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "What stands beside the FHIR API",
            "version": __version__,
            "description": "Authorization (SMART App Launch), registration of apps, pages for people. "
            f"The FHIR API itself is described by {base_url}/metadata.",
        },
        "externalDocs": {"url": f"{base_url}/metadata", "description": "CapabilityStatement of the FHIR API"},
        "servers": [{"url": base_url.partition("://")[0] + "://" + base_url.partition("://")[2].partition("/")[0]}],
        "paths": paths,
    }


def _health(method: str, path: str, summary: str) -> Element:
    answers = {"200": {"description": "Yes."}, "503": {"description": "No: send requests elsewhere."}}
    return {"operationId": _identity(method, path), "tags": ["health"], "summary": summary, "responses": answers}


def _operations(router: APIRouter) -> Iterator[tuple[str, str, Element]]:
    """Yield path, method and Operation Object of each route."""
    for route in router.routes:
        if isinstance(route, APIRoute) and route.include_in_schema:
            for method in sorted(route.methods or ()):
                yield route.path_format, method.lower(), _operation(route, method.lower())


def _operation(route: APIRoute, method: str) -> Element:
    told = cleandoc(route.summary or route.description or _module_sentence(route)).splitlines()
    operation: Element = {
        "operationId": _identity(method, route.path_format),
        "tags": [route.endpoint.__module__.rpartition(".")[2]],
        "summary": told[0],
        "responses": ANSWERS,
    }
    names = sorted(route.param_convertors)
    if names:
        operation["parameters"] = [_path_parameter(name) for name in names]
    if method == "post":
        operation["requestBody"] = {"content": {FORM: {"schema": {"type": "object"}}}}
    return {**operation, **(route.openapi_extra or {})}


def _identity(method: str, path: str) -> str:
    words = "".join(char if char.isalnum() else " " for char in path).split()
    return "_".join((method, *words))


def _module_sentence(route: APIRoute) -> str:
    """Return what the module of an endpoint says of itself."""
    return (sys.modules[route.endpoint.__module__].__doc__ or route.name).partition("\n")[0]
