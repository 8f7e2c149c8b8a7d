"""Answers against their form: each rule broken once, and a response that keeps all of them."""

import copy
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final

import pytest

from fhir_server.validation.profiles.profile import Profiles
from fhir_server.validation.profiles.run import Environment
from fhir_server.validation.profiles.validate import validate_profiles
from tests.validation.profiles.test_mutations import DROP, change

Resource = dict[str, Any]
URL: Final = "http://example.org/Questionnaire/q"
LONG: Final = "http://hl7.org/fhir/StructureDefinition/"


def extension(name: str, **value: Any) -> list[Resource]:
    return [{"url": f"{LONG}{name}", **value}]


FORM: Final[Resource] = {
    "resourceType": "Questionnaire",
    "url": URL,
    "status": "active",
    "effectivePeriod": {"end": "2025-12-31"},
    "item": [
        {"linkId": "smokes", "type": "boolean", "required": True},
        {
            "linkId": "packs",
            "type": "decimal",
            "enableWhen": [{"question": "smokes", "operator": "=", "answerBoolean": True}],
            "extension": [
                *extension("maxDecimalPlaces", valueInteger=1),
                *extension("minValue", valueDecimal=0),
                *extension("maxValue", valueDecimal=9),
            ],
        },
        {"linkId": "hint", "type": "display"},
        {
            "linkId": "contact",
            "type": "group",
            "item": [
                {
                    "linkId": "mail",
                    "type": "string",
                    "maxLength": 20,
                    "extension": extension("regex", valueString="[^@]+@.+"),
                },
                {
                    "linkId": "colour",
                    "type": "open-choice",
                    "repeats": True,
                    "extension": extension("questionnaire-maxOccurs", valueInteger=2),
                    "answerOption": [
                        {"valueCoding": {"code": "red"}},
                        {
                            "valueCoding": {"code": "none"},
                            "extension": extension("questionnaire-optionExclusive", valueBoolean=True),
                        },
                    ],
                },
            ],
        },
        {"linkId": "day", "type": "date", "answerOption": [{"valueDate": "2025-01-01"}]},
    ],
}
RESPONSE: Final[Resource] = {
    "resourceType": "QuestionnaireResponse",
    "questionnaire": URL,
    "status": "completed",
    "authored": "2025-06-01",
    "item": [
        {"linkId": "smokes", "answer": [{"valueBoolean": True}]},
        {"linkId": "packs", "answer": [{"valueDecimal": Decimal("1.5")}]},
        {
            "linkId": "contact",
            "item": [
                {"linkId": "mail", "answer": [{"valueString": "a@b.fr"}]},
                {"linkId": "colour", "answer": [{"valueCoding": {"code": "red"}}, {"valueString": "green"}]},
            ],
        },
        {"linkId": "day", "answer": [{"valueDate": "2025-01-01"}]},
    ],
}


def found(response: Resource, form: Mapping[str, Any] = FORM) -> list[tuple[str, str]]:
    known = {URL: form, "http://example.org/ValueSet/v": {"resourceType": "ValueSet"}}
    environment = Environment(Profiles(lambda canonical, _: known.get(canonical)))
    issues = validate_profiles(response, [], environment)
    return [(issue.message_id, issue.expression[0]) for issue in issues if issue.message_id != "invariant"]


def test_a_response_that_keeps_to_its_form_is_right() -> None:
    assert found(RESPONSE) == []


