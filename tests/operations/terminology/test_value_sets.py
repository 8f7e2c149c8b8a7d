import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, NotFound, TooCostly, Unprocessable
from fhir_server.interactions.request import Runtime
from tests.operations.conftest import Ask, asked, parsed
from tests.operations.terminology.conftest import ANIMALS, PARTLY, VALUE_SET, Post, values
from tests.terminology.samples import value_set

pytestmark = pytest.mark.anyio


def codes(value_set: dict[str, Any]) -> list[str]:
    return [found["code"] for found in value_set["expansion"].get("contains", ())]


@pytest.mark.spec("valueset-operation-expand.html")
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, ["animal", "bird", "emu", "fish", "pet", "x"]),
        ({"filter": "oiseau"}, ["bird"]),
        ({"offset": "1", "count": "2"}, ["bird", "emu"]),
        ({"count": "0"}, []),
        ({"activeOnly": "true"}, ["animal", "bird", "emu", "pet", "x"]),
        ({"excludeNotForUI": "true"}, ["bird", "emu", "fish", "pet", "x"]),
        ({"exclude-system": ANIMALS}, ["x"]),
        ({"exclude-system": f"{ANIMALS}|2"}, ["x"]),
        ({"exclude-system": f"{ANIMALS}|1"}, ["animal", "bird", "emu", "fish", "pet", "x"]),
        ({"system-version": f"{ANIMALS}|1"}, ["dodo", "x"]),
        ({"force-system-version": f"{ANIMALS}|1"}, ["dodo", "x"]),
        ({"check-system-version": f"{ANIMALS}|1"}, ["dodo", "x"]),
        ({"excludeNested": "false"}, ["animal", "pet", "x"]),
        ({"excludePostCoordinated": "true", "excludeNested": "true"}, ["animal", "bird", "emu", "fish", "pet", "x"]),
    ],
)
async def test_expand(ask: Ask, given: dict[str, str], expected: list[str]) -> None:
    assert codes(parsed(await ask("$expand", "ValueSet", url=VALUE_SET, **given))) == expected


async def test_versions_that_the_value_set_names(post: Post) -> None:
    pinned = {"resource": value_set("urn:v", {"system": ANIMALS, "version": "2"})}
    for name in ("force__system__version", "system__version"):
        given = {name: {"valueCanonical": f"{ANIMALS}|1"}}
        found = parsed(await post("$expand", "ValueSet", valueSet=pinned, **given))
        assert codes(found)[0] == ("dodo" if name.startswith("force") else "animal")
    with pytest.raises(Unprocessable, match="check-system-version"):
        await post("$expand", "ValueSet", valueSet=pinned, check__system__version={"valueCanonical": f"{ANIMALS}|1"})


async def test_designations_and_definition(ask: Ask) -> None:
    plain = parsed(await ask("$expand", "ValueSet", url=VALUE_SET, filter="bird"))
    assert "compose" not in plain
    assert "designation" not in plain["expansion"]["contains"][0]
    given = {"designation": "urn:ietf:bcp:47|fr", "includeDefinition": "true", "displayLanguage": "fr-CH"}
    full = parsed(await ask("$expand", "ValueSet", url=VALUE_SET, filter="bird", **given))
    (bird,) = full["expansion"]["contains"]
    assert bird["designation"] == [{"language": "fr", "value": "Oiseau"}]
    assert bird["display"] == "Oiseau suisse"
    assert full["compose"]["include"][0] == {"system": ANIMALS}
    told = {one["name"] for one in full["expansion"]["parameter"]}
    assert {"designation", "displayLanguage", "filter", "includeDefinition", "version"} <= told


