"""Bodies that travel as gzip, and the time limit. Spec: RFC 9110 8.4, http.html#general."""

import asyncio
import gzip
import json

import httpx
import pytest
from msgspec.structs import replace

from fhir_server.asgi.encoding import accepts_gzip
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.interactions.request import Limits, Operation, Request, Response, Runtime
from tests.asgi.conftest import ORIGIN

pytestmark = pytest.mark.anyio

PATIENT = {"resourceType": "Patient", "gender": "male", "name": [{"family": "Durand"}] * 200}
GZIPPED = {"Content-Encoding": "gzip", "Content-Type": "application/fhir+json"}


async def test_gzip_comes_in_and_goes_out_when_it_is_worth_it(client: httpx.AsyncClient) -> None:
    created = await client.post("Patient", content=gzip.compress(json.dumps(PATIENT).encode()), headers=GZIPPED)
    assert created.status_code == 201
    assert created.headers["content-encoding"] == "gzip"
    assert created.json()["name"] == PATIENT["name"]
    place = created.headers["location"]
    plain = await client.get(place, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.content == created.content
    assert int(created.headers["content-length"]) < len(plain.content) // 5
    assert "content-encoding" not in (await client.get("Patient/nobody")).headers


async def test_gzip_of_several_members_is_one_body(client: httpx.AsyncClient) -> None:
    content = json.dumps(PATIENT).encode()
    body = gzip.compress(content[:50]) + gzip.compress(content[50:])
    assert (await client.post("Patient", content=body, headers=GZIPPED)).status_code == 201


async def test_gzip_that_inflates_beyond_the_bound_is_413(client: httpx.AsyncClient) -> None:
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert (await client.post("Patient", content=bomb, headers=GZIPPED)).status_code == 413


@pytest.mark.parametrize(
    "body",
    [b"x", b"{}", gzip.compress(b"{}" * 50, mtime=0)[:-4], gzip.compress(b"{}", mtime=0) + b"rest"],
    ids=["a letter", "plain", "cut", "with a rest"],
)
async def test_gzip_that_is_none_is_400(client: httpx.AsyncClient, body: bytes) -> None:
    assert (await client.post("Patient", content=body, headers=GZIPPED)).status_code == 400


@pytest.mark.parametrize(
    ("header", "is_accepted"),
    [(b"gzip", True), (b"br, GZIP;q=0.5", True), (b"*", True), (b"gzip;q=0", False), (b"br", False), (b"", False)],
)
def test_accept_encoding(header: bytes, is_accepted: bool) -> None:
    assert accepts_gzip(header) is is_accepted


async def test_a_binary_that_is_packed_already_goes_as_it_is(client: httpx.AsyncClient) -> None:
    made = await client.post("Binary", content=b"x" * 5000, headers={"Content-Type": "application/pdf"})
    shown = await client.get(made.headers["location"].partition("/_history")[0])
    assert (shown.content, "content-encoding" in shown.headers) == (b"x" * 5000, False)


async def test_a_request_that_takes_too_long_is_503(api: Api, runtime: Runtime) -> None:
    async def invoke(request: Request, runtime: Runtime) -> Response:
        await asyncio.Event().wait()
        return Response(200)

    slow = replace(runtime, limits=Limits(request_seconds=0.05), operations=(Operation("endless", "http://x", invoke),))
    transport = httpx.ASGITransport(fhir_api(replace(api, runtime=slow)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        refused = await client.get("$endless")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
        assert refused.json()["issue"][0]["code"] == "timeout"
