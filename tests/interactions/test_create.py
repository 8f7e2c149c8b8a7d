"""Spec: http.html#create, http.html#ccreate."""

import asyncio

import pytest

from fhir_server.foundation.operation_outcome import (
    BadRequest,
    MultipleMatches,
    PreconditionFailed,
    Unparsable,
    Unprocessable,
)
from tests.interactions.conftest import Ask, parsed, patient

pytestmark = pytest.mark.anyio
NAMED = patient(identifier=[{"system": "urn:s", "value": "1"}])


@pytest.mark.spec("http.html#create")
async def test_create_gives_id_version_and_instant(ask: Ask) -> None:
    response = await ask("create", "Patient", body=patient(meta={"versionId": "7", "tag": [{"code": "kept"}]}))
    assert (response.status, response.location) == (201, "Patient/new-1/_history/1")
    body = parsed(response)
    assert body["id"] == "new-1"
    assert body["meta"] == {
        "versionId": "1",
        "lastUpdated": body["meta"]["lastUpdated"],
        "tag": [{"code": "kept"}],
    }


@pytest.mark.spec("http.html#create")
async def test_create_ignores_the_id_of_the_body(ask: Ask) -> None:
    assert parsed(await ask("create", "Patient", body=patient(id="mine")))["id"] == "new-1"


@pytest.mark.spec("http.html#create")
async def test_create_with_another_type_than_the_address_is_400(ask: Ask) -> None:
    with pytest.raises(BadRequest):
        await ask("create", "Observation", body=patient())


@pytest.mark.spec("http.html#create")
async def test_create_that_breaks_a_rule_is_422_and_that_is_no_json_400(ask: Ask) -> None:
    with pytest.raises(Unprocessable):
        await ask("create", "Patient", body=patient(gender="none of the codes"))
    with pytest.raises(Unparsable):
        await ask("create", "Patient", content=b"{")
    with pytest.raises(Unparsable):
        await ask("create", "Patient")


@pytest.mark.spec("http.html#prefer")
async def test_prefer_return(ask: Ask) -> None:
    assert (await ask("create", "Patient", body=patient(), prefer_return="minimal")).content == b""
    told = await ask("create", "Patient", body=patient(), prefer_return="OperationOutcome")
    assert parsed(told)["resourceType"] == "OperationOutcome"


@pytest.mark.spec("http.html#ccreate")
async def test_ccreate_no_match_is_201_then_one_match_is_200(ask: Ask) -> None:
    first = await ask("create", "Patient", body=NAMED, if_none_exist="identifier=urn:s|1")
    second = await ask("create", "Patient", body=NAMED, if_none_exist="identifier=urn:s|1")
    assert (first.status, second.status) == (201, 200)
    assert first.location == second.location


@pytest.mark.spec("http.html#ccreate")
async def test_ccreate_two_matches_is_412(ask: Ask) -> None:
    await ask("create", "Patient", body=NAMED)
    await ask("create", "Patient", body=NAMED)
    with pytest.raises(MultipleMatches):
        await ask("create", "Patient", body=NAMED, if_none_exist="identifier=urn:s|1")


@pytest.mark.spec("http.html#ccreate")
async def test_ccreate_whose_criteria_say_nothing_or_are_unknown_is_refused(ask: Ask) -> None:
    for criteria in ("", "_count=1", "identifier="):
        with pytest.raises(PreconditionFailed):
            await ask("create", "Patient", body=NAMED, if_none_exist=criteria)
    with pytest.raises(BadRequest):
        await ask("create", "Patient", body=NAMED, if_none_exist="identifer=1", is_lenient=True)


@pytest.mark.spec("http.html#ccreate")
async def test_ccreate_asked_by_many_at_once_creates_one(ask: Ask) -> None:
    asked = [ask("create", "Patient", body=NAMED, if_none_exist="identifier=urn:s|1") for _ in range(20)]
    responses = await asyncio.gather(*asked)
    assert sorted(response.status for response in responses) == [200] * 19 + [201]
    assert len({response.location for response in responses}) == 1


@pytest.mark.spec("http.html#parameters")
async def test_create_answers_with_the_elements_that_are_asked(ask: Ask) -> None:
    body = patient(gender="male", birthDate="1970-01-01")
    made = parsed(await ask("create", "Patient", body=body, parameters=(("_elements", "gender"),)))
    assert ("birthDate" in made, made["gender"]) == (False, "male")
    assert parsed(await ask("read", "Patient", made["id"]))["birthDate"] == "1970-01-01"
