from collections.abc import Callable, Collection, Mapping

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.search.types import terminology

Finds = Callable[..., list[str]]

SNOMED = "http://snomed.info/sct"
PARENTS = {"diabetes": "disease", "type-1": "diabetes", "type-2": "diabetes"}


class Tree:
    """A hierarchy of a few codes, and one value set."""

    def expand(self, value_set: str) -> Mapping[str, Collection[str]]:
        if value_set != "http://example.org/vs|1" and value_set != "ValueSet/vs":
            raise BadRequest(f"{value_set} is not known")
        return {SNOMED: ["type-1", "type-2"], "urn:lab": ["GLU"]}

    def below(self, system: str, code: str) -> Collection[str]:
        return {one for one in (*PARENTS, "disease") if code in self.above(system, one)}

    def above(self, system: str, code: str) -> Collection[str]:
        found = [code]
        while found[-1] in PARENTS:
            found.append(PARENTS[found[-1]])
        return found


def condition(code: str, system: str = SNOMED) -> dict[str, object]:
    return {"resourceType": "Condition", "id": code, "code": {"coding": [{"system": system, "code": code}]}}


WORLD = (
    *map(condition, ("disease", "diabetes", "type-1", "type-2")),
    condition("GLU", "urn:lab"),
    {"resourceType": "Condition", "id": "none"},
)


@pytest.mark.spec("search.html#token")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("code:in=http://example.org/vs|1", ["type-1", "type-2", "GLU"]),
        ("code:in=ValueSet/vs", ["type-1", "type-2", "GLU"]),
        ("code:not-in=ValueSet/vs", ["disease", "diabetes", "none"]),
        ("code:below=http://snomed.info/sct|diabetes", ["diabetes", "type-1", "type-2"]),
        ("code:above=http://snomed.info/sct|diabetes", ["disease", "diabetes"]),
        ("code:below=http://snomed.info/sct|type-1,http://snomed.info/sct|type-2", ["type-1", "type-2"]),
        ("code:below=urn:lab|diabetes", []),
        ("_filter=code ss http://snomed.info/sct|diabetes", ["diabetes", "type-1", "type-2"]),
        ("_filter=code sb http://snomed.info/sct|diabetes", ["disease", "diabetes"]),
        ("_filter=code in ValueSet/vs", ["type-1", "type-2", "GLU"]),
        ("_filter=code ni ValueSet/vs", ["disease", "diabetes", "none"]),
    ],
)
def test_what_a_terminology_service_knows_is_asked(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(f"Condition?{query}", *WORLD, terminology=Tree()) == found


@pytest.mark.spec("search.html#token")
def test_the_specification_enumerates_some_value_sets(finds: Finds) -> None:
    female, unknown = {"resourceType": "Patient", "gender": "female"}, {"resourceType": "Patient"}
    gender = "http://hl7.org/fhir/ValueSet/administrative-gender"
    assert finds(f"Patient?gender:in={gender}", female, unknown) == ["0"]
    assert finds(f"Patient?gender:in={gender}|4.0.1", female, unknown) == ["0"]
    assert finds(f"Patient?gender:not-in={gender}", female, unknown) == ["1"]


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("code:in=http://example.org/other", "value set 'http://example.org/other' is not known here"),
        ("code:in=ValueSet/vs", "not known here: name one that R4 enumerates"),
        ("code:below=diabetes", r"write system\|code"),
        ("code:above=http://snomed.info/sct|", r"write system\|code"),
        ("code:below=http://snomed.info/sct|diabetes", "The hierarchy of http://snomed.info/sct is not known"),
        ("code:above=http://snomed.info/sct|diabetes", "The hierarchy of http://snomed.info/sct is not known"),
    ],
)
def test_what_is_not_known_is_refused(finds: Finds, query: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        finds(f"Condition?{query}", *WORLD)


def test_expansions_are_bounded(finds: Finds, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminology, "MAXIMUM_CODES", 2)
    for query in ("code:in=ValueSet/vs", "code:below=http://snomed.info/sct|disease"):
        with pytest.raises(TooCostly, match=r"(more|More) than"):
            finds(f"Condition?{query}", *WORLD, terminology=Tree())
