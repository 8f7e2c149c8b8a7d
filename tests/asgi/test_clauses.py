"""What http.html says of all interactions together, and the parameters of search.html that all resources have."""

from typing import Any
from xml.etree import ElementTree

import httpx
import pytest

from fhir_server.foundation import fhir_json
from fhir_server.foundation.dates import format_http_date, parse_instant

pytestmark = pytest.mark.anyio
SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


def patient(resource_id: str, **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "id": resource_id, **members}


@pytest.mark.spec("http.html#versioning")
@pytest.mark.spec("http.html#versions")
async def test_versioning_headers_are_the_meta_of_what_is_shown(client: httpx.AsyncClient) -> None:
    change = [{"op": "add", "path": "/gender", "value": "male"}]
    answers = [
        await client.put("Patient/p", json=patient("p")),
        await client.put("Patient/p", json=patient("p", active=True)),
        await client.patch("Patient/p", json=change, headers={"content-type": "application/json-patch+json"}),
        await client.get("Patient/p"),
        await client.get("Patient/p/_history/1"),
        await client.get("Patient/p/_history/3"),
    ]
    for answer, version in zip(answers, ("1", "2", "3", "3", "1", "3"), strict=True):
        meta = answer.json()["meta"]
        assert (meta["versionId"], answer.headers["etag"]) == (version, f'W/"{version}"')
        instant = parse_instant(meta["lastUpdated"]).replace(microsecond=0)
        assert answer.headers["last-modified"] == format_http_date(instant)
    assert answers[4].content == answers[0].content


@pytest.mark.spec("http.html#Status-Codes")
@pytest.mark.parametrize("form", ["json", "xml"])
async def test_status_codes_every_refusal_says_why_in_the_form_that_is_asked(
    client: httpx.AsyncClient, form: str
) -> None:
    await client.put("Patient/gone", json=patient("gone"))
    await client.delete("Patient/gone")
    for method, path, status in (
        *(("GET", "Nothing", 404), ("GET", "Patient/nobody", 404), ("GET", "Patient/gone", 410)),
        *(("GET", "Patient?nothing=1", 400), ("PUT", "metadata", 405), ("POST", "Patient", 400), ("POST", "", 400)),
        *(("DELETE", "Patient", 412), ("GET", "Patient/1/$nothing", 404), ("GET", "Binary/nobody", 404)),
    ):
        refused = await client.request(method, path, headers={"accept": f"application/fhir+{form}"})
        assert refused.status_code == status
        assert refused.headers["content-type"] == f"application/fhir+{form};charset=utf-8"
        if form == "json":
            assert refused.json()["resourceType"] == "OperationOutcome"
        else:
            assert ElementTree.fromstring(refused.text).tag == "{http://hl7.org/fhir}OperationOutcome"


@pytest.mark.spec("http.html#rejecting-updates")
async def test_rejected_updates_leave_what_there_was(client: httpx.AsyncClient) -> None:
    before = await client.put("Patient/p", json=patient("p", active=True))
    for body, headers, status in (
        (b"{", {}, 400),
        (fhir_json.format(patient("q")), {}, 400),
        (fhir_json.format(patient("p", gender="x")), {}, 422),
        (fhir_json.format(patient("p", nothing=1)), {}, 422),
        (fhir_json.format(patient("p")), {"if-match": 'W/"7"'}, 412),
        (fhir_json.format(patient("p")), {"if-none-match": "*"}, 412),
        (fhir_json.format(patient("p")), {"content-type": "text/plain"}, 415),
    ):
        refused = await client.put("Patient/p", content=body, headers=headers)
        assert (refused.status_code, refused.json()["resourceType"]) == (status, "OperationOutcome")
    assert (await client.get("Patient/p")).content == before.content


@pytest.mark.spec("http.html#transaction-response")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_transaction_response_has_an_entry_for_each_in_their_order(client: httpx.AsyncClient, kind: str) -> None:
    for name in ("a", "b", "c"):
        await client.put(f"Patient/{name}", json=patient(name))
    asked: list[tuple[str, str, Any, str, bool]] = [
        ("GET", "Patient/a", None, "200", True),
        ("PUT", "Patient/c", patient("c", active=True), "200", False),
        ("POST", "Patient", patient("x"), "201", False),
        ("DELETE", "Patient/b", None, "204", False),
        ("HEAD", "Patient/a", None, "200", False),
        ("GET", "Patient?_id=a,b,c", None, "200", True),
        ("GET", "Patient/a/_history", None, "200", True),
    ]
    entries = [
        {"request": {"method": method, "url": url}, **({"resource": resource} if resource else {})}
        for method, url, resource, _, _ in asked
    ]
    answer = await client.post("", json={"resourceType": "Bundle", "type": kind, "entry": entries})
    made = answer.json()
    assert made["type"] == f"{kind}-response"
    for (method, _, _, status, has_resource), one in zip(asked, made["entry"], strict=True):
        assert (one["response"]["status"][:3], "resource" in one) == (status, has_resource)
        assert ("location" in one["response"]) == (method in ("PUT", "POST"))
    assert made["entry"][5]["resource"]["total"] == 2
    for one in made["entry"][1:3]:
        assert (await client.get(one["response"]["location"])).headers["etag"] == one["response"]["etag"]


