"""Pages while others write: what did not change is seen once, in order, whatever the order. Spec: http.html#paging."""

import random
from collections import Counter
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from tests.interactions.conftest import Ask, parsed

pytestmark = [pytest.mark.anyio, pytest.mark.spec("http.html#paging")]
Pairs = tuple[tuple[str, str], ...]


def drawn(chance: random.Random) -> dict[str, Any]:
    """An Observation that may lack what it is sorted by."""
    observed: dict[str, Any] = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    if chance.random() < 0.7:
        observed["effectiveDateTime"] = f"20{chance.randrange(10, 14)}"
    if chance.random() < 0.7:
        observed["code"] = {"coding": [{"code": chance.choice("abc")}]}
    if chance.random() < 0.7:
        observed["valueQuantity"] = {"value": chance.randrange(3)}
    return observed


def next_of(body: dict[str, Any]) -> Pairs | None:
    found = [one["url"] for one in body["link"] if one["relation"] == "next"]
    return tuple(parse_qsl(urlsplit(found[0]).query)) if found else None


@pytest.mark.parametrize(
    "order", ["", "date", "-date", "code,-date", "-value-quantity,code", "date,-code,_id", "-_lastUpdated", "_id"]
)
async def test_what_did_not_change_is_seen_once_in_order(ask: Ask, order: str) -> None:
    chance = random.Random(order)
    living = [parsed(await ask("create", "Observation", body=drawn(chance)))["id"] for _ in range(30)]
    untouched = set(living)
    asked: Pairs | None = (("status", "final"), ("_count", "4"), *((("_sort", order),) if order else ()))
    whole = parsed(await ask("search", "Observation", parameters=(*asked[:1], *asked[2:])))
    before = [entry["resource"]["id"] for entry in whole["entry"]]
    seen: list[str] = []
    while asked is not None:
        body = parsed(await ask("search", "Observation", parameters=asked))
        seen += [entry["resource"]["id"] for entry in body.get("entry", [])]
        asked = next_of(body)
        for _ in range(3):
            act = chance.choice(("create", "update", "delete"))
            one = chance.choice(living)
            if act == "create":
                await ask("create", "Observation", body=drawn(chance))
                continue
            untouched.discard(one)
            if act == "update":
                await ask("update", "Observation", one, body={**drawn(chance), "id": one})
            else:
                await ask("delete", "Observation", one)
    counted = Counter(seen)
    assert {one: counted[one] for one in untouched} == dict.fromkeys(untouched, 1)
    assert len(untouched) > 5
    assert [one for one in seen if one in untouched] == [one for one in before if one in untouched]


async def test_a_cursor_is_opaque_and_cannot_be_changed(ask: Ask) -> None:
    chance = random.Random(1)
    for _ in range(6):
        await ask("create", "Observation", body=drawn(chance))
    asked: Pairs = (("status", "final"), ("_count", "2"), ("_sort", "-date"))
    following = next_of(parsed(await ask("search", "Observation", parameters=asked)))
    assert following is not None
    cursor = dict(following)["_cursor"]
    for wrong in (cursor[:-2] + ("AA" if cursor[-2:] != "AA" else "BB"), cursor[1:], "x", "", cursor * 2):
        changed = tuple((name, wrong if name == "_cursor" else value) for name, value in following)
        with pytest.raises(BadRequest):
            await ask("search", "Observation", parameters=changed)
    for other in (("status", "amended"), ("_sort", "date")):
        changed = tuple(other if name == other[0] else (name, value) for name, value in following)
        with pytest.raises(BadRequest, match="page does not exist"):
            await ask("search", "Observation", parameters=changed)
