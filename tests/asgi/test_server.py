"""The FHIR API over HTTP. Spec: http.html."""

import asyncio
from collections.abc import MutableMapping
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from fhir_server.access.grant import Grant
from fhir_server.access.scopes import parse_scopes
from fhir_server.asgi.server import Api, fhir_api, path_of
from fhir_server.foundation import fhir_json
from fhir_server.foundation.operation_outcome import Unauthenticated
from fhir_server.interactions.request import Operation, Request, Response, Runtime
from tests.asgi.conftest import ORIGIN

pytestmark = pytest.mark.anyio

PATIENT = {"resourceType": "Patient", "gender": "male"}
JSON = "application/fhir+json;charset=utf-8"
XML = "application/fhir+xml;charset=utf-8"


@pytest.mark.spec("http.html#create")
async def test_create_then_read(client: httpx.AsyncClient) -> None:
    created = await client.post("Patient", json=PATIENT)
    assert created.status_code == 201
    location = created.headers["location"]
    assert location.startswith("http://fhir.example.fr/fhir/Patient/")
    assert location.endswith("/_history/1")
    assert created.headers["etag"] == 'W/"1"'
    assert created.headers["last-modified"].endswith("GMT")
    found = await client.get(location.removesuffix("/_history/1"))
    assert found.content == created.content
    assert found.headers["content-type"] == JSON
    assert (await client.get(location)).content == created.content


@pytest.mark.spec("http.html#head")
async def test_head_is_get_without_its_body(client: httpx.AsyncClient) -> None:
    created = await client.post("Patient", json=PATIENT)
    place = created.headers["location"].removesuffix("/_history/1")
    shown = await client.head(place)
    assert (shown.status_code, shown.content) == (200, b"")
    assert int(shown.headers["content-length"]) == len(created.content)


@pytest.mark.spec("http.html#cread")
async def test_cread_304_has_no_body(client: httpx.AsyncClient) -> None:
    created = await client.post("Patient", json=PATIENT)
    place = created.headers["location"].removesuffix("/_history/1")
    found = await client.get(place, headers={"If-None-Match": created.headers["etag"]})
    assert (found.status_code, found.content) == (304, b"")
    since = await client.get(place, headers={"If-Modified-Since": created.headers["last-modified"]})
    assert since.status_code == 304


@pytest.mark.spec("http.html#mime-type")
async def test_mime_type_xml_in_and_out(client: httpx.AsyncClient) -> None:
    body = b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>'
    created = await client.post(
        "Patient", content=body, headers={"Content-Type": XML, "Accept": "application/fhir+xml"}
    )
    assert created.status_code == 201
    assert created.headers["content-type"] == XML
    assert b'<gender value="male"/>' in created.content
    refused = await client.get("Patient/nobody", params={"_format": "xml"})
    assert (refused.status_code, refused.headers["content-type"]) == (404, XML)
    assert b"<OperationOutcome" in refused.content


@pytest.mark.spec("http.html#mime-type")
async def test_mime_type_of_a_refusal_before_anything_is_understood(client: httpx.AsyncClient) -> None:
    accept = {"Accept": "application/fhir+xml"}
    for path in ("Patinet/1", "Patient/a%20b", "Patient/1/2/3/4"):
        assert (await client.get(path, headers=accept)).headers["content-type"] == XML
    assert (await client.get("Patinet/1?_format=xml")).headers["content-type"] == XML
    assert (await client.get("Patinet/1", headers={"Accept": "text/html"})).headers["content-type"] == JSON


@pytest.mark.spec("http.html#mime-type")
async def test_mime_type_refusals(client: httpx.AsyncClient) -> None:
    refused = await client.get("Patient/1", headers={"Accept": "text/turtle"})
    assert refused.status_code == 406
    assert refused.json()["resourceType"] == "OperationOutcome"
    assert (await client.post("Patient", content=b"x", headers={"Content-Type": "text/plain"})).status_code == 415
    packed = await client.post("Patient", json=PATIENT, headers={"Content-Encoding": "br"})
    assert packed.status_code == 415