@pytest.mark.spec("questionnaireresponse.html")
@pytest.mark.parametrize(
    ("place", "value", "message_id", "expression"),
    [
        ("questionnaire", "http://example.org/unknown", "questionnaire-unknown", ".questionnaire"),
        ("questionnaire", "http://example.org/ValueSet/v", "canonical-type", ".questionnaire"),
        ("authored", "2026-06-01", "answer-period", ".authored"),
        ("item[0].linkId", "drinks", "answer-unknown-item", ".item[0]"),
        ("item[0].linkId", "mail", "answer-elsewhere", ".item[0]"),
        ("item[0]", DROP, "answer-missing", ".item"),
        ("item[0].answer[0].valueBoolean", False, "answer-disabled", ".item[1]"),
        ("item[0].answer", [{"valueBoolean": True}, {"valueBoolean": True}], "answer-repeated", ".item[0].answer[1]"),
        ("item[1].answer[0]", {"valueString": "a lot"}, "answer-type", ".item[1].answer[0].value"),
        ("item[1].answer[0].valueDecimal", 11, "too-large", ".item[1].answer[0].value"),
        ("item[1].answer[0].valueDecimal", -1, "too-small", ".item[1].answer[0].value"),
        ("item[2].answer", [{"valueString": "x"}], "answer-group", ".item[2]"),
        ("item[2].item[0].answer[0].valueString", "nobody", "answer-pattern", ".item[2].item[0].answer[0].value"),
        ("item[2].item[0].answer[0].valueString", "a@" + "b" * 20, "too-long", ".item[2].item[0].answer[0].value"),
        (
            "item[2].item[1].answer[0].valueCoding",
            {"code": "blue"},
            "answer-option",
            ".item[2].item[1].answer[0].value",
        ),
        ("item[2].item[1].answer[0].valueCoding", {"code": "none"}, "answer-exclusive", ".item[2].item[1].answer[0]"),
        ("item[2].item[1].answer[2]", {"valueString": "x"}, "answer-too-many", ".item[2].item[1]"),
        ("item[3].answer[0].valueDate", "2025-01-02", "answer-option", ".item[3].answer[0].value"),
        ("item[4]", {"linkId": "hint", "item": []}, "empty-array", ".item[4].item"),
        ("item[4]", {"linkId": "hint"}, "answer-order", ".item[4]"),
        ("item[4]", {"linkId": "day", "answer": [{"valueDate": "2025-01-01"}]}, "answer-item-repeated", ".item[4]"),
    ],
)
def test_a_rule_that_is_broken_is_named_where_it_is(place: str, value: Any, message_id: str, expression: str) -> None:
    assert (message_id, f"QuestionnaireResponse{expression}") in found(change(RESPONSE, place, value))


def test_decimals_and_what_is_unfinished() -> None:
    precise = change(RESPONSE, "item[1].answer[0].valueDecimal", Decimal("1.55"))
    assert ("answer-decimals", "QuestionnaireResponse.item[1].answer[0].value") in found(precise)
    unfinished = change(change(RESPONSE, "item[0]", DROP), "status", "in-progress")
    assert "answer-missing" not in [message_id for message_id, _ in found(unfinished)]


@pytest.mark.parametrize(
    ("operator", "answer", "is_enabled"),
    [(">", 2, True), (">", 1, False), ("<=", 1, True), ("!=", 1, False), ("exists", 1, True), ("<", 5, False)],
)
def test_conditions_compare(operator: str, answer: int, is_enabled: bool) -> None:
    form = copy.deepcopy(FORM)
    wanted: Resource = {"answerBoolean": True} if operator == "exists" else {"answerDecimal": 1}
    form["item"][4]["enableWhen"] = [{"question": "packs", "operator": operator, **wanted}]
    response = change(RESPONSE, "item[1].answer[0].valueDecimal", answer)
    assert ("answer-disabled" not in [message_id for message_id, _ in found(response, form)]) is is_enabled


@pytest.mark.parametrize(
    ("question", "message_id"), [("nowhere", "enable-unknown"), ("mail", "enable-inner"), ("contact", "enable-itself")]
)
def test_a_form_whose_conditions_lead_nowhere(question: str, message_id: str) -> None:
    form = copy.deepcopy(FORM)
    form["item"][3]["enableWhen"] = [{"question": question, "operator": "exists", "answerBoolean": True}]
    assert (message_id, "Questionnaire.item[3].enableWhen[0]") in found(form)
