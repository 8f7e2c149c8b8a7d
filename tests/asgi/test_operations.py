"""Operations over HTTP, in both formats. Spec: operations.html#request, http.html#general."""

from collections.abc import AsyncIterator

import httpx
import pytest
from msgspec.structs import replace

from fhir_server.asgi.server import Api, fhir_api
from fhir_server.operations import OPERATIONS
from tests.asgi.conftest import ORIGIN

pytestmark = pytest.mark.anyio

TAG = '<tag><system value="urn:tags"/><code value="a"/></tag>'
META = (
    '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="meta"/>'
    f"<valueMeta>{TAG}</valueMeta></parameter></Parameters>"
)
XML = {"Content-Type": "application/fhir+xml", "Accept": "application/fhir+xml"}


@pytest.fixture
async def client(api: Api) -> AsyncIterator[httpx.AsyncClient]:
    offering = replace(api, runtime=replace(api.runtime, operations=OPERATIONS))
    transport = httpx.ASGITransport(fhir_api(offering))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        await client.put("Patient/p", json={"resourceType": "Patient", "id": "p"})
        yield client


@pytest.mark.spec("operations.html#request")
async def test_operations_by_get_and_by_post_in_json_and_xml(client: httpx.AsyncClient) -> None:
    tagged = await client.post("Patient/p/$meta-add", content=META, headers=XML)
    assert (tagged.status_code, tagged.headers["etag"]) == (200, 'W/"2"')
    assert TAG in tagged.text
    old = await client.get("Patient/p/_history/1/$meta")
    assert "tag" not in old.json()["parameter"][0]["valueMeta"]
    everything = await client.get("Patient/p/$everything?_type=Patient&_format=xml&_pretty=true")
    assert everything.headers["content-type"].startswith("application/fhir+xml")
    assert '<type value="searchset"/>' in everything.text
    head = await client.head("Patient/p/$everything?_type=Patient")
    assert (head.status_code, head.content) == (200, b"")


@pytest.mark.spec("resource-operation-validate.html")
async def test_validate_in_xml_tells_where(client: httpx.AsyncClient) -> None:
    body = '<Patient xmlns="http://hl7.org/fhir"><gender value="x"/></Patient>'
    told = await client.post("Patient/$validate", content=body, headers=XML)
    assert (told.status_code, '<expression value="Patient.gender"/>' in told.text) == (200, True)
    broken = await client.post("Patient/$validate", content="<Patient", headers=XML)
    assert broken.status_code == 400


@pytest.mark.spec("operations.html#request")
async def test_an_operation_that_changes_things_is_posted(client: httpx.AsyncClient) -> None:
    refused = await client.get("Patient/p/$meta-delete")
    assert (refused.status_code, refused.headers["allow"]) == (405, "POST, OPTIONS")
    kept = await client.get("Composition/c/$document?persist=true")
    assert (kept.status_code, kept.headers["allow"]) == (405, "POST, OPTIONS")


@pytest.mark.spec("http.html#transaction")
async def test_operations_in_a_batch(client: httpx.AsyncClient) -> None:
    entries = [
        {"request": {"method": "GET", "url": "Patient/p/$everything?_type=Patient"}},
        {"request": {"method": "POST", "url": "Patient/$validate"}, "resource": {"resourceType": "Patient", "id": 3}},
        {"request": {"method": "GET", "url": "Patient/p/$meta-add"}},
    ]
    body = (await client.post("", json={"resourceType": "Bundle", "type": "batch", "entry": entries})).json()
    assert [one["response"]["status"][:3] for one in body["entry"]] == ["200", "200", "405"]
    assert body["entry"][0]["resource"]["type"] == "searchset"
    assert body["entry"][1]["resource"]["issue"][0]["severity"] == "error"
