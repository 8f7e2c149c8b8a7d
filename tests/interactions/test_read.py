"""Spec: http.html#read, http.html#cread, http.html#vread."""

from datetime import UTC, datetime

import pytest

from fhir_server.foundation.operation_outcome import Gone, NotFound
from tests.interactions.conftest import Ask, parsed, patient

pytestmark = pytest.mark.anyio


@pytest.mark.spec("http.html#read")
async def test_read_returns_what_was_stored(ask: Ask) -> None:
    created = await ask("create", "Patient", body=patient(birthDate="1950-01-02"))
    found = await ask("read", "Patient", "new-1")
    assert found.status == 200
    assert found.version_id == 1
    assert found.content == created.content
    assert parsed(found)["birthDate"] == "1950-01-02"


@pytest.mark.spec("http.html#read")
async def test_read_of_an_unknown_id_is_404(ask: Ask) -> None:
    with pytest.raises(NotFound):
        await ask("read", "Patient", "nobody")


@pytest.mark.spec("http.html#read")
async def test_read_of_a_deleted_resource_is_410(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("delete", "Patient", "new-1")
    with pytest.raises(Gone):
        await ask("read", "Patient", "new-1")


@pytest.mark.spec("http.html#cread")
async def test_cread_if_none_match_is_304(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    assert (await ask("read", "Patient", "new-1", if_none_match='W/"1"')).status == 304
    assert (await ask("read", "Patient", "new-1", if_none_match='W/"2"')).status == 200


@pytest.mark.spec("http.html#cread")
async def test_cread_if_modified_since_is_304_when_nothing_changed(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    later, earlier = datetime(2026, 2, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
    assert (await ask("read", "Patient", "new-1", if_modified_since=later)).status == 304
    assert (await ask("read", "Patient", "new-1", if_modified_since=earlier)).status == 200


@pytest.mark.spec("http.html#vread")
async def test_vread_returns_each_version(ask: Ask) -> None:
    await ask("create", "Patient", body=patient(gender="male"))
    await ask("update", "Patient", "new-1", body=patient(id="new-1", gender="female"))
    first = await ask("vread", "Patient", "new-1", version_id="1")
    second = await ask("vread", "Patient", "new-1", version_id="2")
    assert (parsed(first)["gender"], parsed(second)["gender"]) == ("male", "female")
    assert parsed(second)["meta"]["versionId"] == "2"


@pytest.mark.spec("http.html#vread")
@pytest.mark.parametrize("version_id", ["3", "x", "0", "-1", "9" * 40, "1.0"])
async def test_vread_of_a_version_that_never_was_is_404(ask: Ask, version_id: str) -> None:
    await ask("create", "Patient", body=patient())
    with pytest.raises(NotFound):
        await ask("vread", "Patient", "new-1", version_id=version_id)


@pytest.mark.spec("http.html#vread")
async def test_vread_of_the_deletion_is_410_and_of_earlier_versions_is_200(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("delete", "Patient", "new-1")
    with pytest.raises(Gone):
        await ask("vread", "Patient", "new-1", version_id="2")
    assert (await ask("vread", "Patient", "new-1", version_id="1")).status == 200


@pytest.mark.spec("search.html#summary")
async def test_summary_and_elements_say_that_something_is_missing(ask: Ask) -> None:
    body = patient(
        gender="male",
        maritalStatus={"text": "marié"},
        text={"status": "empty", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    )
    await ask("create", "Patient", body=body)
    summary = parsed(await ask("read", "Patient", "new-1", parameters=(("_summary", "true"),)))
    assert "gender" in summary
    assert "maritalStatus" not in summary
    assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
    data = parsed(await ask("read", "Patient", "new-1", parameters=(("_summary", "data"),)))
    assert "text" not in data
    assert "maritalStatus" in data
    elements = parsed(await ask("read", "Patient", "new-1", parameters=(("_elements", "gender"),)))
    assert set(elements) == {"resourceType", "id", "meta", "gender"}


@pytest.mark.spec("http.html#cread")
async def test_vread_of_what_the_client_has_is_304(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    assert (await ask("vread", "Patient", "new-1", version_id="1", if_none_match='W/"1"')).status == 304
    assert (await ask("vread", "Patient", "new-1", version_id="1", if_none_match='W/"2"')).status == 200
