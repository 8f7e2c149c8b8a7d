"""Spec: http.html#delete."""

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.foundation.operation_outcome import (
    Gone,
    MultipleMatches,
    PreconditionFailed,
    Unprocessable,
    VersionConflict,
)
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Limits, Request, Runtime
from tests.interactions.conftest import Ask, parsed, patient

pytestmark = pytest.mark.anyio


@pytest.mark.spec("http.html#delete")
async def test_delete_is_204_each_time(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    assert (await ask("delete", "Patient", "new-1")).version_id == 2
    assert (await ask("delete", "Patient", "new-1")).status == 204
    assert (await ask("delete", "Patient", "never-was")).status == 204


@pytest.mark.spec("http.html#delete")
async def test_delete_hides_from_search_and_keeps_the_history(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("delete", "Patient", "new-1")
    assert "entry" not in parsed(await ask("search", "Patient"))
    entries = parsed(await ask("history", "Patient", "new-1"))["entry"]
    assert [entry["request"]["method"] for entry in entries] == ["DELETE", "PUT"]
    assert "resource" not in entries[0]


@pytest.mark.spec("http.html#delete")
async def test_delete_by_criteria_deletes_all_matches(ask: Ask) -> None:
    await ask("create", "Patient", body=patient(gender="male"))
    await ask("create", "Patient", body=patient(gender="female"))
    await ask("create", "Patient", body=patient(gender="female"))
    assert (await ask("delete", "Patient", parameters=(("gender", "male"),))).status == 204
    with pytest.raises(Gone):
        await ask("read", "Patient", "new-1")
    deleted = await ask("delete", "Patient", parameters=(("gender", "female"),))
    assert (deleted.status, deleted.shown) == (200, ("Patient/new-2", "Patient/new-3"))
    assert "2 resources" in parsed(deleted)["issue"][0]["diagnostics"]
    assert "entry" not in parsed(await ask("search", "Patient"))
    assert (await ask("delete", "Patient", parameters=(("gender", "other"),))).status == 204
    with pytest.raises(PreconditionFailed):
        await ask("delete", "Patient")


@pytest.mark.spec("http.html#concurrency")
async def test_delete_with_if_match_of_another_version_is_412(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    with pytest.raises(VersionConflict):
        await ask("delete", "Patient", "new-1", if_match='W/"2"')


@pytest.mark.spec("http.html#3.1.0.7.1")
async def test_delete_by_criteria_is_bounded_and_takes_no_if_match_for_several(ask: Ask, runtime: Runtime) -> None:
    for _ in range(3):
        await ask("create", "Patient", body=patient(gender="male"))
    asked = Request("delete", OPEN, "Patient", parameters=(("gender", "male"),))
    with pytest.raises(MultipleMatches):
        await dispatch(asked, replace(runtime, limits=Limits(delete_maximum=2)))
    with pytest.raises(VersionConflict):
        await dispatch(replace(asked, if_match='W/"1"'), runtime)
    assert len(parsed(await ask("search", "Patient"))["entry"]) == 3


@pytest.mark.spec("http.html#trules")
async def test_delete_by_criteria_in_a_transaction_and_a_write_of_the_same_are_refused(ask: Ask) -> None:
    for name in ("a", "b"):
        await ask("update", "Patient", name, body=patient(id=name, gender="male"))
    entries = [
        {"request": {"method": "DELETE", "url": "Patient?gender=male"}},
        {"request": {"method": "PUT", "url": "Patient/b"}, "resource": patient(id="b")},
    ]
    with pytest.raises(Unprocessable, match="too"):
        await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries})
    body = parsed(
        await ask("transaction", body={"resourceType": "Bundle", "type": "transaction", "entry": entries[:1]})
    )
    assert body["entry"][0]["response"]["status"] == "200 OK"