@pytest.mark.spec("http.html#transactional-integrity")
async def test_transactional_integrity_what_is_sent_is_what_is_read(client: httpx.AsyncClient) -> None:
    members = (
        b'"extension":[{"url":"http://a/b","valueDecimal":1.500}],"identifier":[{"value":"\\u00e9 \xc3\xa9"}],'
        b'"_birthDate":{"extension":[{"url":"http://a/c","valueCode":"x"}]},"multipleBirthInteger":2'
    )
    made = await client.post("Patient", content=b'{"resourceType":"Patient",%b}' % members)
    read = await client.get(made.headers["location"])
    assert members in read.content
    assert made.content == read.content


@pytest.fixture
async def found(client: httpx.AsyncClient) -> Any:
    """The ids that a search of patients finds, among three."""
    label = {"system": SYSTEM, "code": "R"}
    narrative = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">asthme sévère</div>'}
    await client.put("Patient/a", json=patient("a", meta={"tag": [{"system": "urn:t", "code": "x"}]}, gender="male"))
    await client.put("Patient/b", json=patient("b", meta={"security": [label]}, text=narrative, birthDate="1970-01-01"))
    await client.put("Patient/c", json=patient("c", meta={"profile": ["http://a/p"], "source": "urn:s"}))

    async def find(query: str) -> str:
        answer = await client.get(query)
        assert answer.status_code == 200, answer.text
        return "".join(sorted(one["resource"]["id"] for one in answer.json().get("entry", ())))

    return find


QUERIES = [
    ("id", "Patient?_id=a,c", "ac"),
    ("all", "Patient?_source=urn:s", "c"),
    ("profile", "Patient?_profile=http://a/p", "c"),
    ("tag", "Patient?_tag=urn:t|x", "a"),
    ("tag", "Patient?_tag:not=urn:t|x", "bc"),
    ("security", f"Patient?_security={SYSTEM}|R", "b"),
    ("text", "Patient?_text=asthme", "b"),
    ("type", "?_type=Patient,Device&_id=a,b", "ab"),
    ("filter", "Patient?_filter=gender eq male or birthdate eq 1970-01-01", "ab"),
    ("special", "Patient?_filter=not (gender eq male)", "bc"),
    ("missing", "Patient?gender:missing=true", "bc"),
    ("lastUpdated", "Patient?_lastUpdated=gt2020-01-01", "abc"),
]


@pytest.mark.parametrize(
    ("query", "ids"), [pytest.param(*row[1:], marks=pytest.mark.spec(f"search.html#{row[0]}")) for row in QUERIES]
)
async def test_parameters_that_all_resources_have(found: Any, query: str, ids: str) -> None:
    assert await found(query) == ids


XML = {"content-type": "application/fhir+xml", "accept": "application/fhir+xml"}
NAMESPACE = {"f": "http://hl7.org/fhir"}


def values(answer: httpx.Response, path: str) -> list[str]:
    """The values that a path finds in an answer, which is XML."""
    assert answer.headers["content-type"] == "application/fhir+xml;charset=utf-8", answer.text
    return [str(node.get("value")) for node in ElementTree.fromstring(answer.text).findall(path, NAMESPACE)]


@pytest.mark.spec("http.html#mime-type")
async def test_mime_type_xml_goes_in_and_out_of_every_interaction(client: httpx.AsyncClient) -> None:
    def xml(inner: str) -> bytes:
        return f'<Patient xmlns="http://hl7.org/fhir">{inner}</Patient>'.encode()

    identifier = '<identifier><system value="urn:s"/><value value="1"/></identifier>'
    created = await client.post("Patient", content=xml(identifier), headers=XML)
    (resource_id,) = values(created, "f:id")
    only_accept = {"accept": XML["accept"]}
    again = await client.post("Patient", content=xml(identifier), headers=XML | {"if-none-exist": "identifier=urn:s|1"})
    assert (again.status_code, values(again, "f:id")) == (200, [resource_id])
    body = xml(f'<id value="{resource_id}"/>{identifier}<gender value="male"/>')
    for path in (f"Patient/{resource_id}", "Patient?identifier=urn:s|1"):
        assert values(await client.put(path, content=body, headers=XML), "f:gender") == ["male"]
    patch = '<diff><replace sel="Patient/gender/@value">other</replace></diff>'
    patched = await client.patch(
        f"Patient/{resource_id}", content=patch, headers={**only_accept, "content-type": "application/xml-patch+xml"}
    )
    assert values(patched, "f:gender") == ["other"]
    for path, found, expected in (
        (f"Patient/{resource_id}", "f:gender", ["other"]),
        (f"Patient/{resource_id}/_history/1", "f:meta/f:versionId", ["1"]),
        (f"Patient/{resource_id}/_history", "f:total", ["4"]),
        ("Patient?identifier=urn:s|1", "f:entry/f:search/f:mode", ["match"]),
        ("metadata", "f:fhirVersion", ["4.0.1"]),
        ("Patient/nobody", "f:issue/f:code", ["not-found"]),
    ):
        assert values(await client.get(path, headers=only_accept), found) == expected
    entries = "".join(
        f"<entry>{resource}<request><method value='{method}'/><url value='{url}'/></request></entry>"
        for method, url, resource in (
            ("POST", "Patient", f"<resource>{xml(identifier).decode()}</resource>"),
            ("GET", f"Patient/{resource_id}", ""),
            ("DELETE", "Patient/nobody", ""),
        )
    )
    for kind in ("batch", "transaction"):
        bundle = f'<Bundle xmlns="http://hl7.org/fhir"><type value="{kind}"/>{entries}</Bundle>'
        answered = await client.post("", content=bundle, headers=XML)
        assert [one[:3] for one in values(answered, "f:entry/f:response/f:status")] == ["201", "200", "204"]
        assert len(values(answered, "f:entry/f:resource/f:Patient/f:id")) == 1