@pytest.mark.spec("http.html#pretty")
async def test_pretty_indents(client: httpx.AsyncClient) -> None:
    shown = await client.get("Patient", params={"_pretty": "true"})
    assert b"\n  " in shown.content


@pytest.mark.spec("http.html#search")
async def test_search_by_form_is_search_by_address_and_its_pages_continue_by_get(client: httpx.AsyncClient) -> None:
    for _ in range(3):
        await client.post("Patient", json=PATIENT)
    by_form = await client.post("Patient/_search?_count=2", data={"gender": "male"})
    by_address = await client.get("Patient?_count=2&gender=male")
    assert by_form.status_code == 200
    assert [e["fullUrl"] for e in by_form.json()["entry"]] == [e["fullUrl"] for e in by_address.json()["entry"]]
    links = {link["relation"]: link["url"] for link in by_form.json()["link"]}
    assert len((await client.get(links["next"])).json()["entry"]) == 1


@pytest.mark.spec("http.html#search")
async def test_search_lenient_tells_what_it_ignored(client: httpx.AsyncClient) -> None:
    strict = await client.get("Patient?gendre=male")
    assert strict.status_code == 400
    assert "gender" in strict.json()["issue"][0]["diagnostics"]
    lenient = await client.get("Patient?gendre=male", headers={"Prefer": "handling=lenient"})
    assert lenient.status_code == 200


@pytest.mark.spec("http.html#summary")
async def test_summary_wrong_methods_and_addresses(client: httpx.AsyncClient) -> None:
    refused = await client.put("Patient/1/_history", json={})
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS")
    assert (await client.get("Patinet/1")).status_code == 404
    assert (await client.get("Patient/a%20b")).status_code == 400
    assert (await client.get("Patient/1/2/3/4/5")).status_code == 404
    assert (await client.get("Patient/1/$nothing")).status_code == 404


@pytest.mark.spec("http.html#general")
async def test_general_too_large_a_body_is_413_before_it_is_read(client: httpx.AsyncClient) -> None:
    assert (await client.post("Patient", content=b"x" * 100_001)).status_code == 413

    async def endless() -> Any:
        while True:
            yield b"x" * 10_000

    assert (await client.post("Patient", content=endless())).status_code == 413


async def test_general_too_slow_a_body_is_408(client: httpx.AsyncClient) -> None:
    async def slow() -> Any:
        yield b"{"
        await asyncio.sleep(5)

    assert (await client.post("Patient", content=slow())).status_code == 408


@pytest.mark.spec("binary.html#rest")
async def test_binary_goes_in_and_out_as_it_is(client: httpx.AsyncClient) -> None:
    headers = {"Content-Type": "application/pdf", "X-Security-Context": "Patient/1"}
    created = await client.post("Binary", content=b"%PDF-1.7 \xff", headers=headers)
    assert created.status_code == 201
    place = created.headers["location"].removesuffix("/_history/1")
    native = await client.get(place, headers={"Accept": "*/*"})
    assert (native.content, native.headers["content-type"]) == (b"%PDF-1.7 \xff", "application/pdf")
    resource = (await client.get(place, headers={"Accept": "application/fhir+json"})).json()
    assert resource["securityContext"] == {"reference": "Patient/1"}
    assert resource["contentType"] == "application/pdf"
    sent = await client.post("Binary", json={"resourceType": "Binary", "contentType": "text/plain", "data": "aGk="})
    again = await client.get(sent.headers["location"].removesuffix("/_history/1"), headers={"Accept": "text/plain"})
    assert again.content == b"hi"
    updated = await client.put(place, content=b"<a/>", headers={"Content-Type": "text/xml"})
    assert updated.status_code == 200
    assert (await client.get(place, headers={"Accept": "text/xml"})).content == b"<a/>"


