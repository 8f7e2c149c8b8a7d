from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.terminology.bounded_cache import BoundedCache
from fhir_server.terminology.code_system import CodeSystem
from fhir_server.terminology.expansion import ExpansionParameters, expansion
from fhir_server.terminology.value_set import Member, ValueSet
from tests.terminology.samples import ANIMALS, code_system, value_set

NOW = "2026-01-02T03:04:05Z"
DEFINITION = value_set("http://example.org/vs", {"system": ANIMALS})


class Animals:
    def code_system(self, canonical: str) -> CodeSystem | None:
        return CodeSystem(code_system()) if canonical == ANIMALS else None

    def value_set(self, canonical: str) -> None:
        return None

    def grammar(self, system: str) -> None:
        return None


MEMBERS = list(ValueSet(DEFINITION, Animals()).members())


def expanded(**asked: Any) -> dict[str, Any]:
    whole = expansion(DEFINITION, MEMBERS, ExpansionParameters(**asked), "urn:uuid:1", NOW)
    shown: dict[str, Any] = whole["expansion"]
    return shown


def codes(shown: dict[str, Any]) -> list[str]:
    return [found["code"] for found in shown.get("contains", ())]


def test_the_whole_is_flat() -> None:
    shown = expanded()
    assert (shown["total"], shown["timestamp"], shown["identifier"]) == (5, NOW, "urn:uuid:1")
    assert codes(shown) == ["animal", "bird", "emu", "fish", "pet"]
    assert shown["contains"][0]["abstract"] is True
    assert shown["contains"][3]["inactive"] is True
    assert shown["parameter"] == [{"name": "version", "valueUri": f"{ANIMALS}|2"}]


@pytest.mark.spec("valueset-operation-expand.html")
def test_pages_join_to_the_whole() -> None:
    pages = [expanded(offset=offset, count=2) for offset in (0, 2, 4, 6)]
    assert [code for page in pages for code in codes(page)] == codes(expanded())
    assert {page["total"] for page in pages} == {5}
    assert pages[1]["parameter"][:2] == [{"name": "offset", "valueInteger": 2}, {"name": "count", "valueInteger": 2}]


def test_a_count_of_zero_tells_the_total() -> None:
    shown = expanded(count=0)
    assert shown["total"] == 5
    assert "contains" not in shown


@pytest.mark.parametrize(("text", "expected"), [("emeu", ["emu"]), ("OISEAU bi", ["bird"]), ("stone", [])])
def test_text_is_looked_for_without_case_and_accents(text: str, expected: list[str]) -> None:
    shown = expanded(text=text)
    assert (codes(shown), shown["total"]) == (expected, len(expected))


def test_displays_in_a_language_and_designations() -> None:
    bird = expanded(display_language="fr", has_designations=True)["contains"][1]
    assert bird["display"] == "Oiseau"
    assert bird["designation"][0] == {"language": "fr", "value": "Oiseau"}
    assert "designation" not in expanded()["contains"][1]


def test_active_only() -> None:
    assert codes(expanded(is_active_only=True)) == ["animal", "bird", "emu", "pet"]


def test_nested_on_demand() -> None:
    shown = expanded(exclude_nested=False)
    assert codes(shown) == ["animal", "pet"]
    animal = shown["contains"][0]
    assert codes(animal) == ["bird", "fish"]
    assert codes(animal["contains"][0]) == ["emu"]
    assert codes(expanded(exclude_nested=False, count=5)) == codes(expanded())


def test_a_circle_of_parents_loses_nobody() -> None:
    circle = [Member("s", "a", parents=("b",)), Member("s", "b", parents=("a",))]
    shown = expansion(DEFINITION, circle, ExpansionParameters(exclude_nested=False), "i", NOW)["expansion"]
    assert codes(shown) == ["a"]
    assert codes(shown["contains"][0]) == ["b"]


def test_negative_pages_are_refused() -> None:
    for asked in ({"offset": -1}, {"count": -1}):
        with pytest.raises(BadRequest):
            expanded(**asked)


def test_a_bounded_cache_forgets_what_was_used_longest_ago() -> None:
    cache: BoundedCache[str, int] = BoundedCache(10)
    cache.put("a", 1, 4)
    cache.put("b", 2, 4)
    assert cache.get("a") == 1
    cache.put("c", 3, 4)
    assert [cache.get(key) for key in "abc"] == [1, None, 3]
    cache.put("d", 4, 11)
    assert cache.get("d") is None
    cache.put("a", 5, 6)
    assert [cache.get(key) for key in "ac"] == [5, 3]
