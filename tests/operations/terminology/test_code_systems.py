from typing import Any

import pytest

from fhir_server.access.grant import Grant, Scope
from fhir_server.foundation.operation_outcome import BadRequest, FhirError, Forbidden, NotFound, Unprocessable
from fhir_server.interactions.request import Runtime
from tests.operations.conftest import Ask, asked, parsed
from tests.operations.terminology.conftest import ANIMALS, Post, values
from tests.terminology.samples import code_system

pytestmark = pytest.mark.anyio

MIME = "urn:ietf:bcp:13"
BIRD = {"valueCoding": {"system": ANIMALS, "code": "bird", "display": "Oiseau"}}


@pytest.mark.spec("codesystem-operation-lookup.html")
async def test_lookup_by_get_and_by_post(ask: Ask, post: Post) -> None:
    by_get = parsed(await ask("$lookup", "CodeSystem", system=ANIMALS, code="bird", displayLanguage="fr"))
    by_post = parsed(await post("$lookup", "CodeSystem", coding=BIRD, displayLanguage={"valueCode": "fr"}))
    assert by_get == by_post
    assert values(by_get) == {"name": ANIMALS, "version": "2", "display": "Oiseau"}
    assert {one["part"][0]["valueCode"] for one in by_get["parameter"] if one["name"] == "property"} >= {
        "legs",
        "child",
    }
    old = parsed(await ask("$lookup", "CodeSystem", system=ANIMALS, code="dodo", version="1"))
    assert values(old)["version"] == "1"


async def test_lookup_in_a_grammar(ask: Ask) -> None:
    assert values(parsed(await ask("$lookup", "CodeSystem", system=MIME, code="text/plain")))["display"] == "text/plain"
    with pytest.raises(NotFound):
        await ask("$lookup", "CodeSystem", system=MIME, code="text plain")


@pytest.mark.parametrize(
    ("given", "refusal", "said"),
    [
        ({"system": ANIMALS, "code": "dodo"}, NotFound, "'dodo' is not in"),
        ({"system": "urn:nowhere", "code": "a"}, NotFound, "urn:nowhere is not here"),
        ({"code": "bird"}, BadRequest, "both code and system"),
        ({}, BadRequest, "none is given"),
        ({"system": ANIMALS, "code": "bird", "date": "2020"}, BadRequest, "date is not supported"),
        ({"system": ANIMALS, "code": "bird", "dates": "2020"}, BadRequest, "no parameter 'dates'"),
        ({"system": f"{ANIMALS}|1", "version": "2", "code": "bird"}, BadRequest, "another version"),
        ({"coding": "bird"}, BadRequest, "valueCoding"),
    ],
)
async def test_lookup_says_what_is_missing(ask: Ask, given: dict[str, str], refusal: Any, said: str) -> None:
    with pytest.raises(refusal, match=said):
        await ask("$lookup", "CodeSystem", **given)


@pytest.mark.spec("codesystem-operation-validate-code.html")
@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"code": "bird"}, True),
        ({"code": "bird", "display": "BIRD "}, True),
        ({"code": "bird", "display": "Fish"}, False),
        ({"code": "dodo"}, False),
        ({"code": "dodo", "version": "1"}, True),
        ({"code": "animal"}, True),
        ({"code": "animal", "abstract": "true"}, True),
        ({"code": "animal", "abstract": "false"}, False),
    ],
)
async def test_validate_a_code(ask: Ask, given: dict[str, str], result: bool) -> None:
    found = values(parsed(await ask("$validate-code", "CodeSystem", url=ANIMALS, **given)))
    assert found["result"] is result
    assert ("message" in found) is not result


async def test_validate_a_concept_one_coding_is_enough(post: Post) -> None:
    both = {"coding": [{"system": ANIMALS, "code": "bird"}, {"system": "urn:else", "code": "a"}]}
    given: dict[str, Any] = {"url": {"valueUri": ANIMALS}, "displayLanguage": {"valueCode": "fr"}}
    concept = {"valueCodeableConcept": both}
    found = values(parsed(await post("$validate-code", "CodeSystem", codeableConcept=concept, **given)))
    assert found == {"result": True, "display": "Oiseau"}
    both["coding"].pop(0)
    found = values(parsed(await post("$validate-code", "CodeSystem", codeableConcept=concept, **given)))
    assert found["result"] is False
    assert "is of urn:else" in found["message"]


