"""A store of its own for each test, and the laboratory that pushes into it."""

from collections.abc import AsyncIterator, Awaitable, Callable
from importlib import resources
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.commands.local import opened
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.settings import Settings

LABORATORY = Grant("system", "Device/laboratory", "laboratory", parse_scopes("system/*.crs"), display="Laboratory")
OTHER = Grant("system", "Device/other", "other", parse_scopes("system/*.crs"), display="Other laboratory")
BIOLOGY = resources.files("fhir_server.commands.demo").joinpath("biologie.xml").read_bytes()
VACCINATION = resources.files("fhir_server.commands.demo").joinpath("vaccination.xml").read_bytes()

Push = Callable[..., Awaitable[Response]]


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    async with opened(Settings(data=str(tmp_path))) as runtime:
        yield runtime


@pytest.fixture
def push(runtime: Runtime) -> Push:
    async def push(
        content: bytes, grant: Grant = LABORATORY, interaction: str = "$import-cda", **more: Any
    ) -> Response:
        media_type = more.pop("media_type", "application/xml")
        return await dispatch(Request(interaction, grant, content=content, media_type=media_type, **more), runtime)

    return push


@pytest.fixture
def find(runtime: Runtime) -> Callable[..., Awaitable[list[dict[str, Any]]]]:
    """What a search finds, for one who sees everything."""

    async def find(resource_type: str, **parameters: str) -> list[dict[str, Any]]:
        request = Request("search", OPEN, resource_type, parameters=(*parameters.items(), ("_count", "1000")))
        bundle = msgspec.json.decode((await dispatch(request, runtime)).content)
        return [entry["resource"] for entry in bundle.get("entry", ())]

    return find


def parameter(response: Response, name: str) -> Any:
    parameters = msgspec.json.decode(response.content)["parameter"]
    return next(found for found in parameters if found["name"] == name)
