import pytest

from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.terminology.code_system import CodeSystem
from tests.terminology.samples import ANIMALS, code_system

animals = CodeSystem(code_system())


def test_lookup_gives_the_concept() -> None:
    bird = animals.lookup("bird")
    assert (bird.display, bird.parents) == ("Bird", ("animal", "pet"))
    assert list(bird.values("legs")) == ["2"]


def test_lookup_of_an_absent_code_is_not_found() -> None:
    with pytest.raises(NotFound, match=f"not in {ANIMALS}"):
        animals.lookup("stone")


@pytest.mark.parametrize(
    ("language", "shown"),
    [("", "Bird"), ("fr", "Oiseau"), ("fr-CH", "Oiseau suisse"), ("fr-CA", "Oiseau"), ("de", "Bird")],
)
def test_display_in_a_language(language: str, shown: str) -> None:
    assert animals.lookup("bird").shown(language) == shown


@pytest.mark.spec("codesystem-operation-validate-code.html")
def test_validate_code() -> None:
    assert animals.validate_code("bird").result is True
    assert animals.validate_code("bird", " oiseau ").result is True
    wrong = animals.validate_code("bird", "Fish")
    assert (wrong.result, wrong.display) == (False, "Bird")
    assert "'Fish'" in wrong.message
    assert animals.validate_code("stone").result is False


@pytest.mark.parametrize("content", ["fragment", "not-present", "example"])
def test_a_part_of_a_code_system_cannot_say_that_a_code_is_absent(content: str) -> None:
    part = CodeSystem(code_system(content=content))
    assert part.validate_code("bird").result is True
    answer = part.validate_code("stone")
    assert answer.result is None
    assert "could not be checked" in answer.message
    assert content in answer.message


def test_nothing_present_is_said() -> None:
    empty = CodeSystem(code_system(content="not-present", concept=[]))
    assert "no concept" in empty.validate_code("bird").message


@pytest.mark.spec("codesystem-definitions.html#CodeSystem.caseSensitive")
def test_case() -> None:
    assert animals.contains("BIRD") is False
    assert CodeSystem(code_system(caseSensitive=False)).validate_code("BIRD").code == "bird"
    unsaid = {name: value for name, value in code_system().items() if name != "caseSensitive"}
    assert CodeSystem(unsaid).contains("BIRD") is True


@pytest.mark.spec("codesystem-operation-subsumes.html")
@pytest.mark.parametrize(
    ("above", "below", "answer"),
    [
        ("animal", "emu", True),
        ("pet", "emu", True),
        ("emu", "emu", True),
        ("emu", "animal", False),
        ("fish", "emu", False),
        ("stone", "emu", None),
    ],
)
def test_subsumes(above: str, below: str, answer: bool | None) -> None:
    assert animals.subsumes(above, below) is answer


def test_a_hierarchy_of_parts_does_not_subsume() -> None:
    parts = CodeSystem(code_system(hierarchyMeaning="part-of"))
    assert parts.subsumes("animal", "bird") is None


def test_a_circle_of_concepts_ends() -> None:
    circle = [
        {"code": "a", "property": [{"code": "parent", "valueCode": "b"}]},
        {"code": "b", "property": [{"code": "parent", "valueCode": "a"}]},
    ]
    assert CodeSystem(code_system(concept=circle)).descendants("a") == {"b"}


def test_abstract_and_inactive() -> None:
    assert animals.lookup("animal").is_abstract
    assert animals.lookup("fish").is_inactive
    assert not animals.lookup("bird").is_abstract
    assert not animals.lookup("bird").is_inactive
