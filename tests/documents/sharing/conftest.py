"""A record to feed, and who feeds it."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime
from tests.documents.conftest import LABORATORY
from tests.documents.sharing.submissions import OTHER_NUMBER, Resource, patient, practitioner

Provide = Callable[..., Awaitable[Response]]
Ask = Callable[..., Awaitable[Response]]


@pytest.fixture
async def ask(runtime: Runtime) -> Ask:
    async def ask(interaction: str, resource_type: str = "", grant: Grant = OPEN, **more: Any) -> Response:
        return await dispatch(Request(interaction, grant, resource_type, base_url="http://x/fhir", **more), runtime)

    return ask


@pytest.fixture
async def record(ask: Ask) -> str:
    """The reference of the patient who has a record; another patient, and the author, are known too."""
    created = await ask("create", "Patient", resource=patient())
    await ask("create", "Patient", resource=patient(OTHER_NUMBER))
    author = {name: value for name, value in practitioner().items() if name != "id"}
    await ask("create", "Practitioner", resource=author)
    assert created.version is not None
    return created.version.reference


@pytest.fixture
def provide(ask: Ask) -> Provide:
    async def provide(bundle: Resource, grant: Grant = LABORATORY, **more: Any) -> Response:
        return await ask("transaction", grant=grant, resource=bundle, **more)

    return provide


def entries(response: Response) -> list[Resource]:
    found: list[Resource] = msgspec.json.decode(response.content).get("entry", [])
    return found


def location(response: Response, index: int) -> str:
    """`Type/id` of what an entry of a transaction-response names."""
    text: str = entries(response)[index]["response"]["location"]
    return text.removeprefix("http://x/fhir/").partition("/_history")[0]
