"""User-access brands, by https://hl7.org/fhir/smart-app-launch/STU2.2/brands.html"""

import copy
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.smart.authorization import Authorization
from fhir_server.smart.brands import BRANDS_PATH, read_brands
from fhir_server.validation.validate import validate

pytestmark = pytest.mark.anyio
BASE = "https://record.example/fhir"
DEMO = resources.files("fhir_server.commands.demo").joinpath("brands.json").read_bytes()


@pytest.fixture(params=["without a file", "with a file of two brands"])
def brands(request: pytest.FixtureRequest, authorization: Authorization) -> None:
    if request.param != "without a file":
        authorization.brands = read_brands(DEMO, BASE)


@pytest.mark.spec("SHOULD include user_access_brand_bundle and user_access_brand_identifier in the SMART configuration")
@pytest.mark.spec("SHALL ensure this identifier matches exactly one Organization.identifier; SHALL include a value")
@pytest.mark.spec("SHALL publish at least a primary brand that references each FHIR endpoint in the Brand Bundle")
@pytest.mark.spec("SHALL populate Bundle.timestamp; SHALL support CORS for all GET requests; SHOULD have a weak ETag")
@pytest.mark.usefixtures("brands")
async def test_the_brands_are_published(browser: Any) -> None:
    found = (await browser.get("/fhir/.well-known/smart-configuration")).json()
    assert found["user_access_brand_bundle"] == f"https://record.example{BRANDS_PATH}"
    answer = await browser.get(BRANDS_PATH, headers={"Origin": "https://any.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["etag"].startswith('W/"')
    assert answer.headers["content-type"] == "application/fhir+json"
    again = await browser.get(BRANDS_PATH, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    bundle = answer.json()
    assert bundle["timestamp"]
    everything = [entry["resource"] for entry in bundle["entry"]]
    organizations = [one for one in everything if one["resourceType"] == "Organization"]
    endpoints = [one for one in everything if one["resourceType"] == "Endpoint"]
    wanted = found["user_access_brand_identifier"]
    (primary,) = [one for one in organizations if wanted in one["identifier"]]
    assert {one["reference"] for one in primary["endpoint"]} == {f"Endpoint/{one['id']}" for one in endpoints}
    assert [one["address"] for one in endpoints] == [BASE]
    for one in everything:
        validate(one)


@pytest.mark.spec("SHALL support customer-supplied identifiers; all Must-Support elements are the operator's to write")
async def test_the_operators_file_is_served_as_he_wrote_it() -> None:
    content = DEMO.replace(b"990000001", b"990000777")
    brands = read_brands(content, BASE)
    written = json.loads(content.replace(b"{base}", BASE.encode()).replace(b"{origin}", b"https://record.example"))
    assert json.loads(brands.content) == written
    assert brands.etag != read_brands(DEMO, BASE).etag


def brand(bundle: dict[str, Any]) -> Any:
    return bundle["entry"][0]["resource"]


def absent(reason: str) -> dict[str, Any]:
    return {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": reason}


@pytest.mark.spec("SHALL NOT use Data Absent Reasons other than asked-declined or asked-unknown in a Brand Bundle")
@pytest.mark.parametrize(
    ("reason", "is_lawful"), [("asked-declined", True), ("asked-unknown", True), ("masked", False)]
)
async def test_absent_reasons(reason: str, is_lawful: bool) -> None:
    bundle = json.loads(DEMO)
    brand(bundle)["_alias"] = [{"extension": [absent(reason)]}]
    if is_lawful:
        assert reason.encode() in read_brands(json.dumps(bundle).encode(), BASE).content
    else:
        with pytest.raises(Unprocessable, match="asked-declined"):
            read_brands(json.dumps(bundle).encode(), BASE)


@pytest.mark.parametrize(
    ("break_it", "told"),
    [
        (lambda bundle: bundle.pop("timestamp"), "timestamp"),
        (lambda bundle: bundle.update(type="searchset"), "collection"),
        (lambda bundle: bundle["entry"].clear(), "Organizations"),
        (lambda bundle: bundle["entry"].append({"resource": {"resourceType": "Patient"}}), "Organizations"),
        (lambda bundle: brand(bundle).pop("name"), "name"),
        (lambda bundle: brand(bundle).pop("telecom"), "website"),
        (lambda bundle: brand(bundle)["endpoint"].append({"reference": "Endpoint/other"}), "Endpoints of the Bundle"),
        (lambda bundle: [brand(bundle).pop("endpoint"), bundle["entry"].pop(1)], "Endpoints of the Bundle"),
        (
            lambda bundle: bundle["entry"].append({"resource": {"resourceType": "Endpoint", "id": "alone"}}),
            "every Endpoint",
        ),
        (lambda bundle: brand(bundle).pop("identifier"), "identifier that no other has"),
    ],
)
async def test_a_file_that_does_not_hold_is_refused(break_it: Callable[[Any], object], told: str) -> None:
    bundle = copy.deepcopy(json.loads(DEMO))
    break_it(bundle)
    with pytest.raises(Unprocessable, match=told):
        read_brands(json.dumps(bundle).encode(), BASE)


async def test_what_is_no_json_is_refused_in_words() -> None:
    with pytest.raises(Unprocessable, match="no FHIR JSON"):
        read_brands(b"<Bundle/>", BASE)
