"""Conformance resources take effect: in this process before the answer, in the others soon after."""

import asyncio
from collections.abc import Collection
from typing import Any

import pytest

from fhir_server.access.grant import OPEN
from fhir_server.conformance.canonicals import Canonicals
from fhir_server.foundation.canonical_index import Member
from fhir_server.interactions.canonicals.changes import changes, note_change
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Response, Runtime

URL = "http://example.org/ValueSet/colours"
pytestmark = pytest.mark.anyio


def value_set(name: str = "colours", version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    return {"resourceType": "ValueSet", "id": name, "url": URL, "version": version, "status": "active", **more}


async def ask(runtime: Runtime, interaction: str, place: str, body: Any = None) -> Response:
    resource_type, _, resource_id = place.partition("/")
    return await dispatch(Request(interaction, OPEN, resource_type, resource_id, resource=body), runtime)


def version_of(runtime: Runtime, canonical: str = URL) -> str | None:
    assert runtime.canonicals is not None
    found = runtime.canonicals.resolve(canonical, "ValueSet")
    return None if found is None else found["version"]


@pytest.mark.spec("references.html#canonical")
async def test_a_write_takes_effect_before_its_answer(runtime: Runtime) -> None:
    assert runtime.canonicals is not None
    await runtime.canonicals.ready()
    assert version_of(runtime) is None
    await ask(runtime, "update", "ValueSet/colours", value_set())
    assert version_of(runtime) == "1.0.0"
    await ask(runtime, "update", "ValueSet/colours", value_set(version="1.1.0"))
    assert (version_of(runtime), version_of(runtime, f"{URL}|1.0.0")) == ("1.1.0", None)
    await ask(runtime, "update", "ValueSet/old", value_set("old", "1.0.0"))
    assert (version_of(runtime), version_of(runtime, f"{URL}|1.0.0")) == ("1.1.0", "1.0.0")
    await ask(runtime, "delete", "ValueSet/colours")
    assert version_of(runtime) == "1.0.0"
    meta = {"profile": ["http://example.org/other"]}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "meta", "valueMeta": meta}]}
    await ask(runtime, "$meta-add", "ValueSet/old", parameters)
    found = runtime.canonicals.resolve(URL)
    assert found is not None
    assert found["meta"]["profile"] == ["http://example.org/other"]


@pytest.mark.parametrize("kind", ["transaction", "batch"])
async def test_entries_of_a_bundle_take_effect(runtime: Runtime, kind: str) -> None:
    assert runtime.canonicals is not None
    await runtime.canonicals.ready()
    entries = [
        {"resource": value_set(name), "request": {"method": "PUT", "url": f"ValueSet/{name}"}} for name in ("a", "b")
    ]
    await ask(runtime, "transaction", "", {"resourceType": "Bundle", "type": kind, "entry": entries})
    assert version_of(runtime) == "1.0.0"
    assert (await changes(runtime.store)).epoch == 2


async def test_other_types_are_no_change(runtime: Runtime) -> None:
    await ask(runtime, "update", "Patient/1", {"resourceType": "Patient", "id": "1"})
    assert (await changes(runtime.store)).epoch == 0


async def test_a_refused_transaction_changes_nothing(runtime: Runtime) -> None:
    assert runtime.canonicals is not None
    await runtime.canonicals.ready()
    entries = [
        {"resource": value_set(), "request": {"method": "PUT", "url": "ValueSet/colours"}},
        {"request": {"method": "GET", "url": "Patient/unknown"}},
    ]
    with pytest.raises(Exception, match="unknown"):
        await ask(runtime, "transaction", "", {"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert version_of(runtime) is None
    assert (await changes(runtime.store)).epoch == 0


async def test_another_process_follows_and_listeners_are_told(runtime: Runtime) -> None:
    other = Canonicals(runtime.store)
    told: list[Collection[Member]] = []
    arrived = asyncio.Event()
    other.subscribe(told.append)
    other.subscribe(lambda members: arrived.set())
    await ask(runtime, "update", "ValueSet/colours", value_set())
    following = asyncio.create_task(other.follow())
    await other.ready()
    assert other.find(URL) is not None
    arrived.clear()
    await ask(runtime, "update", "ValueSet/colours", value_set(version="2.0.0"))
    await asyncio.wait_for(arrived.wait(), 10)
    assert other.find(f"{URL}|2.0.0") is not None
    following.cancel()
    assert [[member.version for member in members] for members in told] == [["1.0.0"], ["1.0.0", "2.0.0"]]


async def test_a_log_that_does_not_go_back_far_enough_means_reading_all(runtime: Runtime) -> None:
    canonicals = Canonicals(runtime.store)
    await canonicals.ready()
    await ask(runtime, "update", "ValueSet/colours", value_set())

    async def overflow(transaction: Any) -> None:
        for number in range(600):
            await note_change(transaction, f"ValueSet/{number}")

    await runtime.store.transact(overflow)
    log = await changes(runtime.store)
    assert (log.epoch, len(log.references), log.since(0)) == (601, 500, None)
    assert log.since(599) == ("ValueSet/598", "ValueSet/599")
    await canonicals.refresh()
    assert [member.path for member in canonicals.members("ValueSet")] == ["ValueSet/colours"]