async def test_binary_cannot_break_out_of_its_header(client: httpx.AsyncClient) -> None:
    binary = {"resourceType": "Binary", "contentType": "text/plain\r\nset-cookie: a=b", "data": "aGk="}
    created = await client.post("Binary", json=binary)
    if created.status_code == 201:
        shown = await client.get(created.headers["location"].removesuffix("/_history/1"), headers={"Accept": "*/*"})
        assert shown.headers["content-type"] == "application/octet-stream"
        assert "set-cookie" not in shown.headers


@pytest.mark.spec("http.html#security")
async def test_security_headers_and_request_id(client: httpx.AsyncClient) -> None:
    shown = await client.get("Patient/1", headers={"X-Request-Id": "mine-1"})
    assert shown.headers["x-request-id"] == "mine-1"
    assert shown.headers["cache-control"] == "no-store"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert (await client.get("Patient/1", headers={"X-Request-Id": "a b"})).headers["x-request-id"].startswith("new-")


@pytest.mark.spec("security.html#authentication")
async def test_authentication_refused_is_401_with_a_challenge(client: httpx.AsyncClient) -> None:
    refused = await client.get("Patient/1", headers={"Authorization": "Bearer stolen"})
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("Bearer")
    assert refused.json()["issue"][0]["code"] == "login"
    assert (await client.get("metadata", headers={"Authorization": "Bearer stolen"})).status_code == 200


@pytest.mark.spec("rfc6750#section-3.1")
async def test_a_scope_that_is_missing_is_told_in_the_challenge(api: Api) -> None:
    async def grant_of(header: str) -> Grant:
        return Grant("system", "Device/1", "app", parse_scopes("system/Patient.r"))

    transport = httpx.ASGITransport(fhir_api(replace(api, grant_of=grant_of)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        refused = await client.get("Observation/1")
        assert refused.status_code == 403
        assert refused.headers["www-authenticate"] == 'Bearer realm="fhir", error="insufficient_scope"'
        assert "www-authenticate" not in (await client.get("Patient/1")).headers


@pytest.mark.spec("security.html#cors")
async def test_cors_known_origins_only(client: httpx.AsyncClient) -> None:
    known = {"Origin": "https://app.example.fr"}
    asked = await client.options("Patient", headers={**known, "Access-Control-Request-Method": "PUT"})
    assert asked.status_code == 204
    assert "PUT" in asked.headers["access-control-allow-methods"]
    assert asked.headers["access-control-allow-origin"] == known["Origin"]
    assert (await client.get("Patient/nobody", headers=known)).headers["access-control-allow-origin"] == known["Origin"]
    other = await client.get("Patient/nobody", headers={"Origin": "https://evil.example.fr"})
    assert "access-control-allow-origin" not in other.headers


async def test_what_is_outside_the_base_goes_to_the_fallback(api: Api) -> None:
    async def pages(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"a page"})

    for fallback, expected in ((pages, 200), (None, 404)):
        transport = httpx.ASGITransport(fhir_api(replace(api, fallback=fallback)))
        async with httpx.AsyncClient(transport=transport, base_url="http://fhir.example.fr") as client:
            assert (await client.get("/")).status_code == expected
            assert (await client.get("/fhirish")).status_code == expected
            assert (await client.get("/fhir/metadata")).status_code == 200


async def test_smart_configuration_is_served_when_there_is_one(api: Api, client: httpx.AsyncClient) -> None:
    assert (await client.get(".well-known/smart-configuration")).status_code == 404
    transport = httpx.ASGITransport(fhir_api(replace(api, smart_configuration=lambda: b'{"issuer":"x"}')))
    async with httpx.AsyncClient(transport=transport, base_url="http://fhir.example.fr/fhir/") as smart:
        shown = await smart.get(".well-known/smart-configuration", headers={"Accept": "text/html"})
        assert (shown.json(), shown.headers["content-type"]) == ({"issuer": "x"}, "application/json")
        assert (await smart.post(".well-known/smart-configuration")).status_code == 405


async def test_a_fault_is_500_without_details(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    async def broken(header: str) -> Any:
        raise ZeroDivisionError("the secret")

    transport = httpx.ASGITransport(fhir_api(replace(api, grant_of=broken)))
    async with httpx.AsyncClient(transport=transport, base_url="http://fhir.example.fr/fhir/") as client:
        shown = await client.get("Patient/1", headers={"X-Request-Id": "quoted"})
    assert shown.status_code == 500
    assert "the secret" not in shown.text
    assert "quoted" in shown.json()["issue"][0]["diagnostics"]
    assert "quoted" in caplog.text


async def test_lifespan_opens_and_closes_the_store(api: Api) -> None:
    await api.runtime.store.close()
    told: list[str] = []
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> MutableMapping[str, Any]:
        return {"type": next(messages)}

    async def send(message: MutableMapping[str, Any]) -> None:
        told.append(message["type"])

    await fhir_api(api)({"type": "lifespan"}, receive, send)
    assert told == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    await api.runtime.store.open()


@pytest.mark.parametrize(
    ("base_url", "path"), [("http://a/fhir", "/fhir"), ("http://a", ""), ("https://a/b/c", "/b/c")]
)
def test_the_api_is_served_at_the_path_of_its_base(base_url: str, path: str) -> None:
    assert path_of(base_url) == path


async def test_a_transaction_over_http(client: httpx.AsyncClient) -> None:
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"request": {"method": "POST", "url": "Patient"}, "resource": PATIENT}],
    }
    done = await client.post("", content=fhir_json.format(bundle), headers={"Content-Type": JSON})
    assert done.status_code == 200
    assert done.json()["entry"][0]["response"]["status"] == "201 Created"


