from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.interactions.request import Runtime
from tests.operations.conftest import Ask, asked, parsed
from tests.operations.terminology.conftest import ANIMALS, MAP, TARGET, VALUE_SET, ZOO, Post, values

pytestmark = pytest.mark.anyio


def matches(parameters: dict[str, Any]) -> list[tuple[str, str]]:
    found = [one["part"] for one in parameters["parameter"] if one["name"] == "match"]
    named = ({part["name"]: next(v for k, v in part.items() if k != "name") for part in parts} for parts in found)
    return [(one["equivalence"], one.get("concept", {}).get("code", "")) for one in named]


@pytest.mark.spec("conceptmap-operation-translate.html")
@pytest.mark.parametrize(
    "how",
    [
        {"url": MAP},
        {"source": VALUE_SET},
        {"targetsystem": TARGET},
        {"url": MAP, "targetsystem": TARGET, "source": VALUE_SET},
    ],
)
async def test_translate(ask: Ask, how: dict[str, str]) -> None:
    found = parsed(await ask("$translate", "ConceptMap", system=ANIMALS, code="bird", **how))
    assert values(found) == {"result": True}
    assert matches(found) == [("equivalent", "B")]


@pytest.mark.parametrize(
    ("given", "result", "found"),
    [
        ({"url": MAP, "code": "pet"}, False, [("unmatched", "")]),
        ({"url": MAP, "code": "emu"}, False, []),
        ({"url": MAP, "code": "fish"}, False, []),
        ({"target": "urn:no-set", "code": "bird"}, False, []),
        ({"url": MAP, "source": "urn:no-set", "code": "bird"}, False, []),
        ({"targetsystem": "urn:none", "code": "bird"}, False, []),
    ],
)
async def test_no_translation_is_said(ask: Ask, given: dict[str, str], result: bool, found: Any) -> None:
    answer = parsed(await ask("$translate", "ConceptMap", system=ANIMALS, **given))
    assert values(answer)["result"] is result
    assert values(answer)["message"]
    assert matches(answer) == found


async def test_backwards(ask: Ask) -> None:
    for how in ({"url": MAP}, {"targetsystem": ANIMALS}, {"target": VALUE_SET}):
        answer = parsed(await ask("$translate", "ConceptMap", system=TARGET, code="B", reverse="true", **how))
        assert matches(answer) == [("equivalent", "bird")]


async def test_a_dependency_and_a_concept(post: Post) -> None:
    codings = [{"system": ANIMALS, "code": "fish"}, {"system": ANIMALS, "code": "bird"}]
    sea = {"name": "concept", "valueCodeableConcept": {"coding": [{"code": "salt"}]}}
    dependency = {"part": [{"name": "element", "valueUri": "sea"}, sea]}
    given: dict[str, Any] = {"url": {"valueUri": MAP}, "codeableConcept": {"valueCodeableConcept": {"coding": codings}}}
    assert matches(parsed(await post("$translate", "ConceptMap", **given))) == [("equivalent", "B")]
    answer = parsed(await post("$translate", "ConceptMap", dependency=dependency, **given))
    assert matches(answer) == [("wider", "F"), ("equivalent", "B")]
    with pytest.raises(BadRequest, match="two parts"):
        await post("$translate", "ConceptMap", dependency={"part": [sea]}, **given)


async def test_a_map_that_is_sent_or_stored(ask: Ask, runtime: Runtime, store: Any) -> None:
    await store(ZOO[MAP] | {"id": "own"})
    stored = parsed(await ask("$translate", "ConceptMap/own", system=ANIMALS, code="bird"))
    coding = (("system", ANIMALS), ("code", "bird"))
    sent = parsed(await asked(runtime, "$translate", "ConceptMap", ZOO[MAP], parameters=coding))
    assert matches(stored) == matches(sent) == [("equivalent", "B")]


async def test_r4_has_maps_of_its_own(ask: Ask) -> None:
    given = {"system": "http://hl7.org/fhir/address-use", "code": "home"}
    target = "http://terminology.hl7.org/CodeSystem/v3-AddressUse"
    found = parsed(await ask("$translate", "ConceptMap", targetsystem=target, **given))
    assert matches(found) == [("equivalent", "H"), ("equal", "H")]


async def test_a_refusal_of_translate(ask: Ask) -> None:
    with pytest.raises(NotFound, match="urn:nowhere is not here"):
        await ask("$translate", "ConceptMap", url="urn:nowhere", system=ANIMALS, code="bird")
    for given in ({"system": ANIMALS, "code": "bird"}, {"url": MAP, "code": "bird"}, {"url": MAP, "system": ANIMALS}):
        with pytest.raises(BadRequest):
            await ask("$translate", "ConceptMap", **given)
