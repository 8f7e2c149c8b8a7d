"""Searches by what is stored: value sets and hierarchies. Spec: search.html#token."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.app import new_id, now
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.conformance.terminology import terminology_of
from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.terminology.tables.folder import Tables

pytestmark = [pytest.mark.anyio, pytest.mark.spec("search.html#token")]
ANIMALS = "http://example.org/animals"
CODE_SYSTEM = {
    "resourceType": "CodeSystem",
    "id": "animals",
    "url": ANIMALS,
    "status": "active",
    "content": "complete",
    "hierarchyMeaning": "is-a",
    "concept": [{"code": "bird", "concept": [{"code": "owl"}, {"code": "tit"}]}, {"code": "cat"}],
}
VALUE_SET = {
    "resourceType": "ValueSet",
    "id": "flying",
    "url": "http://example.org/ValueSet/flying",
    "status": "active",
    "compose": {
        "include": [{"system": ANIMALS, "filter": [{"property": "concept", "op": "descendent-of", "value": "bird"}]}]
    },
}
NAMELESS = {key: value for key, value in VALUE_SET.items() if key != "url"} | {"id": "nameless"}


@pytest.fixture
async def runtime(tmp_path: Path) -> AsyncIterator[Runtime]:
    store = SqliteStore(tmp_path / "fhir.sqlite")
    await store.open()
    canonicals = Canonicals(store)
    terminology = terminology_of(canonicals, Tables(tmp_path / "terminology"))
    yield Runtime(store=store, now=now, new_id=new_id, canonicals=canonicals, terminology=terminology)
    await store.close()


async def fill(runtime: Runtime) -> None:
    for definition in (CODE_SYSTEM, VALUE_SET, NAMELESS):
        place = (str(definition["resourceType"]), str(definition["id"]))
        await dispatch(Request("update", OPEN, *place, resource=definition), runtime)
    for code in ("bird", "owl", "cat"):
        concept = {"coding": [{"system": ANIMALS, "code": code}]}
        observed = {"resourceType": "Observation", "id": code, "status": "final", "code": concept}
        await dispatch(Request("update", OPEN, "Observation", code, resource=observed), runtime)


async def find(runtime: Runtime, grant: Grant = OPEN, **asked: str) -> list[str]:
    pairs = tuple((name.replace("__", ":").replace("_not_", "not-"), value) for name, value in asked.items())
    request = Request("search", grant, "Observation", parameters=pairs, base_url="http://here/fhir")
    bundle = msgspec.json.decode((await dispatch(request, runtime)).content)
    return [entry["resource"]["id"] for entry in bundle.get("entry", [])]


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("code:in", "http://example.org/ValueSet/flying", ["owl"]),
        ("code:in", "ValueSet/flying", ["owl"]),
        ("code:in", "ValueSet/nameless", ["owl"]),
        ("code:in", "http://here/fhir/ValueSet/flying", ["owl"]),
        ("code:in", "ValueSet/flying,http://hl7.org/fhir/ValueSet/administrative-gender", ["owl"]),
        ("code:not-in", "ValueSet/flying", ["bird", "cat"]),
        ("code:below", f"{ANIMALS}|bird", ["bird", "owl"]),
        ("code:above", f"{ANIMALS}|owl", ["bird", "owl"]),
        ("_filter", 'code in "ValueSet/flying"', ["owl"]),
        ("_filter", "code ni http://example.org/ValueSet/flying", ["bird", "cat"]),
        ("_filter", f"code ss {ANIMALS}|bird", ["bird", "owl"]),
        ("code:in", "ValueSet/unknown", None),
        ("code:in", "http://example.org/ValueSet/unknown", None),
        ("code:below", f"{ANIMALS}|fish", None),
        ("code:below", "http://example.org/plants|tree", None),
    ],
)
async def test_what_is_stored_answers(runtime: Runtime, name: str, value: str, expected: list[str] | None) -> None:
    await fill(runtime)
    if expected is None:
        with pytest.raises(BadRequest, match="here"):
            await find(runtime, **{name: value})
    else:
        assert await find(runtime, **{name: value}) == expected


async def test_the_entries_of_a_bundle_ask_too(runtime: Runtime) -> None:
    await fill(runtime)
    for kind in ("batch", "transaction"):
        url = "Observation?code:in=ValueSet/flying"
        bundle = {"resourceType": "Bundle", "type": kind, "entry": [{"request": {"method": "GET", "url": url}}]}
        answer = await dispatch(Request("transaction", OPEN, resource=bundle), runtime)
        (entry,) = msgspec.json.decode(answer.content)["entry"]
        assert [one["resource"]["id"] for one in entry["resource"]["entry"]] == ["owl"]


async def test_a_value_set_is_read_under_the_decision(runtime: Runtime) -> None:
    await fill(runtime)
    grant = Grant("system", "Device/1", "app", (Scope("system", "Observation", frozenset("rs")),))
    with pytest.raises(Forbidden):
        await find(runtime, grant, **{"code:in": "ValueSet/flying"})


def changed(definition: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {**definition, **elements}


async def test_a_value_set_that_changes_is_asked_anew(runtime: Runtime) -> None:
    await fill(runtime)
    assert await find(runtime, **{"code:in": "http://example.org/ValueSet/flying"}) == ["owl"]
    cats = changed(VALUE_SET, compose={"include": [{"system": ANIMALS, "concept": [{"code": "cat"}]}]})
    await dispatch(Request("update", OPEN, "ValueSet", "flying", resource=cats), runtime)
    for value in ("http://example.org/ValueSet/flying", "ValueSet/flying"):
        assert await find(runtime, **{"code:in": value}) == ["cat"]
