"""Spec: http.html#update, http.html#upsert, http.html#cond-update, http.html#concurrency."""

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, MultipleMatches, PreconditionFailed, VersionConflict
from tests.interactions.conftest import Ask, parsed, patient

pytestmark = pytest.mark.anyio
CRITERIA = (("identifier", "urn:s|1"),)


def named(**elements: object) -> dict[str, object]:
    return patient(identifier=[{"system": "urn:s", "value": "1"}], **elements)


@pytest.mark.spec("http.html#upsert")
async def test_upsert_creates_under_the_clients_id(ask: Ask) -> None:
    response = await ask("update", "Patient", "mine", body=patient(id="mine"))
    assert (response.status, response.location) == (201, "Patient/mine/_history/1")


@pytest.mark.spec("http.html#update")
async def test_update_makes_the_next_version(ask: Ask) -> None:
    await ask("update", "Patient", "mine", body=patient(id="mine"))
    response = await ask("update", "Patient", "mine", body=patient(id="mine", gender="male"))
    assert (response.status, response.version_id) == (200, 2)
    assert parsed(await ask("read", "Patient", "mine"))["gender"] == "male"


@pytest.mark.spec("http.html#update")
@pytest.mark.parametrize("body", [patient(), patient(id="other")])
async def test_update_whose_body_has_another_id_or_none_is_400(ask: Ask, body: dict[str, object]) -> None:
    with pytest.raises(BadRequest):
        await ask("update", "Patient", "mine", body=body)


@pytest.mark.spec("http.html#update")
async def test_update_brings_a_deleted_resource_back(ask: Ask) -> None:
    await ask("update", "Patient", "mine", body=patient(id="mine"))
    await ask("delete", "Patient", "mine")
    response = await ask("update", "Patient", "mine", body=patient(id="mine"))
    assert (response.status, response.version_id) == (201, 3)


@pytest.mark.spec("http.html#concurrency")
async def test_concurrency_if_match_of_another_version_is_412(ask: Ask) -> None:
    await ask("update", "Patient", "mine", body=patient(id="mine"))
    for if_match in ('W/"2"', 'W/"x"', "nonsense"):
        with pytest.raises(VersionConflict):
            await ask("update", "Patient", "mine", body=patient(id="mine"), if_match=if_match)
    response = await ask("update", "Patient", "mine", body=patient(id="mine"), if_match='W/"1"')
    assert response.version_id == 2


@pytest.mark.spec("http.html#concurrency")
async def test_concurrency_if_match_on_what_does_not_exist_is_412(ask: Ask) -> None:
    with pytest.raises(VersionConflict):
        await ask("update", "Patient", "mine", body=patient(id="mine"), if_match='W/"1"')


@pytest.mark.spec("http.html#concurrency")
async def test_concurrency_if_none_match_star_only_creates(ask: Ask) -> None:
    assert (await ask("update", "Patient", "mine", body=patient(id="mine"), if_none_match="*")).status == 201
    with pytest.raises(PreconditionFailed):
        await ask("update", "Patient", "mine", body=patient(id="mine"), if_none_match="*")


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_no_match_creates_one_match_updates(ask: Ask) -> None:
    first = await ask("update", "Patient", body=named(), parameters=CRITERIA)
    second = await ask("update", "Patient", body=named(gender="male"), parameters=CRITERIA)
    assert (first.status, second.status) == (201, 200)
    assert second.location == "Patient/new-1/_history/2"


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_no_match_takes_the_bodys_id(ask: Ask) -> None:
    response = await ask("update", "Patient", body=named(id="mine"), parameters=CRITERIA)
    assert (response.status, response.location) == (201, "Patient/mine/_history/1")


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_one_match_with_another_id_is_400(ask: Ask) -> None:
    await ask("create", "Patient", body=named())
    with pytest.raises(BadRequest):
        await ask("update", "Patient", body=named(id="mine"), parameters=CRITERIA)


@pytest.mark.spec("http.html#cond-update")
async def test_cond_update_two_matches_is_412(ask: Ask) -> None:
    await ask("create", "Patient", body=named())
    await ask("create", "Patient", body=named())
    with pytest.raises(MultipleMatches):
        await ask("update", "Patient", body=named(), parameters=CRITERIA)
