"""What users of other servers suffer from, as their public issue threads tell it: here it does not happen.

Each test names its pain. Others have tests of their own: what may not be seen is guessed through no search, page, total
or history (tests/access/test_leaks.py), start and memory (tests/commands), patches (tests/interactions/test_patch.py).
"""

import asyncio
from typing import Any

import httpx
import pytest

pytestmark = pytest.mark.anyio
FORM = {"content-type": "application/x-www-form-urlencoded"}


def patient(value: str = "1", **members: Any) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": "urn:s", "value": value}], **members}


def put(query: str, resource: dict[str, Any]) -> dict[str, Any]:
    return {"request": {"method": "PUT", "url": query}, "resource": resource}


def bundle(kind: str, *entries: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": kind, "entry": [*entries]}


def link(page: httpx.Response, relation: str) -> str:
    return next((one["url"] for one in page.json()["link"] if one["relation"] == relation), "")


def names(page: httpx.Response) -> list[str]:
    return [one["resource"]["id"] for one in page.json().get("entry", ())]


@pytest.mark.spec("http.html#ccreate")
async def test_conditional_creates_at_once_make_no_duplicates(client: httpx.AsyncClient) -> None:
    header = {"if-none-exist": "identifier=urn:s|1"}
    answers = await asyncio.gather(*(client.post("Patient", json=patient(), headers=header) for _ in range(20)))
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.headers["location"] for answer in answers}) == 1
    entry = {"request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:s|2"}}
    bundles = [bundle("transaction", entry | {"resource": patient("2")}) for _ in range(10)]
    await asyncio.gather(*(client.post("", json=one) for one in bundles))
    assert (await client.get("Patient?_summary=count")).json()["total"] == 2


@pytest.mark.spec("http.html#trules")
async def test_two_conditional_updates_of_one_resource_are_refused_whole(client: httpx.AsyncClient) -> None:
    made = await client.post("Patient", json=patient())
    twice = [put("Patient?identifier=urn:s|1", patient(gender=gender)) for gender in ("male", "female")]
    refused = await client.post("", json=bundle("transaction", *twice))
    assert (refused.status_code, refused.json()["issue"][0]["code"]) == (422, "duplicate")
    assert (await client.get(f"Patient/{made.json()['id']}")).headers["etag"] == 'W/"1"'


@pytest.mark.spec("http.html#concurrency")
async def test_no_version_is_lost_when_all_write_at_once(client: httpx.AsyncClient) -> None:
    body = patient(id="p")
    answers = await asyncio.gather(*(client.put("Patient/p", json=body) for _ in range(30)))
    assert sorted(int(answer.json()["meta"]["versionId"]) for answer in answers) == [*range(1, 31)]
    history = (await client.get("Patient/p/_history")).json()
    assert [one["resource"]["meta"]["versionId"] for one in history["entry"]] == [str(n) for n in range(30, 0, -1)]
    header = {"if-match": 'W/"30"'}
    aware = await asyncio.gather(*(client.put("Patient/p", json=body, headers=header) for _ in range(10)))
    assert sorted(answer.status_code for answer in aware) == [200] + [412] * 9


@pytest.mark.spec("http.html#transaction")
async def test_users_who_write_the_same_in_another_order_do_not_block_each_other(client: httpx.AsyncClient) -> None:
    ids = [f"p{number}" for number in range(5)]
    orders = [ids[number:] + ids[:number] for number in range(5)]
    bundles = [bundle("transaction", *(put(f"Patient/{one}", patient(id=one)) for one in order)) for order in orders]
    async with asyncio.timeout(20):
        answers = await asyncio.gather(*(client.post("", json=one) for one in bundles * 3))
    assert {answer.status_code for answer in answers} == {200}
    assert (await client.get("Patient/p0")).headers["etag"] == 'W/"15"'


