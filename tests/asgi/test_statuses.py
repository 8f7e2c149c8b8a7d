"""The table of statuses: what http.html says of each interaction, each case and each header; one row one case.

The world of each row is the same: `one` has version 2 and is alone of its identifier, `twin-1` and `twin-2` share one,
`gone` was deleted. A row is: clause, name, request, status, issue code ("" for an answer without OperationOutcome).
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Any, Final, NamedTuple

import httpx
import pytest

from fhir_server.foundation import fhir_json

pytestmark = pytest.mark.anyio

FHIR: Final = "application/fhir+json"
JSON_PATCH: Final = "application/json-patch+json"
MALE: Final = [{"op": "replace", "path": "/gender", "value": "male"}]


NONE: Final[Mapping[str, str]] = {}


class Row(NamedTuple):
    clause: str
    name: str
    method: str
    path: str
    status: int
    code: str = ""
    body: Any = None
    headers: Mapping[str, str] = NONE
    expected: Mapping[str, str] = NONE
    """Headers that the answer has."""


def patient(**members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", **members}


def named(value: str, **members: Any) -> dict[str, Any]:
    return patient(identifier=[{"system": "urn:s", "value": value}], **members)


def etag(version: int) -> dict[str, str]:
    return {"etag": f'W/"{version}"'}


def location(place: str) -> dict[str, str]:
    return {"location": f"http://fhir.example.fr/fhir/{place}"}


def sent(option: str) -> dict[str, str]:
    return {"content-type": f"{FHIR};{option}"}


def accept(option: str) -> dict[str, str]:
    return {"accept": f"{FHIR};{option}"}


def allow(methods: str) -> dict[str, str]:
    return {"allow": f"{methods}, OPTIONS"}


REQUEST_ID: Final = {"x-request-id": "a-1"}
CORRELATION_ID: Final = {"x-correlation-id": "b"}
MINIMAL: Final = {"prefer": "return=minimal"}
SAME: Final = {"if-none-match": 'W/"2"'}
ENCODED: Final = "application/fhir%2Bjson"
OLD: Final = "Fri, 02 Jan 2015 10:00:00 GMT"
LATER: Final = "Sat, 02 Jan 2027 10:00:00 GMT"
OUTCOME: Final = {"prefer": "return=OperationOutcome"}
TEXT: Final = {"content-type": "text/plain"}
ONE: Final = patient(id="one")

READS: Final = [
    Row("read", "read", "GET", "Patient/one", 200, expected=etag(2)),
    Row("read", "read of an unknown id", "GET", "Patient/nobody", 404, "not-found"),
    Row("read", "read of an unknown type", "GET", "Nothing/one", 404, "not-supported"),
    Row("read", "types are case sensitive", "GET", "patient/one", 404, "not-supported"),
    Row("read", "read of a deleted resource", "GET", "Patient/gone", 410, "deleted"),
    Row("read", "read with an id that can be none", "GET", "Patient/a_b", 400, "invalid"),
    Row("read", "read with too long an id", "GET", f"Patient/{'a' * 65}", 400, "invalid"),
    Row("vread", "vread", "GET", "Patient/one/_history/1", 200, expected=etag(1)),
    Row("vread", "vread of a version that never was", "GET", "Patient/one/_history/7", 404, "not-found"),
    Row("vread", "vread of a version of another form", "GET", "Patient/one/_history/x", 404, "not-found"),
    Row("vread", "vread of the deletion", "GET", "Patient/gone/_history/2", 410, "deleted"),
    Row("vread", "vread of what was deleted later", "GET", "Patient/gone/_history/1", 200, expected=etag(1)),
    Row("cread", "If-None-Match, same", "GET", "Patient/one", 304, headers=SAME, expected=etag(2)),
    Row("cread", "If-None-Match, strong", "GET", "Patient/one", 304, headers={"if-none-match": '"2"'}),
    Row("cread", "If-None-Match, in a list", "GET", "Patient/one", 304, headers={"if-none-match": 'W/"1", W/"2"'}),
    Row("cread", "If-None-Match, older", "GET", "Patient/one", 200, headers={"if-none-match": 'W/"1"'}),
    Row("cread", "If-None-Match, vread", "GET", "Patient/one/_history/1", 304, headers={"if-none-match": 'W/"1"'}),
    Row("cread", "If-Modified-Since, unchanged", "GET", "Patient/one", 304, headers={"if-modified-since": LATER}),
    Row("cread", "If-Modified-Since, changed", "GET", "Patient/one", 200, headers={"if-modified-since": OLD}),
    Row("cread", "If-Modified-Since that is no date", "GET", "Patient/one", 200, headers={"if-modified-since": "x"}),
    Row("head", "HEAD of a resource", "HEAD", "Patient/one", 200, expected=etag(2)),
    Row("head", "HEAD of a version", "HEAD", "Patient/one/_history/1", 200, expected=etag(1)),
    Row("head", "HEAD of a history", "HEAD", "Patient/one/_history", 200),
    Row("head", "HEAD of the statement", "HEAD", "metadata", 200),
    Row("head", "HEAD of a search", "HEAD", "Patient?gender=male", 200),
    Row("head", "HEAD of the unknown", "HEAD", "Patient/nobody", 404),
    Row("head", "HEAD of what the client has", "HEAD", "Patient/one", 304, headers=SAME),
]
CREATES: Final = [
    Row("create", "create", "POST", "Patient", 201, body=patient(), expected=location("Patient/new-*/_history/1")),
    Row("create", "an id is ignored", "POST", "Patient", 201, body=ONE, expected=location("Patient/new-*/_history/1")),
    Row("create", "no resourceType", "POST", "Patient", 400, "structure", body={"gender": "male"}),
    Row("create", "another resourceType", "POST", "Patient", 400, "invalid", body={"resourceType": "Device"}),
    Row("create", "an unknown resourceType", "POST", "Patient", 400, "structure", body={"resourceType": "Thing"}),
    Row("create", "an unknown type", "POST", "Thing", 404, "not-supported", body={"resourceType": "Thing"}),
    Row("create", "no body", "POST", "Patient", 400, "structure", body=b""),
    Row("create", "no JSON", "POST", "Patient", 400, "structure", body=b"{"),
    Row("create", "no object", "POST", "Patient", 400, "structure", body=b"[]"),
    Row("create", "no valid code", "POST", "Patient", 422, "code-invalid", body=patient(gender="x")),
    Row("create", "an unknown element", "POST", "Patient", 422, "structure", body=patient(nothing=1)),
    Row("prefer", "minimal", "POST", "Patient", 201, body=patient(), headers=MINIMAL, expected=etag(1)),
    Row("prefer", "OperationOutcome", "POST", "Patient", 201, "informational", body=patient(), headers=OUTCOME),
    Row("prefer", "unknown", "POST", "Patient", 201, body=patient(), headers={"prefer": "return=all, wait=1"}),
    Row(
        "ccreate", "no match", "POST", "Patient", 201, body=named("n"), headers={"if-none-exist": "identifier=urn:s|n"}
    ),
    Row(
        *("ccreate", "one match", "POST", "Patient", 200),
        body=named("one"),
        headers={"if-none-exist": "identifier=urn:s|one"},
        expected=etag(2) | location("Patient/one/_history/2"),
    ),
    Row(
        *("ccreate", "two matches", "POST", "Patient", 412, "multiple-matches"),
        body=named("twin"),
        headers={"if-none-exist": "identifier=urn:s|twin"},
    ),
    Row("ccreate", "criteria say nothing", "POST", "Patient", 412, "conflict", patient(), {"if-none-exist": ""}),
    Row("ccreate", "unknown criteria", "POST", "Patient", 400, "invalid", patient(), {"if-none-exist": "x=1"}),
]
UPDATES: Final = [
    Row("update", "update", "PUT", "Patient/one", 200, body=ONE, expected=etag(3) | location("Patient/one/_history/3")),
    Row("update", "no id in the body", "PUT", "Patient/one", 400, "invalid", body=patient()),
    Row("update", "another id in the body", "PUT", "Patient/one", 400, "invalid", body=patient(id="other")),
    Row("update", "another type in the body", "PUT", "Patient/one", 400, "invalid", body={"resourceType": "Device"}),
    Row("update", "an id that can be none", "PUT", "Patient/a_b", 400, "invalid", body=patient(id="a_b")),
    Row("upsert", "the client's id", "PUT", "Patient/mine", 201, body=patient(id="mine"), expected=etag(1)),
    Row("upsert", "what was deleted comes back", "PUT", "Patient/gone", 201, body=patient(id="gone"), expected=etag(3)),
    Row("concurrency", "If-Match, current", "PUT", "Patient/one", 200, body=ONE, headers={"if-match": 'W/"2"'}),
    Row("concurrency", "If-Match, strong", "PUT", "Patient/one", 200, body=ONE, headers={"if-match": '"2"'}),
    Row("concurrency", "If-Match, older", "PUT", "Patient/one", 412, "conflict", ONE, {"if-match": 'W/"1"'}),
    Row("concurrency", "If-Match of nothing", "PUT", "Patient/x", 412, "conflict", patient(id="x"), {"if-match": "*"}),
    Row("concurrency", "If-None-Match: *", "PUT", "Patient/one", 412, "conflict", ONE, {"if-none-match": "*"}),
    Row("concurrency", "patch, If-Match, older", "PATCH", "Patient/one", 412, "conflict", MALE, {"if-match": 'W/"1"'}),
    Row(
        "concurrency", "delete, If-Match, older", "DELETE", "Patient/one", 412, "conflict", headers={"if-match": '"1"'}
    ),
    Row("cond-update", "no match, no id", "PUT", "Patient?identifier=urn:s|n", 201, body=named("n")),
    Row("cond-update", "no match, new id", "PUT", "Patient?identifier=urn:s|n", 201, body=named("n", id="mine")),
    Row("cond-update", "no match, used id", "PUT", "Patient?identifier=urn:s|n", 409, "conflict", named("n", id="one")),
    Row(
        "cond-update",
        "one match, no id",
        "PUT",
        "Patient?identifier=urn:s|one",
        200,
        body=named("one"),
        expected=etag(3),
    ),
    Row("cond-update", "one match, its id", "PUT", "Patient?identifier=urn:s|one", 200, body=named("one", id="one")),
    Row(
        "cond-update", "one match, another", "PUT", "Patient?identifier=urn:s|one", 400, "invalid", named("one", id="x")
    ),
    Row("cond-update", "two", "PUT", "Patient?identifier=urn:s|twin", 412, "multiple-matches", named("twin")),
    Row("cond-update", "criteria say nothing", "PUT", "Patient", 412, "conflict", patient()),
    Row("cond-update", "unknown criteria", "PUT", "Patient?x=1", 400, "invalid", patient()),
    Row(
        "patch", "patch", "PATCH", "Patient/one", 200, body=MALE, expected=etag(3) | location("Patient/one/_history/3")
    ),
    Row("patch", "of the unknown", "PATCH", "Patient/nobody", 404, "not-found", MALE),
    Row("patch", "of the deleted", "PATCH", "Patient/gone", 410, "deleted", MALE),
    Row(
        "patch",
        "a test fails",
        "PATCH",
        "Patient/one",
        422,
        "processing",
        [{"op": "test", "path": "/id", "value": "x"}],
    ),
    Row("patch", "does not fit", "PATCH", "Patient/one", 409, "conflict", [{"op": "remove", "path": "/contact"}]),
    Row("patch", "no patch", "PATCH", "Patient/one", 400, "invalid", [{"op": "paint"}]),
    Row("patch", "nothing", "PATCH", "Patient/one", 400, "structure", b""),
    Row("patch", "makes what is not valid", "PATCH", "Patient/one", 422, "code-invalid", [MALE[0] | {"value": "x"}]),
    Row("patch", "another type of body", "PATCH", "Patient/one", 415, "not-supported", MALE, TEXT),
    Row("patch", "no match", "PATCH", "Patient?identifier=urn:s|n", 404, "not-found", MALE),
    Row("patch", "one match", "PATCH", "Patient?identifier=urn:s|one", 200, body=MALE, expected=etag(3)),
    Row("patch", "two matches", "PATCH", "Patient?identifier=urn:s|twin", 412, "multiple-matches", MALE),
]
DELETES: Final = [
    Row("delete", "delete", "DELETE", "Patient/one", 204, expected=etag(3)),
    Row("delete", "of the deleted", "DELETE", "Patient/gone", 204),
    Row("delete", "of the unknown", "DELETE", "Patient/nobody", 204),
    Row("delete", "of a version", "DELETE", "Patient/one/_history/1", 405, "not-supported"),
    Row("cdelete", "no match", "DELETE", "Patient?identifier=urn:s|n", 204),
    Row("cdelete", "one match", "DELETE", "Patient?identifier=urn:s|one", 204),
    Row("cdelete", "two matches", "DELETE", "Patient?identifier=urn:s|twin", 200, "informational"),
    Row("cdelete", "criteria say nothing", "DELETE", "Patient", 412, "conflict"),
    Row("cdelete", "unknown criteria", "DELETE", "Patient?x=1", 400, "invalid"),
]
FORM: Final = {"content-type": "application/x-www-form-urlencoded"}
LISTS: Final = [
    Row("search", "search", "GET", "Patient?gender=female", 200),
    Row("search", "search of all types", "GET", "?_type=Patient,Device", 200),
    Row("search", "by POST", "POST", "Patient/_search", 200, body=b"gender=female", headers=FORM),
    Row("search", "by POST, of all types", "POST", "_search", 200, body=b"_type=Patient", headers=FORM),
    Row("search", "by POST, as JSON", "POST", "Patient/_search", 415, "not-supported", b"{}"),
    Row("search", "by POST, without a body", "POST", "Patient/_search?gender=female", 200),
    Row("search", "by POST, as JSON text", "POST", "Patient/_search", 415, "not-supported", b"x=1", TEXT),
    Row("search", "unknown parameter", "GET", "Patient?nothing=1", 400, "invalid"),
    Row("search", "unknown, lenient", "GET", "Patient?nothing=1", 200, headers={"prefer": "handling=lenient"}),
    Row("search", "unknown, strict", "GET", "Patient?nothing=1", 400, "invalid", headers={"prefer": "handling=strict"}),
    Row("search", "asynchronous: answered at once", "GET", "Patient", 200, headers={"prefer": "respond-async"}),
    Row("search", "GET of _search", "GET", "Patient/_search", 405, "not-supported", expected=allow("POST")),
    Row("vsearch", "compartment", "GET", "Patient/one/Observation", 200),
    Row("vsearch", "compartment, all types", "GET", "Patient/one/*", 200),
    Row("vsearch", "compartment by POST", "POST", "Patient/one/Observation/_search", 200, body=b"code=x", headers=FORM),
    Row(
        "vsearch", "compartment by POST, all types", "POST", "Patient/one/_search", 200, body=b"_count=1", headers=FORM
    ),
    Row("vsearch", "of no compartment", "GET", "Organization/one/Observation", 404, "not-found"),
    Row("history", "of a resource", "GET", "Patient/one/_history", 200),
    Row("history", "of a deleted resource", "GET", "Patient/gone/_history", 200),
    Row("history", "of an unknown resource", "GET", "Patient/nobody/_history", 404, "not-found"),
    Row("history", "of a type", "GET", "Patient/_history?_count=1", 200),
    Row("history", "of the system", "GET", "_history?_count=1", 200),
    Row("history", "unknown parameter", "GET", "Patient/_history?name=x", 400, "invalid"),
    Row("history", "a parameter twice", "GET", "Patient/_history?_count=1&_count=2", 400, "invalid"),
    Row("history", "by POST", "POST", "Patient/_history", 405, "not-supported", b"", expected=allow("GET, HEAD")),
    Row("capabilities", "statement", "GET", "metadata", 200),
    Row("capabilities", "normative", "GET", "metadata?mode=normative", 200),
    Row("capabilities", "terminology", "GET", "metadata?mode=terminology", 200),
    Row("capabilities", "unknown mode", "GET", "metadata?mode=x", 400, "invalid"),
    Row("capabilities", "by POST", "POST", "metadata", 405, "not-supported", b""),
    Row("transaction", "no Bundle", "POST", "", 422, "processing", body=patient()),
    *(
        Row("other-bundles", kind, "POST", "", 422, "processing", body={"resourceType": "Bundle", "type": kind})
        for kind in ("collection", "document", "history", "message", "searchset", "batch-response", "nothing")
    ),
    Row("transaction", "nothing to do", "POST", "", 200, body={"resourceType": "Bundle", "type": "transaction"}),
]
HTTP: Final = [
    Row("mime-type", "a body of another type", "POST", "Patient", 415, "not-supported", b"x", TEXT),
    Row("mime-type", "a body of no type", "POST", "Patient", 201, body=patient(), headers={"content-type": ""}),
    Row("mime-type", "another charset", "POST", "Patient", 415, "not-supported", patient(), sent("charset=latin1")),
    Row("mime-type", "UTF-8", "POST", "Patient", 201, body=patient(), headers=sent("charset=UTF-8")),
    Row("version-parameter", "R3 sent", "POST", "Patient", 415, "not-supported", patient(), sent("fhirVersion=3.0")),
    Row("version-parameter", "R4 sent", "POST", "Patient", 201, body=patient(), headers=sent(" fhirVersion=4.0")),
    Row("version-parameter", "R5 asked", "GET", "Patient/one", 406, "not-supported", headers=accept("fhirVersion=5.0")),
    Row("version-parameter", "R4 asked", "GET", "Patient/one", 200, headers=accept("fhirVersion=4.0")),
    Row("version-parameter", "_format", "GET", f"Patient/one?_format={ENCODED};fhirVersion=4.0", 200),
    Row(
        "version-parameter",
        "_format, R3",
        "GET",
        f"Patient/one?_format={ENCODED};fhirVersion=3.0",
        406,
        "not-supported",
    ),
    Row(
        "mime-type", "turtle", "GET", "Patient/one", 406, "not-supported", headers={"accept": "application/fhir+turtle"}
    ),
    Row("mime-type", "nothing offered", "GET", "Patient/one", 406, "not-supported", headers={"accept": "text/html"}),
    Row("mime-type", "at last anything", "GET", "Patient/one", 200, headers={"accept": "text/html, */*;q=0.1"}),
    Row("general", "no such address", "GET", "Patient/1/2/3/4/5", 404, "not-found"),
    Row("general", "POST to a resource", "POST", "Patient/one", 405, "not-supported", ONE),
    Row("general", "PUT to the base", "PUT", "", 405, "not-supported", ONE, expected=allow("GET, HEAD, POST")),
    Row("general", "unknown method", "LOCK", "Patient/one", 405, "not-supported"),
    Row("general", "OPTIONS", "OPTIONS", "Patient/one", 204, expected=allow("GET, HEAD, PUT, PATCH, DELETE")),
    Row("general", "OPTIONS of no address", "OPTIONS", "Nothing/one", 404, "not-supported"),
    Row("custom", "X-Request-Id", "GET", "Patient/one", 200, headers=REQUEST_ID, expected=REQUEST_ID),
    Row(
        "custom",
        "X-Correlation-Id",
        "GET",
        "Patient/x",
        404,
        "not-found",
        headers=CORRELATION_ID,
        expected=CORRELATION_ID,
    ),
]
ROWS: Final = [*READS, *CREATES, *UPDATES, *DELETES, *LISTS, *HTTP]


@pytest.fixture
async def world(client: httpx.AsyncClient) -> httpx.AsyncClient:
    """The client of a server that holds what the rows are about."""
    for resource_id, value in (("one", "one"), ("one", "one"), ("twin-1", "twin"), ("twin-2", "twin"), ("gone", "x")):
        made = await client.put(f"Patient/{resource_id}", json=named(value, id=resource_id, gender="female"))
        assert made.is_success, made.text
    assert (await client.delete("Patient/gone")).status_code == 204
    return client


def _writes(row: Row) -> bool:
    is_read = row.method in ("GET", "HEAD", "OPTIONS") or row.path.endswith("_search")
    return row.status < 300 and not is_read


def _marked(row: Row) -> Any:
    return pytest.param(row, id=f"{row.clause}: {row.name}", marks=pytest.mark.spec(f"http.html#{row.clause}"))


CLAUSES: Final = [
    pytest.param([row for row in rows if not _writes(row)], id=clause, marks=pytest.mark.spec(f"http.html#{clause}"))
    for clause, rows in groupby(sorted(ROWS, key=lambda row: row.clause), key=lambda row: row.clause)
]


@pytest.mark.parametrize("row", [_marked(row) for row in ROWS if _writes(row)])
async def test_a_write(world: httpx.AsyncClient, row: Row) -> None:
    await check(world, row)


@pytest.mark.parametrize("rows", CLAUSES)
async def test_what_leaves_the_world_as_it_is(world: httpx.AsyncClient, rows: list[Row]) -> None:
    for row in rows:
        await check(world, row)


async def check(world: httpx.AsyncClient, row: Row) -> None:
    """Send the request of a row, and compare the answer with it."""
    content = row.body if isinstance(row.body, bytes) or row.body is None else fhir_json.format(row.body)
    own = JSON_PATCH if row.method == "PATCH" else FHIR
    headers = {**({} if content is None else {"content-type": own}), **row.headers}
    answer = await world.request(row.method, row.path, content=content, headers=headers)
    assert answer.status_code == row.status, f"{row.name}: {answer.text}"
    for name, value in row.expected.items():
        assert fnmatchcase(answer.headers[name], value), f"{row.name}: {name}: {answer.headers[name]}"
    if row.code:
        issues = answer.json()["issue"]
        assert (issues[0]["code"], bool(issues[0]["diagnostics"])) == (row.code, True), row.name
    if row.status in (204, 304) or row.method == "HEAD":
        assert answer.content == b"", row.name
    elif not row.code and row.headers != MINIMAL:
        assert answer.json()["resourceType"] != "OperationOutcome", row.name
    assert answer.headers["x-request-id"]


def test_every_status_of_the_page_has_a_row() -> None:
    assert {row.status for row in ROWS} == {200, 201, 204, 304, 400, 404, 405, 406, 409, 410, 412, 415, 422}