@pytest.mark.spec("operations.html#request")
async def test_an_operation_gets_its_parameters_and_its_body_as_it_was_sent(api: Api) -> None:
    asked: list[Request] = []

    async def invoke(request: Request, runtime: Runtime) -> Response:
        asked.append(request)
        return Response(200, b"<a/>", "application/xml")

    canonical = "http://fhir.example.fr/fhir/OperationDefinition/echo"
    echo = Operation("echo", canonical, invoke, ("Patient",), ("system", "instance"), is_affecting=True)
    runtime = replace(api.runtime, operations=(echo,))
    transport = httpx.ASGITransport(fhir_api(replace(api, runtime=runtime)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        done = await client.post("$echo?a=1", content=b"<cda/>", headers={"Content-Type": "text/xml"})
        assert (done.status_code, done.content, done.headers["content-type"]) == (200, b"<a/>", "application/xml")
        fhir = b'<Parameters xmlns="http://hl7.org/fhir"/>'
        await client.post("Patient/1/$echo", content=fhir, headers={"Content-Type": "application/fhir+xml"})
        assert (await client.get("$echo")).status_code == 405
        assert (await client.post("Observation/1/$echo")).status_code == 404
        assert (await client.post("Patient/$echo")).status_code == 404
        statement = (await client.get("metadata")).json()
    assert [(one.content, one.media_type, one.resource) for one in asked] == [
        (b"<cda/>", "text/xml", None),
        (b"", "application/fhir+xml", {"resourceType": "Parameters"}),
    ]
    assert asked[0].parameters == (("a", "1"),)
    (rest,) = statement["rest"]
    promised = {"name": "echo", "definition": canonical}
    assert rest["operation"] == [promised]
    assert [one["type"] for one in rest["resource"] if promised in one.get("operation", [])] == ["Patient"]


@pytest.mark.spec("security.html#cors")
async def test_cors_registered_clients_may_call(api: Api) -> None:
    async def origins_of() -> frozenset[str]:
        return frozenset({"https://carnet.example.fr"})

    transport = httpx.ASGITransport(fhir_api(replace(api, origins_of=origins_of)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        for origin in ("https://carnet.example.fr", "https://app.example.fr"):
            answered = await client.get("Patient/nobody", headers={"Origin": origin})
            assert answered.headers["access-control-allow-origin"] == origin
        other = await client.get("Patient/nobody", headers={"Origin": "https://evil.example.fr"})
        assert "access-control-allow-origin" not in other.headers
        public = await client.get("metadata", headers={"Origin": "https://evil.example.fr"})
        assert public.headers["access-control-allow-origin"] == "*"


@pytest.mark.spec("http.html#summary")
async def test_summary_401_says_what_a_refusal_says_of_the_token(api: Api) -> None:
    async def grant_of(header: str) -> Grant:
        refusal = Unauthenticated("The token does not hold.")
        if header:
            refusal.www_authenticate = 'Bearer realm="fhir", error="invalid_token"'  # type: ignore[attr-defined]
        raise refusal

    transport = httpx.ASGITransport(fhir_api(replace(api, grant_of=grant_of)))
    async with httpx.AsyncClient(transport=transport, base_url=f"{ORIGIN}/fhir/") as client:
        bare = await client.get("Patient/1")
        assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="fhir"')
        wrong = await client.get("Patient/1", headers={"Authorization": "Bearer x"})
        assert wrong.headers["www-authenticate"] == 'Bearer realm="fhir", error="invalid_token"'


@pytest.mark.spec("http.html#patch")
async def test_patch_formats(client: httpx.AsyncClient) -> None:
    await client.put("Patient/p", json={**PATIENT, "id": "p"})
    json_patch = '[{"op":"replace","path":"/gender","value":"female"}]'
    xml_patch = '<diff><replace sel="Patient/gender/@value">other</replace></diff>'
    fhirpath_patch = (
        '<Parameters xmlns="http://hl7.org/fhir"><parameter><name value="operation"/>'
        '<part><name value="type"/><valueCode value="delete"/></part>'
        '<part><name value="path"/><valueString value="Patient.gender"/></part></parameter></Parameters>'
    )
    for media_type, body, gender in (
        ("application/json-patch+json", json_patch, "female"),
        ("application/xml-patch+xml", xml_patch, "other"),
        ("application/fhir+xml", fhirpath_patch, None),
    ):
        patched = await client.patch("Patient/p", content=body, headers={"Content-Type": media_type})
        assert (patched.status_code, patched.json().get("gender")) == (200, gender)
    refused = await client.patch("Patient/p", content=b"x", headers={"Content-Type": "text/plain"})
    assert refused.status_code == 415
    assert "application/json-patch+json" in refused.headers["accept-patch"]


@pytest.mark.spec("http.html#mime-type")
@pytest.mark.parametrize(
    ("accept", "shown"),
    [
        ("application/json", "application/json"),
        ("text/json", "text/json"),
        ("application/xml", "application/xml"),
        ("text/xml;q=0.5", "text/xml"),
        ("text/html, application/xml;q=0.9, */*;q=0.8", "application/xml"),
        ("application/fhir+json, application/json;q=0.9", "application/fhir+json"),
        ("*/*", "application/fhir+json"),
        ("application/xml+fhir", "application/fhir+xml"),
    ],
)
async def test_mime_type_a_generic_one_comes_back_under_its_name(
    client: httpx.AsyncClient, accept: str, shown: str
) -> None:
    for path in ("metadata", "Patient/nobody"):
        answer = await client.get(path, headers={"accept": accept})
        assert answer.headers["content-type"] == f"{shown};charset=utf-8"


@pytest.mark.spec("http.html#pretty")
async def test_pretty_xml_keeps_the_narrative(client: httpx.AsyncClient) -> None:
    div = '<div xmlns="http://www.w3.org/1999/xhtml"><p>a <b>b</b> c</p></div>'
    body = {"resourceType": "Patient", "id": "p", "active": True, "text": {"status": "generated", "div": div}}
    await client.put("Patient/p", json=body)
    pretty = (await client.get("Patient/p?_pretty=true&_format=xml")).text
    assert div in pretty
    assert '\n  <active value="true"/>\n</Patient>' in pretty
    again = await client.put("Patient/p", content=pretty, headers={"content-type": "application/fhir+xml"})
    assert again.json()["text"] == body["text"]


@pytest.mark.spec("http.html#capabilities")
async def test_capabilities_have_an_etag_and_short_forms(client: httpx.AsyncClient) -> None:
    whole = await client.get("metadata")
    assert (await client.get("metadata", headers={"if-none-match": whole.headers["etag"]})).status_code == 304
    assert (await client.get("metadata?mode=terminology")).headers["etag"] != whole.headers["etag"]
    short = (await client.get("metadata?_summary=true")).json()
    assert (short["meta"]["tag"][0]["code"], short["fhirVersion"]) == ("SUBSETTED", "4.0.1")
    assert set((await client.get("metadata?_elements=format,rest")).json()) >= {"format", "rest", "status"}


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize(
    ("content_type", "body", "stored"),
    [
        ("application/pdf", b"%PDF", "application/pdf"),
        ("text/plain", b"", "text/plain"),
        ("application/json", b'{"a":1}', "application/json"),
        ("application/json", b"[", "application/json"),
        ("application/fhir+json", b'{"resourceType":"Patient"}', "application/fhir+json"),
        ("application/fhir+xml", b'<Patient xmlns="http://hl7.org/fhir"/>', "application/fhir+xml"),
        ("application/xml", b"<ClinicalDocument/>", "application/xml"),
        ("", b"abc", "application/octet-stream"),
    ],
)
async def test_binary_holds_what_is_no_binary(
    client: httpx.AsyncClient, content_type: str, body: bytes, stored: str
) -> None:
    headers = {"content-type": content_type, "x-security-context": "Patient/1"}
    made = await client.post("Binary", content=body, headers=headers)
    assert (made.status_code, made.json()["contentType"]) == (201, stored)
    read = await client.get(made.headers["location"])
    assert (read.content, read.headers["content-type"], read.headers["etag"]) == (body, stored, 'W/"1"')
    assert read.headers["x-security-context"] == "Patient/1"
    shown = await client.get(made.headers["location"], headers={"accept": "application/fhir+xml"})
    assert shown.text.startswith("<?xml")
    assert (await client.get(made.headers["location"], headers={"accept": "image/png"})).status_code == 406


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize("content_type", ["application/fhir+json", "application/json", ""])
async def test_binary_resource_is_one_under_any_name_of_json(client: httpx.AsyncClient, content_type: str) -> None:
    body = b'{"resourceType":"Binary","contentType":"text/plain","data":"YQ=="}'
    made = await client.post("Binary", content=body, headers={"content-type": content_type})
    assert (await client.get(made.headers["location"])).content == b"a"


@pytest.mark.spec("binary.html#rest")
@pytest.mark.parametrize("form", ["json", "xml"])
async def test_binary_that_is_cut_short_is_refused(client: httpx.AsyncClient, form: str) -> None:
    made = await client.post("Binary", content=b'{"res', headers={"content-type": f"application/fhir+{form}"})
    assert made.status_code == 400


@pytest.mark.spec("http.html#search")
async def test_search_by_post_says_its_format_in_the_form_too(client: httpx.AsyncClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    found = await client.post("Patient/_search", content=b"_format=xml&_pretty=true", headers=headers)
    assert found.headers["content-type"] == "application/fhir+xml;charset=utf-8"
    assert b"\n  <type" in found.content
    refused = await client.post("Patient/_search", content=b"_format=turtle", headers=headers)
    assert refused.status_code == 406


@pytest.mark.spec("http.html#search")
@pytest.mark.parametrize("kind", ["batch", "transaction"])
async def test_search_in_a_bundle_has_no_resource_that_would_be_ignored(client: httpx.AsyncClient, kind: str) -> None:
    entry = {"request": {"method": "POST", "url": "Patient/_search"}, "resource": {"resourceType": "Parameters"}}
    answered = await client.post("", json={"resourceType": "Bundle", "type": kind, "entry": [entry]})
    told = answered.json()["entry"][0]["response"]["status"] if kind == "batch" else str(answered.status_code)
    assert told == "422"