@pytest.mark.spec("http.html#search")
async def test_what_was_just_written_is_found_at_once_and_what_was_deleted_is_not(client: httpx.AsyncClient) -> None:
    for number in range(5):
        await client.put("Patient/p", json=patient(str(number), id="p"))
        assert names(await client.get(f"Patient?identifier=urn:s|{number}")) == ["p"]
        assert names(await client.get("Patient?identifier=urn:s|0")) == (["p"] if number == 0 else [])
    await client.delete("Patient/p")
    assert names(await client.get("Patient?identifier=urn:s|4")) == []


@pytest.mark.spec("http.html#paging")
@pytest.mark.parametrize("count", [10, 3, 5])
async def test_pages_lead_to_the_end_with_no_empty_one_and_keep_what_was_asked(
    client: httpx.AsyncClient, count: int
) -> None:
    for number in range(10):
        await client.put(f"Patient/p{number}", json=patient(str(number), id=f"p{number}", multipleBirthInteger=2))
    for path in ("Patient?_summary=true", "Patient/_history?_summary=true"):
        seen: list[str] = []
        page = await client.get(f"{path}&_count={count}")
        while True:
            assert names(page), "an empty page"
            assert len(names(page)) <= count
            assert all("multipleBirthInteger" not in one["resource"] for one in page.json()["entry"])
            seen += names(page)
            url = link(page, "next")
            if not url:
                break
            assert f"_count={count}" in url
            page = await client.get(url)
        assert sorted(seen) == [f"p{number}" for number in range(10)]


@pytest.mark.spec("http.html#paging")
async def test_the_next_page_of_a_posted_search_is_of_that_search(client: httpx.AsyncClient) -> None:
    for number in range(6):
        await client.put(f"Patient/p{number}", json=patient(id=f"p{number}", gender="male" if number % 2 else "female"))
    first = await client.post("Patient/_search", content=b"gender=male&_count=2&_sort=_id", headers=FORM)
    assert names(first) == ["p1", "p3"]
    url = link(first, "next")
    assert "gender=male" in url
    assert names(await client.get(url)) == ["p5"]
    address, _, query = url.partition("?")
    posted = await client.post(f"{address}/_search", content=query.encode(), headers=FORM)
    assert names(posted) == ["p5"]


@pytest.mark.spec("http.html#brules")
async def test_a_search_that_finds_nothing_spoils_no_batch(client: httpx.AsyncClient) -> None:
    asked = [{"request": {"method": "GET", "url": url}} for url in ("Patient?_id=x", "Patient?x=1", "Patient")]
    await client.put("Patient/p", json=patient(id="p"))
    answered = (await client.post("", json=bundle("batch", *asked))).json()["entry"]
    assert [one["response"]["status"][:3] for one in answered] == ["200", "400", "200"]
    assert [one["resource"]["total"] for one in answered[::2]] == [0, 1]


@pytest.mark.spec("search.html#total")
async def test_a_total_costs_only_who_asks_for_it_and_is_exact(client: httpx.AsyncClient) -> None:
    for number in range(12):
        await client.put(f"Patient/p{number}", json=patient(id=f"p{number}", gender="male" if number < 7 else "other"))
    assert "total" not in (await client.get("Patient?_count=5")).json()
    for query, total in (("gender=male&_count=2", 7), ("gender=other&_count=0", 5), ("_id=p1,p2,nobody", 2)):
        assert (await client.get(f"Patient?{query}&_total=accurate")).json()["total"] == total


@pytest.mark.spec("http.html#cdelete")
async def test_deleting_much_says_how_much_and_stops_at_no_silent_bound(client: httpx.AsyncClient) -> None:
    entries = [put(f"Patient/p{number}", patient("all", id=f"p{number}")) for number in range(60)]
    await client.post("", json=bundle("batch", *entries))
    deleted = await client.delete("Patient?identifier=urn:s|all")
    assert (deleted.status_code, "60 resources" in deleted.text) == (200, True)
    assert (await client.get("Patient?_summary=count")).json()["total"] == 0
