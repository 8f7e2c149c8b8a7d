"""The decision goes into every interaction. Spec: security.html#authorization, http.html#security."""

from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import Forbidden, Gone, MultipleMatches, NotFound
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio

JEANNE = Grant("patient", "Patient/jeanne", "app", (Scope("patient", "*", frozenset("cruds")),), patient_id="jeanne")
LABORATORY = Grant("system", "Device/laboratory", "laboratory", (Scope("system", "*", frozenset("cruds")),))
READER = Grant("patient", "Patient/jeanne", "app", (Scope("patient", "Patient", frozenset("rs")),), patient_id="jeanne")


@pytest.fixture
async def records(ask: Ask) -> None:
    """Two patients with one observation each, deposited by the operator of an open server."""
    for name in ("jeanne", "paul"):
        named = patient(id=name, identifier=[{"system": "urn:s", "value": name}])
        await ask("update", "Patient", name, body=named)
        await ask("update", "Observation", f"of-{name}", body=observation(f"Patient/{name}", id=f"of-{name}"))


def ids(body: dict[str, Any]) -> set[str]:
    found = (entry["resource"] for entry in body.get("entry", []))
    return {one["id"] for one in found if one["resourceType"] != "AuditEvent"}


@pytest.mark.usefixtures("records")
async def test_outside_the_decision_is_404_like_what_does_not_exist(ask: Ask) -> None:
    assert (await ask("read", "Observation", "of-jeanne", grant=JEANNE)).status == 200
    told = []
    for resource_id in ("of-paul", "of-nobody"):
        for interaction, more in (("read", {}), ("vread", {"version_id": "1"}), ("history", {})):
            with pytest.raises(NotFound) as refused:
                await ask(interaction, "Observation", resource_id, grant=JEANNE, **more)
            told.append(str(refused.value).replace(resource_id, "X"))
    assert told[:3] == told[3:]


@pytest.mark.usefixtures("records")
async def test_a_type_or_interaction_outside_the_scopes_is_403(ask: Ask) -> None:
    for interaction, resource_type in (("read", "Observation"), ("search", "Observation"), ("history", "Observation")):
        with pytest.raises(Forbidden):
            await ask(interaction, resource_type, "of-jeanne" if interaction == "read" else "", grant=READER)
    with pytest.raises(Forbidden):
        await ask("delete", "Patient", "jeanne", grant=READER)
    with pytest.raises(Forbidden):
        await ask("search", "Patient", parameters=(("_has:Observation:subject:code", "8867-4"),), grant=READER)


@pytest.mark.usefixtures("records")
async def test_searches_totals_includes_and_histories_stay_inside(ask: Ask) -> None:
    body = parsed(await ask("search", "Observation", parameters=(("_total", "accurate"),), grant=JEANNE))
    assert (ids(body), body["total"]) == ({"of-jeanne"}, 1)
    chained = (("subject:Patient.identifier", "urn:s|paul"),)
    assert not ids(parsed(await ask("search", "Observation", parameters=chained, grant=JEANNE)))
    included = parsed(
        await ask("search", "Patient", parameters=(("_revinclude", "Observation:subject"),), grant=JEANNE)
    )
    assert ids(included) == {"jeanne", "of-jeanne"}
    assert ids(parsed(await ask("history", "Observation", grant=JEANNE))) == {"of-jeanne"}
    assert not ids(parsed(await ask("search", "Observation", compartment=("Patient", "paul"), grant=JEANNE)))


@pytest.mark.usefixtures("records")
async def test_nobody_changes_what_he_may_not_see(ask: Ask) -> None:
    with pytest.raises(NotFound):
        await ask("update", "Observation", "of-paul", body=observation("Patient/jeanne", id="of-paul"), grant=JEANNE)
    assert (await ask("delete", "Observation", "of-paul", grant=JEANNE)).version_id is None
    assert (await ask("read", "Observation", "of-paul")).version_id == 1


@pytest.mark.usefixtures("records")
async def test_nobody_writes_into_what_he_may_not_see(ask: Ask) -> None:
    with pytest.raises(Forbidden):
        await ask("create", "Observation", body=observation("Patient/paul"), grant=JEANNE)
    assert ids(parsed(await ask("search", "Observation"))) == {"of-jeanne", "of-paul"}


@pytest.mark.usefixtures("records")
async def test_criteria_match_only_what_may_be_searched(ask: Ask) -> None:
    body = patient(identifier=[{"system": "urn:s", "value": "paul"}])
    fed = await ask("create", "Patient", body=body, if_none_exist="identifier=urn:s|paul", grant=LABORATORY)
    again = await ask("create", "Patient", body=body, if_none_exist="identifier=urn:s|paul", grant=LABORATORY)
    assert (fed.status, again.status) == (201, 200)
    assert fed.location == again.location
    with pytest.raises(MultipleMatches):
        await ask("create", "Patient", body=body, if_none_exist="identifier=urn:s|paul")


