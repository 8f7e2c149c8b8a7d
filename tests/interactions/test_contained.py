"""Searches into resources, through the server: entries, pages, totals, decisions. Spec: search.html#contained."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import TooCostly
from fhir_server.interactions.gathering import contained
from fhir_server.interactions.request import Response
from tests.interactions.conftest import BASE_URL, parsed

pytestmark = [pytest.mark.anyio, pytest.mark.spec("search.html#contained")]
Ask = Callable[..., Awaitable[Response]]


def medication(name: str, code: str) -> dict[str, Any]:
    return {"resourceType": "Medication", "id": name, "code": {"coding": [{"code": code}]}}


def prescription(*names: str) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/1"},
        "medicationReference": {"reference": f"#{names[0]}"},
        "supportingInformation": [{"reference": f"#{name}"} for name in names],
        "contained": [medication(name, name[0]) for name in names],
    }


async def searched(ask: Ask, resource_type: str, **parameters: str) -> dict[str, Any]:
    pairs = tuple((name.replace("__", ":").replace("_dot_", "."), value) for name, value in parameters.items())
    return parsed(await ask("search", resource_type, parameters=pairs))


def urls(bundle: dict[str, Any]) -> list[str]:
    return [entry["fullUrl"].removeprefix(f"{BASE_URL}/") for entry in bundle.get("entry", [])]


async def fill(ask: Ask) -> None:
    await ask("create", "MedicationRequest", body=prescription("a1", "b1"))
    await ask("create", "Medication", body=medication("x", "a"))
    await ask("create", "MedicationRequest", body=prescription("a1", "a2", "a3"))
    await ask("create", "MedicationRequest", body=prescription("b1"))


async def test_the_container_or_the_contained_resource_is_shown(ask: Ask) -> None:
    await fill(ask)
    assert urls(await searched(ask, "Medication", code="a")) == ["Medication/new-2"]
    held = await searched(ask, "Medication", code="a", _contained="true", _total="accurate")
    assert (urls(held), held["total"]) == (["MedicationRequest/new-1", "MedicationRequest/new-3"], 2)
    assert {entry["search"]["mode"] for entry in held["entry"]} == {"match"}
    both = await searched(ask, "Medication", code="a", _contained="both")
    assert urls(both) == ["MedicationRequest/new-1", "Medication/new-2", "MedicationRequest/new-3"]
    alone = await searched(ask, "Medication", code="a", _contained="both", _containedType="contained")
    found = [
        "MedicationRequest/new-1#a1",
        "Medication/new-2",
        "MedicationRequest/new-3#a1",
        "MedicationRequest/new-3#a2",
        "MedicationRequest/new-3#a3",
    ]
    assert (urls(alone), alone["total"]) == (found, 5)
    assert [entry["resource"]["id"] for entry in alone["entry"]] == ["a1", "new-2", "a1", "a2", "a3"]
    counted = await searched(ask, "Medication", code="a", _contained="true", _containedType="contained", _count="0")
    assert (counted["total"], "entry" in counted) == (4, False)


async def test_pages_hold_no_more_than_was_asked_for(ask: Ask) -> None:
    await fill(ask)
    asked = {"code": "a", "_contained": "both", "_containedType": "contained", "_count": "2", "_total": "accurate"}
    pages, cursor = [], {}
    while True:
        page = await searched(ask, "Medication", **asked, **cursor)
        pages.append(urls(page))
        assert page["total"] == 5
        following = next((link["url"] for link in page["link"] if link["relation"] == "next"), "")
        if not following:
            break
        cursor = {"_cursor": following.partition("_cursor=")[2]}
    assert [len(page) for page in pages] == [2, 3]
    assert len({url for page in pages for url in page}) == 5


async def test_a_change_of_what_is_contained_is_found(ask: Ask) -> None:
    created = parsed(await ask("create", "MedicationRequest", body=prescription("a1")))
    changed = {**prescription("b1"), "id": created["id"]}
    await ask("update", "MedicationRequest", created["id"], body=changed)
    assert urls(await searched(ask, "Medication", code="a", _contained="true")) == []
    assert len(urls(await searched(ask, "Medication", code="b", _contained="true"))) == 1
    assert len(urls(await searched(ask, "MedicationRequest", medication_dot_code="b"))) == 1
    await ask("delete", "MedicationRequest", created["id"])
    assert urls(await searched(ask, "Medication", code="b", _contained="true")) == []


async def test_who_may_not_see_the_container_does_not_see_what_it_contains(ask: Ask) -> None:
    await fill(ask)
    grant = Grant("system", "Device/pharmacy", "pharmacy", (Scope("system", "Medication", frozenset("rs")),))
    for how in ("container", "contained"):
        pairs = (("code", "a"), ("_contained", "both"), ("_containedType", how), ("_total", "accurate"))
        page = parsed(await ask("search", "Medication", parameters=pairs, grant=grant))
        assert all(url.startswith("Medication/") for url in urls(page))
        assert page["total"] == len(urls(page))


async def test_a_total_that_costs_too_much_is_refused(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(ask)
    monkeypatch.setattr(contained, "MAXIMUM_COUNTED", 1)
    with pytest.raises(TooCostly):
        await searched(ask, "Medication", _contained="true", _containedType="contained", _total="accurate")


async def test_criteria_of_a_conditional_delete_never_reach_containers(ask: Ask) -> None:
    await fill(ask)
    await ask("delete", "Medication", parameters=(("code", "b"), ("_contained", "true")))
    assert len(urls(await searched(ask, "MedicationRequest"))) == 3
