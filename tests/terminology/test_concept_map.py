from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import NotFound, Unprocessable
from fhir_server.terminology.concept_map import Question, is_translated
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import held

HERE, THERE, URL = "http://example.org/here", "http://example.org/there", "http://example.org/map"


def concept_map(canonical: str = URL, /, **unmapped: Any) -> dict[str, Any]:
    elements = [
        {"code": "a", "target": [{"code": "1", "display": "One", "equivalence": "wider"}]},
        {"code": "b", "target": [{"equivalence": "unmatched"}]},
        {"code": "c", "target": [{"code": "1", "equivalence": "equal"}, {"code": "2", "equivalence": "narrower"}]},
        {
            "code": "d",
            "target": [
                {"code": "3", "equivalence": "equal", "dependsOn": [{"property": "site", "value": "left"}]},
                {
                    "code": "4",
                    "equivalence": "equal",
                    "product": [{"property": "site", "system": THERE, "value": "5"}],
                },
            ],
        },
    ]
    group = {"source": HERE, "target": THERE, "targetVersion": "9", "element": elements}
    if unmapped:
        group["unmapped"] = unmapped
    return {"resourceType": "ConceptMap", "url": canonical, "group": [group]}


def answers(found: dict[str, Any], question: Question) -> list[tuple[str, str]]:
    return [(match.equivalence, match.code) for match in Terminology(held({})).translate(found, question)]


@pytest.mark.spec("conceptmap-operation-translate.html")
@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (Question(HERE, "a"), [("wider", "1")]),
        (Question("", "a", THERE), [("wider", "1")]),
        (Question(HERE, "b"), [("unmatched", "")]),
        (Question(HERE, "c"), [("equal", "1"), ("narrower", "2")]),
        (Question(HERE, "d"), [("equal", "4")]),
        (Question(HERE, "d", dependencies=frozenset({("site", "left")})), [("equal", "3"), ("equal", "4")]),
        (Question(HERE, "z"), []),
        (Question(THERE, "a"), []),
        (Question(HERE, "a", HERE), []),
        (Question(THERE, "1", is_reverse=True), [("narrower", "a"), ("equal", "c")]),
        (Question(THERE, "2", HERE, is_reverse=True), [("wider", "c")]),
        (Question(HERE, "1", is_reverse=True), []),
    ],
)
def test_translate(question: Question, expected: list[tuple[str, str]]) -> None:
    assert answers(concept_map(), question) == expected


@pytest.mark.parametrize(("code", "result"), [("a", True), ("b", False), ("z", False)])
def test_the_result_is_whether_there_is_a_translation(code: str, result: bool) -> None:
    assert is_translated(Terminology(held({})).translate(concept_map(), Question(HERE, code))) is result


def test_the_parts_of_a_match() -> None:
    (match,) = Terminology(held({})).translate(concept_map(), Question(HERE, "d"))
    assert match.parts() == [
        {"name": "equivalence", "valueCode": "equal"},
        {"name": "concept", "valueCoding": {"system": THERE, "version": "9", "code": "4"}},
        {
            "name": "product",
            "part": [
                {"name": "element", "valueUri": "site"},
                {"name": "concept", "valueCoding": {"system": THERE, "code": "5"}},
            ],
        },
        {"name": "source", "valueUri": URL},
    ]


@pytest.mark.spec("conceptmap-definitions.html#ConceptMap.group.unmapped")
def test_unmapped_codes() -> None:
    fixed = concept_map(mode="fixed", code="0")
    assert answers(concept_map(mode="provided"), Question(HERE, "z")) == [("equivalent", "z")]
    assert answers(fixed, Question(HERE, "z")) == [("relatedto", "0")]
    assert answers(fixed, Question(HERE, "b")) == [("unmatched", "")]
    assert answers(fixed, Question(THERE, "z")) == []


def test_another_map_goes_on() -> None:
    following = concept_map(f"{URL}/2", mode="fixed", code="9")
    maps = {URL: concept_map(mode="other-map", url=f"{URL}/2"), f"{URL}/2": following}
    (match,) = Terminology(held(maps)).translate(URL, Question(HERE, "z"))
    assert (match.code, match.source) == ("9", f"{URL}/2")


def test_maps_that_are_not_here_and_circles_are_refused() -> None:
    lost = concept_map(mode="other-map", url=f"{URL}/absent")
    circle = concept_map(mode="other-map", url=URL)
    for found in (lost, circle):
        with pytest.raises(Unprocessable):
            Terminology(held({URL: circle})).translate(found, Question(HERE, "z"))
    with pytest.raises(NotFound):
        Terminology(held({})).translate(URL, Question(HERE, "a"))