@pytest.mark.usefixtures("records")
async def test_criteria_delete_only_what_may_be_deleted(ask: Ask) -> None:
    """A patient finds all of his record, and deletes of it what he wrote himself."""
    own = await ask("create", "Observation", grant=JEANNE, body=observation("Patient/jeanne"))
    assert own.version is not None
    await ask("delete", "Observation", grant=JEANNE, parameters=(("patient", "jeanne"),))
    assert (await ask("read", "Observation", "of-jeanne", grant=JEANNE)).status == 200
    with pytest.raises(Gone):
        await ask("read", "Observation", own.version.resource_id, grant=JEANNE)


@pytest.mark.usefixtures("records")
async def test_a_deleted_resource_is_410_inside_and_404_outside(ask: Ask) -> None:
    await ask("delete", "Observation", "of-paul")
    with pytest.raises(NotFound):
        await ask("read", "Observation", "of-paul", grant=JEANNE)


@pytest.mark.usefixtures("records")
async def test_a_transaction_under_a_grant_is_bound_like_its_entries(ask: Ask) -> None:
    entries = [
        {"request": {"method": "GET", "url": "Observation"}},
        {"request": {"method": "GET", "url": "Patient/jeanne"}},
    ]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    body = parsed(await ask("transaction", body=bundle, grant=JEANNE))
    assert ids(body["entry"][0]["resource"]) == {"of-jeanne"}
    entries[1]["request"]["url"] = "Patient/paul"
    with pytest.raises(NotFound) as refused:
        await ask("transaction", body=bundle, grant=JEANNE)
    assert refused.value.issues[0].expression == ("Bundle.entry[1]",)


@pytest.mark.usefixtures("records")
async def test_every_interaction_and_refusal_leaves_a_trace(ask: Ask) -> None:
    await ask("read", "Observation", "of-jeanne", grant=JEANNE, request_id="the-read")
    await ask("search", "Observation", grant=JEANNE, request_id="the-search")
    with pytest.raises(NotFound):
        await ask("read", "Observation", "of-paul", grant=JEANNE, request_id="the-refusal")
    await ask("create", "Observation", body=observation("Patient/jeanne"), grant=JEANNE, request_id="the-write")
    events = (await ask("search", "AuditEvent", parameters=(("_count", "1000"),))).content
    for request_id in (b"the-read", b"the-search", b"the-refusal", b"the-write"):
        assert request_id in events


@pytest.mark.usefixtures("records")
async def test_a_transaction_that_reads_the_trail_finds_it_complete(ask: Ask) -> None:
    await ask("read", "Observation", "of-jeanne", grant=JEANNE, request_id="just-now")
    entries = [{"request": {"method": "GET", "url": "AuditEvent?_count=1000"}}]
    response = await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert b"just-now" in response.content


@pytest.mark.spec("http.html#upsert")
@pytest.mark.usefixtures("records")
async def test_upsert_tells_nobody_which_ids_are_taken(ask: Ask) -> None:
    told = []
    for resource_id in ("of-paul", "of-nobody"):
        body = observation("Patient/jeanne", id=resource_id)
        for more in ({}, {"if_match": 'W/"1"'}, {"if_none_match": "*"}):
            with pytest.raises(NotFound) as refused:
                await ask("update", "Observation", resource_id, body=body, grant=JEANNE, **more)
            told.append(str(refused.value).replace(resource_id, "X"))
    assert told[:3] == told[3:]
    assert "POST to Observation" in told[0]


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_in_a_transaction_creates_under_an_id_of_the_server(ask: Ask) -> None:
    body = {"resourceType": "Organization", "identifier": [{"system": "urn:s", "value": "1"}]}
    entry = {"request": {"method": "PUT", "url": "Organization?identifier=urn:s|1"}, "resource": body}
    sent = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    answered = parsed(await ask("transaction", body=sent, grant=LABORATORY))
    assert answered["entry"][0]["response"]["status"] == "201 Created"
    again = parsed(await ask("transaction", body=sent, grant=LABORATORY))
    assert again["entry"][0]["response"]["location"].endswith("/_history/2")


@pytest.mark.spec("http.html#history")
async def test_history_of_what_there_is_asks_for_the_search_letter(ask: Ask) -> None:
    await ask("update", "Patient", "jeanne", body=patient(id="jeanne"))
    only_read = Grant(
        "patient", "Patient/jeanne", "app", (Scope("patient", "Patient", frozenset("r")),), patient_id="jeanne"
    )
    assert (await ask("history", "Patient", "jeanne", grant=only_read)).status == 200
    with pytest.raises(Forbidden):
        await ask("history", "Patient", grant=only_read)
