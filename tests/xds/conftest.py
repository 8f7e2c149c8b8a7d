"""The XDS.b addresses beside an open FHIR API, over the real embedded store, with a patient and a professional."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from msgspec.structs import replace

from fhir_server.app import Deployment, grant_every_message, grant_everyone, runtime_of, search_parameters_of
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.asgi.soap import Face, GrantOfAssertion, soap_app
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.conformance.publish import publish
from fhir_server.interactions.request import Runtime
from fhir_server.settings import Settings
from fhir_server.storage.sqlite.store import SqliteStore
from tests.xds.messages import INS, INS_OID, REPOSITORY, Document, envelope, provide_xml, related

ORIGIN = "http://fhir.example.fr"
NOW = datetime(2026, 11, 3, 10, tzinfo=UTC)
PROVIDE = "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b"
QUERY = "urn:ihe:iti:2007:RegistryStoredQuery"
RETRIEVE = "urn:ihe:iti:2007:RetrieveDocumentSet"
UPDATE = "urn:ihe:iti:2010:UpdateDocumentSet"
RESOURCES: tuple[dict[str, Any], ...] = (
    {
        "resourceType": "Patient",
        "id": "dominique",
        "identifier": [{"system": f"urn:oid:{INS_OID}", "value": INS}],
        "name": [{"family": "DUPONT", "given": ["Dominique"]}],
    },
    {
        "resourceType": "Practitioner",
        "id": "dr-martin",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": "899700000001"}],
    },
    {
        "resourceType": "Organization",
        "id": "horizon",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.2", "value": "1750100125"}],
        "name": "Laboratoire Horizon",
    },
)


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    ids = count(1)
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    deployment = Deployment(Settings(open=True), ORIGIN)
    search_parameters = search_parameters_of(deployment, store)
    made = runtime_of(deployment, store, Canonicals(store), search_parameters)
    made = replace(made, now=lambda: NOW, new_id=lambda: f"00000000-0000-4000-8000-{next(ids):012}")
    await publish(made)
    yield made
    await store.close()


@pytest.fixture
def grant_of() -> GrantOfAssertion:
    return grant_every_message


class Xds:
    """The two faces of one server."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def send(self, path: str, message: bytes, parts: dict[str, bytes] | None = None) -> httpx.Response:
        content_type = "application/soap+xml; charset=utf-8"
        if parts is not None:
            content_type, message = related(message, parts)
        return await self.client.post(path, content=message, headers={"Content-Type": content_type})

    async def registry(self, body: str, action: str = QUERY) -> etree._Element:
        """Return what the body of the registry's answer holds."""
        return body_of(await self.send("/xds/registry", envelope(body, action)))

    async def provide(self, *documents: Document, set_id: str = "1.2.250.1.999.43.1", **more: str) -> etree._Element:
        """Submit documents; return the RegistryResponse."""
        message = envelope(provide_xml(*documents, set_id=set_id, **more), PROVIDE)
        parts = {f"{one.entry_id}@test": one.content for one in documents}
        return body_of(await self.send("/xds/repository", message, parts))

    async def find(self, query: str) -> list[dict[str, Any]]:
        """Search through FHIR; return the resources."""
        bundle = (await self.client.get(f"/fhir/{query}")).raise_for_status().json()
        return [entry["resource"] for entry in bundle.get("entry", ())]


def body_of(response: httpx.Response) -> etree._Element:
    """Return the element of a SOAP body that came without parts."""
    assert response.status_code == 200, response.text
    root = etree.fromstring(response.content)
    body = root.find("{http://www.w3.org/2003/05/soap-envelope}Body")
    assert body is not None
    return body[0]


def status_of(answer: etree._Element) -> str:
    """Return the last word of the status of an answer."""
    return answer.get("status", "").rpartition(":")[2]


def errors_of(answer: etree._Element) -> list[str]:
    """Return the codes of the errors of an answer."""
    errors = answer.iter("{urn:oasis:names:tc:ebxml-regrep:xsd:rs:3.0}RegistryError")
    return [error.get("errorCode", "") for error in errors]


@pytest.fixture
async def xds(runtime: Runtime, grant_of: GrantOfAssertion) -> AsyncIterator[Xds]:
    face = Face(runtime, grant_of, REPOSITORY, ORIGIN, f"{ORIGIN}/fhir")
    app = fhir_api(Api(runtime, grant_everyone, f"{ORIGIN}/fhir", fallback=soap_app(face, None)))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ORIGIN) as client:
        for resource in RESOURCES:
            path = f"/fhir/{resource['resourceType']}/{resource['id']}"
            (await client.put(path, json=resource)).raise_for_status()
        yield Xds(client)
