"""Each claim of the CapabilityStatement is tried on a running server. Spec: http.html#capabilities."""

from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from fhir_server.foundation.structure import RESOURCE_TYPES
from tests.commands.test_serve import serving

pytestmark = [pytest.mark.slow, pytest.mark.spec("http.html#capabilities")]

CALLS: Final = {
    "read": ("GET", "{}/nobody", 404),
    "vread": ("GET", "{}/nobody/_history/1", 404),
    "update": ("PUT", "{}/nobody", 400),
    "patch": ("PATCH", "{}/nobody", 404),
    "delete": ("DELETE", "{}/nobody", 204),
    "history-instance": ("GET", "{}/nobody/_history", 404),
    "history-type": ("GET", "{}/_history?_count=0", 200),
    "create": ("POST", "{}", 400),
    "search-type": ("GET", "{}?_count=0", 200),
    "transaction": ("POST", "", 200),
    "batch": ("POST", "", 200),
    "search-system": ("GET", "?_type=Basic&_count=0", 200),
    "history-system": ("GET", "_history?_count=0", 200),
}
VALUES: Final = {
    "special": {"near": "48.85|2.35|1|km", "_filter": "_id eq a", "_list": "a", "_has": ""},
    "_content": "word",
    "_text": "word",
}
"""How the parameters are asked that `:missing` says nothing to."""
NO_OPERATION: Final = "There is no operation"


class World:
    """A running open server, and what it states."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        self.statement: dict[str, Any] = client.get("metadata").json()
        (self.rest,) = self.statement["rest"]

    def call(self, code: str, resource_type: str = "") -> None:
        method, path, status = CALLS[code]
        body = {} if method in ("PUT", "POST") else [] if method == "PATCH" else None
        if code in ("batch", "transaction"):
            body = {"resourceType": "Bundle", "type": code}
        own = {"content-type": "application/json-patch+json" if method == "PATCH" else "application/fhir+json"}
        answer = self.client.request(method, path.format(resource_type), json=body, headers=own)
        assert answer.status_code == status, f"{code} {resource_type}: {answer.status_code} {answer.text[:200]}"
        if status == 404:
            assert answer.json()["issue"][0]["code"] == "not-found"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("stated")
    with serving(folder, "--open") as base, httpx.Client(base_url=f"{base}/", timeout=60) as client:
        yield World(client)


def test_interactions_of_every_type_and_of_the_system(world: World) -> None:
    assert {one["type"] for one in world.rest["resource"]} == RESOURCE_TYPES
    for resource in world.rest["resource"]:
        for interaction in resource["interaction"]:
            world.call(interaction["code"], resource["type"])
    for interaction in world.rest["interaction"]:
        world.call(interaction["code"])


def test_search_parameters_of_every_type(world: World) -> None:
    for resource in world.rest["resource"]:
        pairs = []
        for one in resource["searchParam"]:
            name = one["name"]
            special = VALUES["special"]
            if isinstance(special, dict) and name in special:
                pairs.append((name, special[name]))
            elif name in VALUES:
                pairs.append((name, str(VALUES[name])))
            elif one["type"] not in ("special", "composite"):
                pairs.append((f"{name}:missing", "true"))
        asked = [pair for pair in pairs if pair[1]]
        assert asked
        answer = world.client.get(resource["type"], params=[*asked, ("_count", "0")])
        assert answer.status_code == 200, f"{resource['type']}: {answer.text[:300]}"


def test_includes_of_every_type(world: World) -> None:
    for resource in world.rest["resource"]:
        pairs = [("_include", text) for text in resource.get("searchInclude", ())]
        pairs += [("_revinclude", text) for text in resource.get("searchRevInclude", ())]
        for start in range(0, len(pairs), 90):
            answer = world.client.get(resource["type"], params=[*pairs[start : start + 90], ("_id", "nobody")])
            assert answer.status_code == 200, f"{resource['type']}: {answer.text[:300]}"


def test_operations_are_there(world: World) -> None:
    places = [(one["name"], "") for one in world.rest["operation"]]
    for resource in world.rest["resource"]:
        places += [(one["name"], resource["type"]) for one in resource.get("operation", ())]
    assert len(places) > 100
    for name, resource_type in dict.fromkeys(places):
        told = []
        for path in (f"{resource_type}/${name}", f"{resource_type}/nobody/${name}"):
            answer = world.client.post(path.removeprefix("/") if resource_type else f"${name}", json={})
            assert answer.status_code < 500, f"{path}: {answer.text}"
            told.append(NO_OPERATION in answer.text)
        assert not all(told), f"{resource_type} ${name} is stated, and not there"


def test_formats_patches_and_conditional_interactions(world: World) -> None:
    client = world.client
    for name in world.statement["format"]:
        assert client.get("metadata", params={"_format": name, "_elements": "status"}).status_code == 200
    bodies = {
        "application/json-patch+json": b'[{"op":"add","path":"/active","value":true}]',
        "application/xml-patch+xml": b'<diff><add sel="Patient"><active value="true"/></add></diff>',
        "application/fhir+json": b'{"resourceType":"Parameters"}',
        "application/fhir+xml": b'<Parameters xmlns="http://hl7.org/fhir"/>',
    }
    assert bodies.keys() == {*world.statement["patchFormat"]}
    for media_type, body in bodies.items():
        client.put("Patient/p", json={"resourceType": "Patient", "id": "p"})
        patched = client.patch("Patient/p", content=body, headers={"content-type": media_type})
        assert patched.status_code == 200, patched.text
    for resource in world.rest["resource"]:
        stated = (resource["updateCreate"], resource["conditionalCreate"], resource["conditionalUpdate"])
        assert (stated, resource["conditionalRead"]) == ((True, True, True), "full-support")
        assert (resource["conditionalDelete"], resource["versioning"]) == ("multiple", "versioned")
    # Each of them has rows in the table of statuses.


def test_security_and_terminology_say_what_is_so(world: World) -> None:
    assert world.rest["security"]["cors"] is False
    headers = world.client.get("Patient/nobody", headers={"origin": "https://app.example.fr"}).headers
    assert "access-control-allow-origin" not in headers
    stated = world.client.get("metadata", params={"mode": "terminology"}).json()
    checked = world.client.post("TerminologyCapabilities/$validate", json=stated).json()
    assert not [issue for issue in checked["issue"] if issue["severity"] in ("error", "fatal")]
    systems = {one["uri"] for one in stated["codeSystem"]}
    assert {"http://unitsofmeasure.org", "http://hl7.org/fhir/administrative-gender"} <= systems
    for system, code in (("http://hl7.org/fhir/administrative-gender", "male"), ("http://unitsofmeasure.org", "mg")):
        told = world.client.get("CodeSystem/$validate-code", params={"url": system, "code": code}).json()
        assert told["parameter"][0]["valueBoolean"] is True
    own = {
        "resourceType": "CodeSystem",
        "url": "http://a/own",
        "version": "2",
        "status": "active",
        "content": "complete",
    }
    assert world.client.post("CodeSystem", json=own).status_code == 201
    now = world.client.get("metadata", params={"mode": "terminology"}).json()
    assert [one["version"] for one in now["codeSystem"] if one["uri"] == "http://a/own"] == [[{"code": "2"}]]
