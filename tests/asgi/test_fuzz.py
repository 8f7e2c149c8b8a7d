"""No input makes the server fail: whatever is sent, the answer is below 500. Spec: http.html#summary."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from uuid_utils import uuid7

from fhir_server import documents
from fhir_server.asgi.server import Api, fhir_api
from fhir_server.foundation import fhir_json
from fhir_server.interactions.request import Limits, Runtime
from fhir_server.operations import OPERATIONS as GENERAL_OPERATIONS
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.terminology.terminology import Terminology
from tests.asgi.conftest import ORIGIN, grant_of

RELAXED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

TYPES = ["Patient", "Observation", "Bundle", "Binary", "AuditEvent", "DocumentReference", "Nothing"]
OPERATIONS = (*GENERAL_OPERATIONS, *documents.OPERATIONS)
OFFERED = [*sorted({f"${operation.code}" for operation in OPERATIONS}), "Composition", "CodeSystem", "ValueSet"]
SEGMENTS = [
    *TYPES,
    *OFFERED,
    *("1", "p", "_history", "_search", "$op", "metadata", "*", "", "é", "a b", "..", "%00", "_history/2"),
]
NAMES = [
    *("_id", "identifier", "name", "subject", "date", "birthdate", "value-quantity", "code-value-quantity"),
    *("_count", "_sort", "_include", "_revinclude", "_cursor", "_summary", "_elements", "_format", "_total", "_pretty"),
    *("_since", "_at", "_lastUpdated", "_type", "mode", "_has:Observation:subject:code", "subject:Patient.name"),
]
VALUES = [
    "1",
    "",
    "Patient/1",
    "a|b",
    "|",
    "ge2020",
    "ap2020-13",
    "xml",
    "json",
    "true",
    "-date",
    "*",
    "5.4|u|mg",
    "Observation:subject",
    "x" * 300,
    "\x00",
    "\ud7ff",
    "$",
    ",",
    "a$b,c",
    "9" * 40,
    "1e400",
    "-1",
    "count",
]
HEADERS = {
    "accept": ["*/*", "application/fhir+xml", "text/html", ";;;,", "application/fhir+json;q=x"],
    "content-type": [
        "application/fhir+json",
        "application/fhir+xml",
        "application/pdf",
        "a/b;charset",
        "",
        ";",
        "application/x-www-form-urlencoded",
        "application/json-patch+json",
        "application/xml-patch+xml",
    ],
    "content-encoding": ["gzip", "br", "identity", ""],
    "accept-encoding": ["gzip", "*;q=0", ","],
    "if-match": ['W/"1"', "*", '"', "W/"],
    "if-none-match": ['W/"1"', "*", ","],
    "if-none-exist": ["identifier=1", "", "?", "%%%", "Patient?name=x", "_count=a&name=b"],
    "if-modified-since": ["Sun, 22 Nov 2026 10:00:00 GMT", "x", "Sun, 99 Nov 99999 10:00:00 GMT", "0"],
    "prefer": ["return=minimal", "handling=lenient", "return=OperationOutcome", "="],
    "content-length": ["1", "-1", "x"],
    "x-security-context": ["Patient/1", "é"],
    "x-request-id": ["a", "a\tb"],
}
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from(["Patient", "Bundle", "1", "transaction", "POST", "urn:uuid:1", "male", "2020"]),
    st.text(max_size=10),
)
MEMBERS = [
    "resourceType",
    "id",
    "meta",
    "type",
    "entry",
    "request",
    "resource",
    "method",
    "url",
    "fullUrl",
    "gender",
    "identifier",
    "value",
    "subject",
    "reference",
    "contained",
    "text",
    "div",
    "extension",
    "source",
    "tag",
    "ifNoneExist",
    "_gender",
    "status",
    "code",
    "data",
    "contentType",
    "birthDate",
    "valueDecimal",
]
TREES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(MEMBERS), inner, max_size=4),
    max_leaves=12,
)
PAIRS = st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.sampled_from(VALUES))
RESOURCES = st.builds(
    lambda name, members: {**members, "resourceType": name},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(MEMBERS), TREES, max_size=5),
)
REQUESTS = st.fixed_dictionaries(
    {
        "method": st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH"]),
        "url": st.sampled_from(
            [
                *("Patient", "Patient/p", "Patient?name=x", "Patient/p/_history", "", "metadata", "Nothing", "?_id=1"),
                *("$op", "$validate", "Patient/p/$everything", "Patient/p/$meta-add", "Observation/$lastn"),
            ]
        ),
    },
    optional={"ifNoneExist": st.sampled_from(["name=x", "", "nope=1"]), "ifMatch": st.just('W/"1"')},
)
FULL_URLS = st.sampled_from(["urn:uuid:1", "http://a/Patient/1", "é"])
ENTRIES = st.fixed_dictionaries({"request": REQUESTS}, optional={"resource": RESOURCES, "fullUrl": FULL_URLS})
BUNDLES = st.builds(
    lambda bundle_type, entries: {"resourceType": "Bundle", "type": bundle_type, "entry": entries},
    st.sampled_from(["batch", "transaction"]),
    st.lists(ENTRIES, max_size=4),
)


class Server:
    """One server for all examples, asked synchronously."""

    def __init__(self, runner: asyncio.Runner, path: Path) -> None:
        self.runner = runner
        self.store = SqliteStore(path)
        runner.run(self.store.open())
        runtime = Runtime(
            self.store,
            lambda: datetime.now(UTC),
            lambda: str(uuid7()),
            Limits(body_bytes=100_000),
            operations=OPERATIONS,
            terminology=Terminology(lambda canonical, resource_type: None),
        )
        transport = httpx.ASGITransport(fhir_api(Api(runtime, grant_of, f"{ORIGIN}/fhir")))
        self.client = httpx.AsyncClient(transport=transport, base_url=ORIGIN)

    def status(self, method: str, path: str, **parts: Any) -> int:
        return self.runner.run(self.client.request(method, path, **parts)).status_code


GIVEN = [
    "url",
    "code",
    "system",
    "path",
    "resource",
    "start",
    "_type",
    "max",
    "patient",
    "id",
    "persist",
    "mode",
    "count",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with asyncio.Runner() as runner:
        made = Server(runner, tmp_path_factory.mktemp("fuzz") / "fhir.sqlite")
        yield made
        runner.run(made.client.aclose())
        runner.run(made.store.close())


@RELAXED
@given(data=st.data())
def test_any_address_and_headers(server: Server, data: st.DataObject) -> None:
    method = data.draw(st.sampled_from(["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"]))
    path = "/".join(data.draw(st.lists(st.sampled_from(SEGMENTS), max_size=5)))
    pairs = data.draw(
        st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), st.sampled_from(VALUES)), max_size=4)
    )
    named = data.draw(st.sets(st.sampled_from(sorted(HEADERS)), max_size=3))
    headers = {name: data.draw(st.sampled_from(HEADERS[name])).encode() for name in sorted(named)}
    body = data.draw(st.binary(max_size=40))
    assert server.status(method, f"/fhir/{path}", params=pairs, headers=headers, content=body) < 500


@RELAXED
@given(resource=RESOURCES, method=st.sampled_from(["POST", "PUT"]), is_lenient=st.booleans())
def test_any_resource(server: Server, resource: dict[str, Any], method: str, is_lenient: bool) -> None:
    name = resource["resourceType"]
    path = f"/fhir/{name}" if method == "POST" else f"/fhir/{name}/{quote(str(resource.get('id', 'p')))}"
    headers = {"prefer": "handling=lenient"} if is_lenient else {}
    assert server.status(method, path, content=fhir_json.format(resource), headers=headers) < 500


@RELAXED
@given(bundle=BUNDLES)
def test_any_bundle(server: Server, bundle: dict[str, Any]) -> None:
    assert server.status("POST", "/fhir", content=fhir_json.format(bundle)) < 500


@RELAXED
@given(body=st.binary(max_size=200), content_type=st.sampled_from(HEADERS["content-type"]))
def test_any_bytes(server: Server, body: bytes, content_type: str) -> None:
    for path in ("/fhir/Patient", "/fhir", "/fhir/Binary", "/fhir/Patient/_search"):
        assert server.status("POST", path, content=body, headers={"content-type": content_type}) < 500


POINTERS = st.lists(st.sampled_from([*MEMBERS, "0", "-", "~1"]), max_size=4).map(
    lambda names: "".join(f"/{n}" for n in names)
)
PATCH_OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": POINTERS},
    optional={"from": POINTERS, "value": TREES},
)
PATHS = st.sampled_from(
    [
        "Patient",
        "Patient.gender",
        "Patient.identifier",
        "Patient.identifier[0].value",
        "gender",
        "1",
        "Patient.name.",
        "$this",
    ]
)
PARTS = st.fixed_dictionaries(
    {"name": st.sampled_from(["type", "path", "name", "value", "index", "source", "destination"])},
    optional={
        "valueCode": st.sampled_from(["add", "insert", "delete", "replace", "move"]),
        "valueString": PATHS,
        "valueInteger": st.integers(-1, 2),
        "part": TREES,
        "valueIdentifier": st.just({"value": "1"}),
    },
)
FHIRPATH_OPERATIONS = st.builds(
    lambda kind, path, more: {
        "name": "operation",
        "part": [{"name": "type", "valueCode": kind}, {"name": "path", "valueString": path}, *more],
    },
    st.sampled_from(["add", "insert", "delete", "replace", "move"]),
    PATHS,
    st.lists(PARTS, max_size=3),
)
SELECTORS = st.lists(
    st.sampled_from(["Patient", "gender", "f:x", "@value", "identifier[1]", "identifier[@id='x']", "*", "..", "//"]),
    max_size=4,
).map("/".join)


@RELAXED
@given(operations=st.lists(PATCH_OPERATIONS, max_size=4), steps=st.lists(FHIRPATH_OPERATIONS, max_size=3))
def test_any_patch(server: Server, operations: list[Any], steps: list[Any]) -> None:
    patient = {"resourceType": "Patient", "id": "p", "gender": "male", "identifier": [{"value": "1"}]}
    server.status("PUT", "/fhir/Patient/p", content=fhir_json.format(patient))
    parameters = fhir_json.format({"resourceType": "Parameters", "parameter": steps})
    json_patch = json.dumps(operations).encode()
    for content_type, body in (("application/json-patch+json", json_patch), ("application/fhir+json", parameters)):
        assert server.status("PATCH", "/fhir/Patient/p", content=body, headers={"content-type": content_type}) < 500


@RELAXED
@given(
    selector=SELECTORS,
    inner=st.sampled_from(["", "<gender value='x'/>", "text"]),
    more=st.sampled_from(["", " pos='after'", " type='@id'"]),
)
def test_any_xml_patch(server: Server, selector: str, inner: str, more: str) -> None:
    for name in ("add", "replace", "remove"):
        body = f'<diff><{name} sel="{selector}"{more}>{inner}</{name}></diff>'.encode()
        headers = {"content-type": "application/xml-patch+xml"}
        assert server.status("PATCH", "/fhir/Patient/p", content=body, headers=headers) < 500


PARAMETER = st.fixed_dictionaries(
    {}, optional={"name": st.text(max_size=5), "part": TREES, "resource": RESOURCES, "valueMeta": TREES}
)
PLACES = {"system": "", "type": "{}/", "instance": "{}/p/", "version": "{}/p/_history/1/"}
INVOKED = [
    f"{PLACES[level].format(resource_type.replace('Resource', 'Patient'))}${operation.code}"
    for operation in OPERATIONS
    for level in operation.levels
    for resource_type in operation.resource_types
]


@RELAXED
@given(path=st.sampled_from(INVOKED), resource=RESOURCES, parameters=st.lists(PARAMETER, max_size=3))
def test_any_body_of_an_operation(server: Server, path: str, resource: dict[str, Any], parameters: list[Any]) -> None:
    for body in (resource, {"resourceType": "Parameters", "parameter": parameters}):
        assert server.status("POST", f"/fhir/{path}", content=fhir_json.format(body)) < 500


@RELAXED
@given(
    path=st.sampled_from(INVOKED),
    pairs=st.lists(st.tuples(st.sampled_from(GIVEN), st.sampled_from(VALUES)), max_size=4),
)
def test_any_address_of_an_operation(server: Server, path: str, pairs: list[tuple[str, str]]) -> None:
    assert server.status("GET", f"/fhir/{path}", params=pairs) < 500
    assert server.status("POST", f"/fhir/{path}", data=dict(pairs)) < 500
