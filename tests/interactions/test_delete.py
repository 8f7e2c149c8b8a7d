"""Spec: http.html#delete."""

import pytest

from fhir_server.foundation.operation_outcome import Gone, MultipleMatches, PreconditionFailed, VersionConflict
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
    assert [entry["request"]["method"] for entry in entries] == ["DELETE", "POST"]
    assert "resource" not in entries[0]


@pytest.mark.spec("http.html#delete")
async def test_delete_by_criteria_deletes_one_match_and_refuses_several(ask: Ask) -> None:
    await ask("create", "Patient", body=patient(gender="male"))
    await ask("create", "Patient", body=patient(gender="female"))
    await ask("create", "Patient", body=patient(gender="female"))
    assert (await ask("delete", "Patient", parameters=(("gender", "male"),))).status == 204
    with pytest.raises(Gone):
        await ask("read", "Patient", "new-1")
    with pytest.raises(MultipleMatches):
        await ask("delete", "Patient", parameters=(("gender", "female"),))
    assert (await ask("delete", "Patient", parameters=(("gender", "other"),))).status == 204
    with pytest.raises(PreconditionFailed):
        await ask("delete", "Patient")


@pytest.mark.spec("http.html#concurrency")
async def test_delete_with_if_match_of_another_version_is_412(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    with pytest.raises(VersionConflict):
        await ask("delete", "Patient", "new-1", if_match='W/"2"')