async def test_validate_by_a_system_that_is_sent_or_stored(ask: Ask, post: Post, store: Any) -> None:
    own = code_system(id="own", url="urn:own", concept=[{"code": "mine"}])
    sent = await post("$validate-code", "CodeSystem", codeSystem={"resource": own}, code={"valueCode": "mine"})
    await store(own)
    stored = await ask("$validate-code", "CodeSystem/own", code="mine")
    assert values(parsed(sent)) == values(parsed(stored)) == {"result": True}


async def test_what_cannot_be_checked_is_no_result(ask: Ask, post: Post) -> None:
    part = code_system(content="fragment")
    with pytest.raises(Unprocessable, match="could not be checked") as refusal:
        await post("$validate-code", "CodeSystem", codeSystem={"resource": part}, code={"valueCode": "dodo"})
    assert refusal.value.issues[0].code == "not-found"
    with pytest.raises(NotFound):
        await ask("$validate-code", "CodeSystem", url="urn:nowhere", code="a")
    for url in (MIME, "urn:ietf:bcp:47"):
        assert values(parsed(await ask("$validate-code", "CodeSystem", url=url, code="no such")))["result"] is False


@pytest.mark.spec("codesystem-operation-subsumes.html")
@pytest.mark.parametrize(
    ("first", "second", "outcome"),
    [
        ("animal", "emu", "subsumes"),
        ("emu", "animal", "subsumed-by"),
        ("emu", "emu", "equivalent"),
        ("emu", "fish", "not-subsumed"),
    ],
)
async def test_subsumes(ask: Ask, post: Post, first: str, second: str, outcome: str) -> None:
    by_get = await ask("$subsumes", "CodeSystem", system=ANIMALS, codeA=first, codeB=second)
    sides = {"codingA": first, "codingB": second}
    codings = {side: {"valueCoding": {"system": ANIMALS, "code": code}} for side, code in sides.items()}
    assert parsed(by_get) == parsed(await post("$subsumes", "CodeSystem", **codings))
    assert values(parsed(by_get)) == {"outcome": outcome}


async def test_subsumes_on_a_stored_system(ask: Ask, store: Any) -> None:
    await store(code_system(id="own"))
    assert values(parsed(await ask("$subsumes", "CodeSystem/own", codeA="bird", codeB="emu")))["outcome"] == "subsumes"
    with pytest.raises(BadRequest, match="knows nothing of urn:x"):
        await ask("$subsumes", "CodeSystem/own", codeA="bird", codeB="emu", system="urn:x")
    await store(code_system(id="parts", hierarchyMeaning="part-of"))
    with pytest.raises(Unprocessable, match="could not be checked"):
        await ask("$subsumes", "CodeSystem/parts", codeA="bird", codeB="emu")


async def test_a_refusal_of_subsumes(ask: Ask, post: Post) -> None:
    for given in (
        {"codeA": "bird"},
        {"codeA": "bird", "codeB": "dodo", "system": ANIMALS},
        {"codeA": "a", "codeB": "b"},
    ):
        with pytest.raises(FhirError):
            await ask("$subsumes", "CodeSystem", **given)
    other = {"valueCoding": {"system": "urn:x", "code": "bird"}}
    with pytest.raises(BadRequest, match="two systems"):
        await post("$subsumes", "CodeSystem", codingA=BIRD, codingB=other)


async def test_who_may_not_read_the_type_may_not_ask(runtime: Runtime) -> None:
    reader = Grant("patient", "Patient/1", "app", (Scope("patient", "Observation", frozenset("rs")),), patient_id="1")
    with pytest.raises(Forbidden):
        await asked(runtime, "$lookup", "CodeSystem", grant=reader, parameters=(("system", ANIMALS), ("code", "bird")))


async def test_a_stored_system_without_concepts_stands_for_what_is_here(ask: Ask, store: Any) -> None:
    await store(
        {name: part for name, part in code_system(id="stub", content="not-present").items() if name != "concept"}
    )
    assert values(parsed(await ask("$validate-code", "CodeSystem/stub", code="bird")))["result"] is True
    assert values(parsed(await ask("$subsumes", "CodeSystem/stub", codeA="bird", codeB="emu")))["outcome"] == "subsumes"
    await store(
        {"resourceType": "CodeSystem", "id": "empty", "url": "urn:empty", "status": "active", "content": "not-present"}
    )
    with pytest.raises(Unprocessable, match="no concept is here"):
        await ask("$validate-code", "CodeSystem/empty", code="bird")
