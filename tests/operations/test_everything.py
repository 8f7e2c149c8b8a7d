"""Spec: patient-operation-everything.html, encounter-operation-everything.html."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Forbidden, NotFound
from fhir_server.interactions.request import Runtime
from tests.operations.conftest import BASE_URL, Ask, asked, ids, observation, parameters, parsed, patient

pytestmark = pytest.mark.anyio
Store = Callable[..., Awaitable[None]]

RECORD = ["1", "e", "mine", "undated", "visit"]
PRACTITIONER = {"resourceType": "Practitioner", "id": "doctor"}
ENCOUNTER = {
    "resourceType": "Encounter",
    "id": "e",
    "status": "finished",
    "class": {"code": "AMB"},
    "subject": {"reference": "Patient/1"},
    "participant": [{"individual": {"reference": "Practitioner/doctor"}}],
}


@pytest.fixture
async def record(store: Store) -> None:
    await store(
        patient("1"),
        patient("2"),
        PRACTITIONER,
        ENCOUNTER,
        observation(
            "mine", performer=[{"reference": f"{BASE_URL}/Practitioner/doctor"}], effectiveDateTime="2020-05-01"
        ),
        observation("visit", encounter={"reference": "Encounter/e"}, effectiveDateTime="2021-05-01"),
        observation("undated"),
        observation("other", "2"),
    )


@pytest.mark.usefixtures("record")
async def test_everything_is_the_compartment_and_what_it_refers_to(ask: Ask) -> None:
    response = await ask("$everything", "Patient/1")
    body = parsed(response)
    own = [one["resource"] for one in body["entry"] if one["search"]["mode"] == "match"]
    assert (body["type"], body["total"]) == ("searchset", len(own))
    assert sorted(one["id"] for one in own if one["resourceType"] != "AuditEvent") == RECORD
    assert "AuditEvent" in {one["resourceType"] for one in own}, "who reads a record also sees who did"
    assert ids(body, "include") == ["doctor"]
    assert set(response.shown) >= {"Patient/1", "Practitioner/doctor"}
    encounter = parsed(await ask("$everything", "Encounter/e"))
    assert (sorted(ids(encounter)), sorted(ids(encounter, "include"))) == (["e", "visit"], ["1", "doctor"])


@pytest.mark.usefixtures("record")
async def test_everything_by_pages(ask: Ask) -> None:
    seen: list[str] = []
    asked_for = {"_count": "2", "_type": "Patient,Encounter,Observation"}
    for _ in range(3):
        body = parsed(await ask("$everything", "Patient/1", **asked_for))
        seen += ids(body)
        links = {link["relation"]: link["url"] for link in body["link"]}
        if "next" not in links:
            break
        assert links["next"].startswith(
            f"{BASE_URL}/Patient/1/$everything?_type=Patient%2CEncounter%2CObservation&_count=2&_cursor="
        )
        asked_for = dict(parse_qsl(urlsplit(links["next"]).query))
    assert sorted(seen) == RECORD


@pytest.mark.usefixtures("record")
async def test_everything_of_types_since_and_of_a_period(ask: Ask) -> None:
    assert sorted(ids(parsed(await ask("$everything", "Patient/1", _type="Patient,Encounter")))) == ["1", "e"]
    whole = parsed(await ask("$everything", "Patient/1", _type="Observation"))
    last = max(entry["resource"]["meta"]["lastUpdated"] for entry in whole["entry"])
    assert ids(parsed(await ask("$everything", "Patient/1", _since=last))) == ["undated"]
    since = parsed(await ask("$everything", "Patient/1", start="2021-01-01"))
    assert sorted(ids(since)) == ["1", "e", "undated", "visit"]
    until = parsed(await ask("$everything", "Patient/1", end="2020-12-31"))
    assert sorted(ids(until)) == ["1", "e", "mine", "undated"]


@pytest.mark.usefixtures("record")
async def test_everything_posted(ask: Ask) -> None:
    body = parameters(
        start={"valueDate": "2021-01-01"}, _count={"valueInteger": 50}, _type={"valueCode": "Observation"}
    )
    assert sorted(ids(parsed(await ask("$everything", "Patient/1", body)))) == ["undated", "visit"]


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize(
    "given",
    [{"gender": "male"}, {"_count": "x"}, {"start": "yesterday"}, {"_since": "x"}, {"_type": "X"}, {"_cursor": "x"}],
)
async def test_everything_refuses_what_it_does_not_understand(ask: Ask, given: dict[str, str]) -> None:
    with pytest.raises(BadRequest):
        await ask("$everything", "Patient/1", **given)


@pytest.mark.usefixtures("record")
@pytest.mark.parametrize("body", [{"resourceType": "Parameters", "parameter": 5}, patient("1"), parameters(start={})])
async def test_everything_refuses_bodies(ask: Ask, body: Any) -> None:
    with pytest.raises(FhirError) as refused:
        await ask("$everything", "Patient/1", body)
    assert refused.value.status in (400, 422)


@pytest.mark.usefixtures("record")
async def test_everything_stays_within_the_grant(ask: Ask, runtime: Runtime) -> None:
    def grant(*scopes: str) -> Grant:
        made = tuple(Scope("patient", name, frozenset("rs")) for name in scopes)
        return Grant("patient", "Patient/1", "app", made, patient_id="1")

    mine = parsed(await asked(runtime, "$everything", "Patient/1", grant=grant("*")))
    assert sorted(ids(mine)) == RECORD
    with pytest.raises(NotFound):
        await asked(runtime, "$everything", "Patient/2", grant=grant("*"))
    with pytest.raises(NotFound):
        await ask("$everything", "Patient/3")
    with pytest.raises(Forbidden):
        await asked(runtime, "$everything", "Patient/1", grant=grant("Observation"))
    few = parsed(await asked(runtime, "$everything", "Patient/1", grant=grant("Patient", "Encounter")))
    assert (sorted(ids(few)), ids(few, "include")) == (["1", "e"], [])


@pytest.mark.usefixtures("record")
async def test_everything_of_all_patients_the_caller_may_see(ask: Ask, runtime: Runtime) -> None:
    body = parsed(await ask("$everything", "Patient", _type="Patient,Observation,Practitioner"))
    assert sorted(ids(body)) == ["1", "2", "mine", "other", "undated", "visit"]
    assert ids(body, "include") == ["doctor"]
    first = parsed(await ask("$everything", "Patient", _type="Observation", _count="2"))
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert links["next"].startswith(f"{BASE_URL}/Patient/$everything?")
    second = parsed(await ask("$everything", "Patient", **dict(parse_qsl(urlsplit(links["next"]).query))))
    assert sorted(ids(first) + ids(second)) == ["mine", "other", "undated", "visit"]
    own = Grant("patient", "Patient/1", "app", (Scope("patient", "*", frozenset("rs")),), patient_id="1")
    mine = parsed(await asked(runtime, "$everything", "Patient", grant=own))
    assert sorted(ids(mine)) == RECORD
    with pytest.raises(BadRequest):
        await ask("$everything", "Patient", _cursor="x")


@pytest.mark.spec("http.html#parameters")
@pytest.mark.usefixtures("record")
async def test_everything_in_short(ask: Ask) -> None:
    body = parsed(await ask("$everything", "Patient/1", _type="Observation", _elements="subject", _count="1"))
    (entry,) = body["entry"]
    assert "effectiveDateTime" not in entry["resource"]
    assert entry["resource"]["meta"]["tag"][0]["code"] == "SUBSETTED"
    assert all("_elements=subject" in link["url"] for link in body["link"])
    with pytest.raises(BadRequest):
        await ask("$everything", "Patient/1", _summary="x")