async def test_expand_what_is_sent_stored_contained_and_implicit(ask: Ask, runtime: Runtime, store: Any) -> None:
    inner = {"resourceType": "ValueSet", "id": "in", "status": "active", "compose": {"include": [{"system": ANIMALS}]}}
    outer = value_set("urn:outer", {"valueSet": ["#in"]}) | {"contained": [inner], "id": "outer"}
    await store(outer)
    everything = ["animal", "bird", "emu", "fish", "pet"]
    assert codes(parsed(await ask("$expand", "ValueSet/outer"))) == everything
    assert codes(parsed(await asked(runtime, "$expand", "ValueSet", outer))) == everything
    assert codes(parsed(await ask("$expand", "ValueSet", url=f"{ANIMALS}?fhir_vs=isa/bird"))) == ["bird", "emu"]


@pytest.mark.parametrize(
    ("given", "refusal", "said"),
    [
        ({}, BadRequest, "none is given"),
        ({"url": "urn:nowhere"}, NotFound, "urn:nowhere is not here"),
        ({"url": PARTLY}, Unprocessable, "http://example.org/unknown is not here"),
        ({"url": VALUE_SET, "context": "Patient.gender"}, BadRequest, "context is not supported"),
        ({"url": VALUE_SET, "count": "many"}, BadRequest, "count is of type integer"),
        ({"url": VALUE_SET, "count": "-1"}, BadRequest, "0 or more"),
        ({"url": VALUE_SET, "activeOnly": "yes"}, BadRequest, "activeOnly is of type boolean"),
        ({"url": VALUE_SET, "system-version": "urn:x"}, BadRequest, r"system\|version"),
        ({"url": VALUE_SET, "valueSetVersion": "9"}, NotFound, r"zoo\|9 is not here"),
    ],
)
async def test_expand_says_what_is_missing(ask: Ask, given: dict[str, str], refusal: Any, said: str) -> None:
    with pytest.raises(refusal, match=said):
        await ask("$expand", "ValueSet", **given)


async def test_a_parameter_twice_or_of_another_type_is_refused(runtime: Runtime) -> None:
    twice = (("url", VALUE_SET), ("url", VALUE_SET))
    with pytest.raises(BadRequest, match="2 times"):
        await asked(runtime, "$expand", "ValueSet", parameters=twice)
    body = {"resourceType": "Parameters", "parameter": [{"name": "count", "valueString": "1"}]}
    with pytest.raises(BadRequest, match="valueInteger"):
        await asked(runtime, "$expand", "ValueSet", body)


async def test_others_are_answered_while_a_large_value_set_is_expanded(
    runtime: Runtime, store: Callable[..., Any]
) -> None:
    concepts = [{"code": f"c{place}", "display": f"Concept {place}"} for place in range(10_000)]
    await store({"resourceType": "Patient", "id": "1"})
    system = value_set("urn:vs", {"system": "urn:large", "concept": concepts})
    expanding = asyncio.create_task(asked(runtime, "$expand", "ValueSet", system))
    reads = 0
    while not expanding.done():
        await asked(runtime, "read", "Patient/1")
        reads += 1
        await asyncio.sleep(0)
    assert len(codes(parsed(await expanding))) == 10_000
    assert reads > 1


async def test_a_circle_is_too_costly(post: Post) -> None:
    circle = value_set("urn:circle", {"valueSet": ["urn:circle"]})
    with pytest.raises(TooCostly):
        await post("$expand", "ValueSet", valueSet={"resource": circle})


@pytest.mark.spec("valueset-operation-validate-code.html")
@pytest.mark.parametrize(
    ("given", "result"),
    [
        ({"system": ANIMALS, "code": "bird"}, True),
        ({"system": ANIMALS, "code": "bird", "display": "Émeu"}, False),
        ({"system": ANIMALS, "code": "dodo"}, False),
        ({"system": ANIMALS, "code": "dodo", "systemVersion": "1"}, True),
        ({"system": "urn:other", "code": "bird"}, False),
        ({"system": ANIMALS, "code": "animal", "abstract": "false"}, False),
        ({"code": "bird", "inferSystem": "true"}, True),
        ({"code": "dodo", "inferSystem": "true"}, False),
    ],
)
async def test_validate_a_code(ask: Ask, given: dict[str, str], result: bool) -> None:
    found = values(parsed(await ask("$validate-code", "ValueSet", url=VALUE_SET, **given)))
    assert found["result"] is result
    assert ("message" in found) is not result
    if "display" in given:
        assert found["display"] == "Bird"


