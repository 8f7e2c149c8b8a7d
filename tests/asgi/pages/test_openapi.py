"""The OpenAPI document is what is routed outside the FHIR base. Spec: https://spec.openapis.org/oas/v3.1.0."""

import re
from typing import Any

import httpx
import pytest
from fastapi.openapi.utils import get_openapi
from openapi_spec_validator import validate

from fhir_server.asgi.health import ADDRESSES
from fhir_server.asgi.pages import pages, routers_of
from fhir_server.asgi.pages.openapi import document
from fhir_server.smart.authorization import Authorization

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore:Duplicate Operation ID"),
]
BASE = "https://record.example/fhir"
UNROUTED = {"detail": "Not Found"}


@pytest.fixture
def described(authorization: Authorization) -> dict[str, Any]:
    return document(routers_of(authorization, "x"), BASE)


async def test_the_document_is_valid_and_served(authorization: Authorization, described: dict[str, Any]) -> None:
    validate(described)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pages(authorization)), base_url=BASE[:-5]) as client:
        served = await client.get("/openapi.json")
    assert served.json() == described


async def test_every_route_is_in_it_with_a_sentence(authorization: Authorization, described: dict[str, Any]) -> None:
    routed = get_openapi(title="x", version="1", routes=pages(authorization).routes)["paths"]
    assert {*routed} | {"/pages/{path}", *ADDRESSES} == {*described["paths"]}
    for path, operations in routed.items():
        assert operations.keys() <= described["paths"][path].keys()
    identities = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            identities.append(operation["operationId"])
            assert re.fullmatch(r"[A-Z].{8,}", operation["summary"]), f"{method} {path}: {operation['summary']}"
            named = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "path"}
            assert named == set(re.findall(r"{(\w+)}", path))
    assert len(identities) == len(set(identities)) > 25
    for path in ("/oauth/token", "/oauth/introspect", "/oauth/revoke", "/oauth/authorize", "/openapi.json", "/account"):
        assert path in described["paths"]


async def test_every_address_in_it_answers(authorization: Authorization, described: dict[str, Any]) -> None:
    transport = httpx.ASGITransport(pages(authorization))
    async with httpx.AsyncClient(transport=transport, base_url=BASE[:-5]) as client:
        for path, operations in described["paths"].items():
            if path in ADDRESSES:
                continue  # Beside the pages: tests/asgi/test_health.py asks them.
            if path.startswith("/pages/"):
                path = "/pages/style.css"
            for method in operations:
                answer = await client.request(method, re.sub(r"{\w+}", "x", path))
                assert answer.status_code < 500, f"{method} {path}"
                assert answer.status_code != 405, f"{method} {path}"
                if answer.headers.get("content-type") == "application/json" and answer.status_code == 404:
                    assert answer.json() != UNROUTED, f"{method} {path}"
