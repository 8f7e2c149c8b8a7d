"""Spec: resource-operation-meta.html, resource-operation-meta-add.html, resource-operation-meta-delete.html."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import (
    FhirError,
    Forbidden,
    MethodNotAllowed,
    NotFound,
    VersionConflict,
)
from fhir_server.interactions.request import Runtime
from tests.operations.conftest import Ask, asked, observation, parameters, parsed, patient

pytestmark = pytest.mark.anyio
TAG = {"system": "urn:tags", "code": "a"}


@pytest.fixture(autouse=True)
async def stored(store: Callable[..., Awaitable[None]]) -> None:
    await store(patient("1", meta={"tag": [TAG], "profile": ["http://x"]}))


def given(**meta: Any) -> dict[str, Any]:
    return parameters(meta={"valueMeta": meta})


def meta_of(body: dict[str, Any]) -> dict[str, Any]:
    (one,) = body["parameter"]
    assert one["name"] == "return"
    meta: dict[str, Any] = one["valueMeta"]
    return meta


async def test_meta_of_a_resource_and_of_a_version(ask: Ask, runtime: Runtime) -> None:
    assert meta_of(parsed(await ask("$meta", "Patient/1")))["tag"] == [TAG]
    await ask("$meta-delete", "Patient/1", given(tag=[TAG]))
    assert "tag" not in meta_of(parsed(await ask("$meta", "Patient/1")))
    old = await asked(runtime, "$meta", "Patient/1", version_id="1")
    assert (meta_of(parsed(old))["tag"], meta_of(parsed(old))["versionId"]) == ([TAG], "1")


async def test_meta_add_adds_what_is_not_there(ask: Ask) -> None:
    more = {"system": "urn:tags", "code": "b"}
    added = await ask("$meta-add", "Patient/1", given(tag=[{**TAG, "display": "again"}, more], security=[more]))
    assert (added.status, added.version_id) == (200, 2)
    meta = meta_of(parsed(added))
    assert (meta["tag"], meta["security"], meta["profile"]) == ([TAG, more], [more], ["http://x"])
    assert (await ask("$meta-add", "Patient/1", given(tag=[more]))).version_id == 2


async def test_meta_delete_takes_away_what_is_named(ask: Ask) -> None:
    deleted = await ask("$meta-delete", "Patient/1", given(tag=[TAG], profile=["http://y"]))
    assert meta_of(parsed(deleted))["profile"] == ["http://x"]
    assert "tag" not in meta_of(parsed(deleted))


@pytest.mark.parametrize(
    "body",
    [parameters(), parameters(meta={"valueString": "x"}), patient("1"), parameters(meta={"valueMeta": {"tag": [3]}})],
)
async def test_meta_refuses_bodies(ask: Ask, body: Any) -> None:
    for operation in ("$meta-add", "$meta-delete"):
        with pytest.raises(FhirError) as refused:
            await ask(operation, "Patient/1", body)
        assert refused.value.status in (400, 422)


async def test_meta_under_the_rules_of_an_update(ask: Ask, runtime: Runtime) -> None:
    with pytest.raises(MethodNotAllowed):
        await ask("$meta-add", "Patient/1", meta="x")
    with pytest.raises(NotFound):
        await ask("$meta-add", "Patient/x", given(tag=[TAG]))
    with pytest.raises(NotFound):
        await asked(runtime, "$meta-add", "Patient/1", given(tag=[TAG]), version_id="1")
    with pytest.raises(VersionConflict):
        await asked(runtime, "$meta-add", "Patient/1", given(tag=[TAG]), if_match='W/"7"')
    reader = Grant("patient", "Patient/1", "app", (Scope("patient", "*", frozenset("rs")),), patient_id="1")
    with pytest.raises(Forbidden):
        await asked(runtime, "$meta-add", "Patient/1", given(tag=[{"code": "z"}]), grant=reader)


@pytest.mark.spec("resource-operation-meta.html")
async def test_meta_in_use_of_a_type_and_of_the_system(ask: Ask, store: Callable[..., Awaitable[None]]) -> None:
    tag, label = {"system": "urn:tags", "code": "y"}, {"system": "urn:l", "code": "R"}
    assert "parameter" not in parsed(await ask("$meta", "Observation"))
    await store(
        patient("2", meta={"tag": [TAG, tag], "security": [label]}), observation("o", meta={"profile": ["http://a/o"]})
    )
    of_type = meta_of(parsed(await ask("$meta", "Patient")))
    assert (len(of_type["tag"]), of_type["security"], of_type["profile"]) == (2, [label], ["http://x"])
    of_system = meta_of(parsed(await ask("$meta")))
    assert {"http://a/o", "http://x"} <= {*of_system["profile"]}