async def test_validate_a_concept_and_its_display(post: Post) -> None:
    codings = [{"system": "urn:x", "code": "bird"}, {"code": "bird"}, {"system": ANIMALS, "code": "bird"}]
    given: dict[str, Any] = {"url": {"valueUri": VALUE_SET}, "displayLanguage": {"valueCode": "fr"}}
    concept = {"valueCodeableConcept": {"coding": codings}}
    found = values(parsed(await post("$validate-code", "ValueSet", codeableConcept=concept, **given)))
    assert found == {"result": True, "display": "Oiseau"}
    codings.pop()
    found = values(parsed(await post("$validate-code", "ValueSet", codeableConcept=concept, **given)))
    assert found["result"] is False


async def test_a_display_that_cannot_be_checked_is_said(ask: Ask) -> None:
    given = {"url": VALUE_SET, "system": "urn:other", "code": "x", "display": "Any"}
    found = values(parsed(await ask("$validate-code", "ValueSet", **given)))
    assert found["result"] is True
    assert "could not be checked" in found["message"]


async def test_what_cannot_be_checked_is_no_result(ask: Ask) -> None:
    with pytest.raises(Unprocessable, match="could not be checked"):
        await ask("$validate-code", "ValueSet", url=PARTLY, system="http://example.org/unknown", code="a")
    with pytest.raises(NotFound):
        await ask("$validate-code", "ValueSet", url="urn:nowhere", system=ANIMALS, code="a")
    with pytest.raises(BadRequest, match="inferSystem"):
        await ask("$validate-code", "ValueSet", url=VALUE_SET, code="bird")
    with pytest.raises(BadRequest, match="none is"):
        await ask("$validate-code", "ValueSet", url=VALUE_SET)


@pytest.mark.spec("valueset-operation-validate-code.html")
async def test_a_code_is_judged_by_the_version_that_the_value_set_names(post: Post) -> None:
    pinned = value_set("urn:pinned", {"system": ANIMALS, "version": "1"})
    pinned["compose"]["inactive"] = False
    outer = {**value_set("urn:outer", {"valueSet": ["#pinned"]}), "contained": [{**pinned, "id": "pinned"}]}
    for sent in (pinned, outer):
        given = {"code": {"valueCode": "dodo"}, "system": {"valueUri": ANIMALS}, "valueSet": {"resource": sent}}
        assert values(parsed(await post("$validate-code", "ValueSet", **given))) == {"result": True, "display": "Dodo"}
        wrong = values(parsed(await post("$validate-code", "ValueSet", display={"valueString": "Emu"}, **given)))
        assert (wrong["result"], wrong["display"]) == (False, "Dodo")


@pytest.mark.spec("valueset-operation-expand.html")
async def test_codes_made_by_a_grammar_are_not_said_to_be_in_a_package(ask: Ask) -> None:
    with pytest.raises(Unprocessable, match="made by a grammar"):
        await ask("$expand", "ValueSet", url="http://hl7.org/fhir/ValueSet/mimetypes")


@pytest.mark.spec("valueset-definitions.html#ValueSet.compose.include.filter")
async def test_a_filter_by_a_property_that_the_system_does_not_have_is_no_empty_answer(post: Post) -> None:
    wrong = value_set("urn:w", {"system": ANIMALS, "filter": [{"property": "lgs", "op": "=", "value": "4"}]})
    with pytest.raises(Unprocessable, match="has no property 'lgs'"):
        await post("$expand", "ValueSet", valueSet={"resource": wrong})
    given = {"code": {"valueCode": "bird"}, "system": {"valueUri": ANIMALS}}
    with pytest.raises(Unprocessable, match="could not be checked"):
        await post("$validate-code", "ValueSet", valueSet={"resource": wrong}, **given)
