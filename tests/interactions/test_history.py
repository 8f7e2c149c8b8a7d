"""Spec: http.html#history."""

import pytest
from msgspec.structs import replace

from fhir_server.access.grant import OPEN
from fhir_server.app import new_id
from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.interactions.dispatch import dispatch
from fhir_server.interactions.request import Request, Runtime
from tests.interactions.conftest import Ask, observation, parsed, patient

pytestmark = pytest.mark.anyio


@pytest.mark.spec("http.html#history")
async def test_history_of_a_resource_is_newest_first(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("update", "Patient", "new-1", body=patient(id="new-1", gender="male"))
    body = parsed(await ask("history", "Patient", "new-1"))
    assert (body["type"], body["total"]) == ("history", 2)
    assert [entry["response"]["etag"] for entry in body["entry"]] == ['W/"2"', 'W/"1"']
    assert body["entry"][0]["request"] == {"method": "PUT", "url": "Patient/new-1"}
    assert body["entry"][0]["resource"]["gender"] == "male"


@pytest.mark.spec("http.html#history")
async def test_history_of_an_unknown_resource_is_404(ask: Ask) -> None:
    with pytest.raises(NotFound):
        await ask("history", "Patient", "nobody")


@pytest.mark.spec("http.html#history")
async def test_history_since_an_instant_without_changes_is_empty(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    body = parsed(await ask("history", "Patient", "new-1", parameters=(("_since", "2030-01-01T00:00:00Z"),)))
    assert "entry" not in body


@pytest.mark.spec("http.html#history")
async def test_history_of_a_type_and_of_the_system(ask: Ask) -> None:
    await ask("create", "Patient", body=patient())
    await ask("create", "Observation", body=observation("Patient/new-1"))
    assert parsed(await ask("history", "Patient"))["total"] == 1
    everything = parsed(await ask("history"))["entry"]
    assert {one["resource"]["resourceType"] for one in everything} >= {"Patient", "Observation", "AuditEvent"}


@pytest.mark.spec("http.html#history")
async def test_history_pages(ask: Ask) -> None:
    for gender in ("male", "female", "other"):
        await ask("update", "Patient", "p", body=patient(id="p", gender=gender))
    first = parsed(await ask("history", "Patient", "p", parameters=(("_count", "2"),)))
    url = next(link["url"] for link in first["link"] if link["relation"] == "next")
    cursor = url.split("_cursor=")[1]
    second = parsed(await ask("history", "Patient", "p", parameters=(("_count", "2"), ("_cursor", cursor))))
    assert [len(first["entry"]), len(second["entry"])] == [2, 1]


@pytest.mark.spec("http.html#history")
@pytest.mark.parametrize(
    "pair",
    [
        *(
            ("_count", "x"),
            ("_since", "yesterday"),
            ("gender", "male"),
            ("_at", "ne2026"),
            ("_at", "xx"),
            ("_at", "ge"),
        ),
        ("_at", ""),
        *(("_sort", "_lastUpdated"), ("_list", "$current-problems"), ("_list", "a/b/c")),
    ],
)
async def test_history_refuses_what_it_does_not_understand(ask: Ask, pair: tuple[str, str]) -> None:
    with pytest.raises(BadRequest):
        await ask("history", "Patient", parameters=(pair,))


@pytest.mark.spec("http.html#history")
@pytest.mark.parametrize("place", [("Patient", "p"), ("Patient", ""), ("", "")])
async def test_history_shows_deletions_everywhere(ask: Ask, place: tuple[str, str]) -> None:
    await ask("update", "Patient", "p", body=patient(id="p"))
    await ask("delete", "Patient", "p")
    entries = parsed(await ask("history", *place))["entry"]
    deletion = next(one for one in entries if one["request"]["method"] == "DELETE")
    assert (deletion["request"]["url"], deletion["response"]["status"]) == ("Patient/p", "204")
    assert "resource" not in deletion


@pytest.mark.spec("http.html#history")
async def test_history_at_and_since_an_instant(ask: Ask) -> None:
    instants = []
    for gender in ("male", "female", "other"):
        response = await ask("update", "Patient", "p", body=patient(id="p", gender=gender))
        instants.append(parsed(response)["meta"]["lastUpdated"])
    at = parsed(await ask("history", "Patient", "p", parameters=(("_at", instants[1]),)))
    assert [one["resource"]["gender"] for one in at["entry"]] == ["female"]
    since = parsed(await ask("history", "Patient", parameters=(("_since", instants[1]),)))
    assert [one["resource"]["gender"] for one in since["entry"]] == ["other", "female"]


@pytest.mark.spec("http.html#parameters")
async def test_history_summary_and_elements(ask: Ask) -> None:
    await ask("update", "Patient", "p", body=patient(id="p", gender="male", birthDate="1970-01-01"))
    await ask("delete", "Patient", "p")
    for parameters in ((("_summary", "text"),), (("_elements", "gender"),)):
        entries = parsed(await ask("history", "Patient", "p", parameters=parameters))["entry"]
        shown = entries[1]["resource"]
        assert ("birthDate" in shown, shown["meta"]["tag"][0]["code"]) == (False, "SUBSETTED")
    counted = parsed(await ask("history", "Patient", "p", parameters=(("_summary", "count"),)))
    assert (counted["total"], "entry" in counted) == (2, False)
    with pytest.raises(BadRequest):
        await ask("history", "Patient", "p", parameters=(("_summary", "x"),))


@pytest.mark.spec("http.html#history")
@pytest.mark.parametrize(
    ("at", "genders"),
    [
        ("2026-01-01", ["other", "female", "male"]),
        ("2026", ["other", "female", "male"]),
        ("2025", []),
        ("2027", ["other"]),
        ("le2026-01-01T00:00:02Z", ["female", "male"]),
        ("lt2026-01-01T00:00:02Z", ["male"]),
        ("eb2026-01-01", []),
        ("ge2026-01-01T00:00:04Z", ["other"]),
        ("gt2026-01-01T00:00:02Z", ["other", "female"]),
        ("sa2026", ["other"]),
        ("ge0001-01-01T00:00:00+14:00", ["other", "female", "male"]),
        ("le9999", ["other", "female", "male"]),
    ],
)
async def test_history_at_a_period_has_what_was_current_in_it(ask: Ask, at: str, genders: list[str]) -> None:
    for gender in ("male", "female", "other"):
        await ask("update", "Patient", "p", body=patient(id="p", gender=gender))
    shown = parsed(await ask("history", "Patient", "p", parameters=(("_at", at),)))
    assert [one["resource"]["gender"] for one in shown.get("entry", ())] == genders
    assert shown["total"] == len(genders)


@pytest.mark.spec("http.html#history")
async def test_history_of_what_a_list_refers_to(ask: Ask) -> None:
    for name in ("a", "b"):
        await ask("update", "Patient", name, body=patient(id=name))
        await ask("update", "Patient", name, body=patient(id=name, gender="male"))
    items = [{"item": {"reference": "Patient/a"}}]
    listed = {"resourceType": "List", "id": "l", "status": "current", "mode": "working", "entry": items}
    await ask("update", "List", "l", body=listed)
    for place in (("Patient",), ("",)):
        sorted_too = (("_list", "l"), ("_sort", "-_lastUpdated"))
        assert parsed(await ask("history", *place, parameters=sorted_too))["total"] == 2
        shown = parsed(await ask("history", *place, parameters=(("_list", "l"),)))
        assert [one["fullUrl"].rpartition("/")[2] for one in shown["entry"]] == ["a", "a"]
        assert shown["total"] == 2
    with pytest.raises(NotFound):
        await ask("history", "Patient", "c", parameters=(("_list", "l"),))
    assert parsed(await ask("history", "Patient", "b", parameters=(("_list", "l"),)))["total"] == 0


@pytest.mark.spec("http.html#history")
@pytest.mark.parametrize("since", ["0001-01-01T00:00:00+14:00", "0001", "2026", "9999-12-31T23:59:60-14:00"])
async def test_history_since_any_instant_there_is(ask: Ask, since: str) -> None:
    await ask("update", "Patient", "p", body=patient(id="p"))
    assert parsed(await ask("history", parameters=(("_since", since),)))["type"] == "history"


@pytest.mark.spec("http.html#paging")
async def test_history_pages_are_of_the_moment_of_the_first_one(ask: Ask) -> None:
    for number in range(5):
        await ask("update", "Patient", "p", body=patient(id="p", birthDate=f"200{number}"))
    parameters: tuple[tuple[str, str], ...] = (("_count", "2"),)
    seen: list[str] = []
    while parameters:
        page = parsed(await ask("history", "Patient", "p", parameters=parameters))
        seen += [one["resource"]["birthDate"] for one in page["entry"]]
        await ask("update", "Patient", "p", body=patient(id="p", birthDate="2026"))
        links = {link["relation"]: link["url"] for link in page["link"]}
        cursor = links.get("next", "").partition("_cursor=")[2]
        parameters = (("_count", "2"), ("_cursor", cursor)) if cursor else ()
    assert seen == ["2004", "2003", "2002", "2001", "2000"]


@pytest.mark.spec("http.html#history")
async def test_a_first_version_tells_how_its_id_was_chosen(ask: Ask, runtime: Runtime) -> None:
    named = replace(runtime, new_id=new_id)
    created = await dispatch(Request("create", OPEN, "Patient", content=b'{"resourceType":"Patient"}'), named)
    await ask("update", "Patient", "mine", body=patient(id="mine"))
    assert created.version is not None
    first = {
        created.version.resource_id: {"method": "POST", "url": "Patient"},
        "mine": {"method": "PUT", "url": "Patient/mine"},
    }
    for resource_id, request in first.items():
        (entry,) = parsed(await ask("history", "Patient", resource_id))["entry"]
        assert (entry["request"], entry["response"]["status"]) == (request, "201")
