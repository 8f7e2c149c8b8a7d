"""Spec: http.html#search, search.html#errors, search.html#return."""

from urllib.parse import parse_qsl, urlsplit

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN, Grant, Scope
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from fhir_server.storage.sqlite.store import SqliteStore
from fhir_server.validation.validate import validate
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio


def link(body: dict[str, object], relation: str) -> str | None:
    links = body.get("link", [])
    assert isinstance(links, list)
    return next((one["url"] for one in links if one["relation"] == relation), None)


def pairs_of(url: str) -> tuple[tuple[str, str], ...]:
    return tuple(parse_qsl(urlsplit(url).query))


@pytest.mark.spec("http.html#search")
async def test_search_shows_matches_with_full_url_and_mode(ask: Ask) -> None:
    await ask("create", "Patient", body=patient(gender="male"))
    await ask("create", "Patient", body=patient(gender="female"))
    body = parsed(await ask("search", "Patient", parameters=(("gender", "male"),)))
    assert body["type"] == "searchset"
    (entry,) = body["entry"]
    assert entry["fullUrl"] == "http://fhir.example.fr/fhir/Patient/new-1"
    assert entry["search"] == {"mode": "match"}
    assert link(body, "self") == "http://fhir.example.fr/fhir/Patient?gender=male"


@pytest.mark.spec("search.html#count")
async def test_count_pages_reach_every_match_once(ask: Ask) -> None:
    for _ in range(5):
        await ask("create", "Patient", body=patient(gender="male"))
    parameters: tuple[tuple[str, str], ...] = (("gender", "male"), ("_count", "2"), ("_format", "json"))
    seen: list[str] = []
    for _ in range(4):
        body = parsed(await ask("search", "Patient", parameters=parameters))
        seen += [entry["resource"]["id"] for entry in body.get("entry", [])]
        following = link(body, "next")
        if following is None:
            break
        parameters = pairs_of(following)
        assert {("gender", "male"), ("_count", "2"), ("_format", "json")} <= {*parameters}
    assert sorted(seen) == [f"new-{number}" for number in range(1, 6)]


@pytest.mark.spec("search.html#total")
async def test_a_single_page_tells_its_total_unless_it_is_not_wanted(ask: Ask) -> None:
    for _ in range(3):
        await ask("create", "Patient", body=patient(gender="male"))
    assert parsed(await ask("search", "Patient", parameters=(("gender", "female"),)))["total"] == 0
    assert parsed(await ask("search", "Patient", parameters=(("gender", "male"),)))["total"] == 3
    assert "total" not in parsed(await ask("search", "Patient", parameters=(("gender", "male"), ("_count", "2"))))
    assert "total" not in parsed(await ask("search", "Patient", parameters=(("_total", "none"),)))


@pytest.mark.spec("search.html#total")
async def test_total_is_told_on_request_and_alone_with_summary_count(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    assert parsed(await ask("search", "Patient", parameters=(("_total", "accurate"),)))["total"] == 1
    counted = parsed(await ask("search", "Patient", parameters=(("_summary", "count"),)))
    assert counted["total"] == 1
    assert "entry" not in counted


@pytest.mark.spec("search.html#errors")
async def test_errors_unknown_parameter_is_refused_and_a_near_one_proposed(ask: Ask) -> None:
    with pytest.raises(BadRequest, match="gender"):
        await ask("search", "Patient", parameters=(("gendre", "male"),))


@pytest.mark.spec("search.html#errors")
async def test_errors_lenient_ignores_it_and_says_so(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    body = parsed(await ask("search", "Patient", parameters=(("gendre", "male"), ("_id", "new-1")), is_lenient=True))
    match, told = body["entry"]
    assert match["search"]["mode"] == "match"
    assert told["search"]["mode"] == "outcome"
    assert "gendre" in told["resource"]["issue"][0]["diagnostics"]
    assert link(body, "self") == "http://fhir.example.fr/fhir/Patient?_id=new-1"


@pytest.mark.spec("search.html#include")
async def test_include_and_revinclude(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("create", "Observation", body=observation("Patient/new-1"))
    forward = parsed(await ask("search", "Observation", parameters=(("_include", "Observation:subject"),)))
    assert [(e["resource"]["resourceType"], e["search"]["mode"]) for e in forward["entry"]] == [
        ("Observation", "match"),
        ("Patient", "include"),
    ]
    reverse = parsed(await ask("search", "Patient", parameters=(("_revinclude", "Observation:subject"),)))
    assert [e["search"]["mode"] for e in reverse["entry"]] == ["match", "include"]


@pytest.mark.spec("http.html#vsearch")
async def test_compartment_search_stays_in_the_record(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("create", "Observation", body=observation("Patient/new-1"))
    await ask("create", "Observation", body=observation("Patient/other"))
    found = parsed(await ask("search", "Observation", compartment=("Patient", "new-1")))
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["new-2"]
    assert link(found, "self") == "http://fhir.example.fr/fhir/Patient/new-1/Observation"
    everything = parsed(await ask("search", compartment=("Patient", "new-1")))
    seen = {
        entry["resource"]["id"] for entry in everything["entry"] if entry["resource"]["resourceType"] != "AuditEvent"
    }
    assert seen == {"new-1", "new-2"}


@pytest.mark.spec("search.html#elements")
async def test_elements_cuts_matches(ask: Ask) -> None:
    await ask("create", "Patient", body=patient(gender="male", birthDate="1950"))
    body = parsed(await ask("search", "Patient", parameters=(("_elements", "gender"),)))
    assert set(body["entry"][0]["resource"]) == {"resourceType", "id", "meta", "gender"}


@pytest.mark.spec("http.html#search")
async def test_search_of_all_types(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("create", "Observation", body=observation("Patient/new-1"))
    body = parsed(await ask("search", parameters=(("_id", "new-1,new-2"),)))
    assert {entry["resource"]["resourceType"] for entry in body["entry"]} == {"Patient", "Observation"}


async def test_explain_tells_an_open_server_how_it_searches(runtime: Runtime) -> None:
    assert isinstance(runtime.store, SqliteStore)
    explaining = replace(runtime, explain=runtime.store.explain)
    asked = Request("search", OPEN, "Patient", parameters=(("gender", "male"), ("_explain", "true")))
    told = parsed(await dispatch(asked, explaining))
    validate(told, expected_type="Parameters")
    names = {part["name"] for part in told["parameter"][0]["part"]}
    assert {"sql", "plan", "rows"} <= names
    laboratory = Grant("system", "Device/laboratory", "laboratory", (Scope("system", "*", frozenset("rs")),))
    for request, served in ((replace(asked, grant=laboratory), explaining), (asked, runtime)):
        with pytest.raises(BadRequest):
            await dispatch(request, served)
