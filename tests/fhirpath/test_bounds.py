"""No expression makes a hang: work, depth, text and numbers are bounded."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import Context, InvalidExpression
from fhir_server.foundation.operation_outcome import TooCostly

NINE = "(1|2|3|4|5|6|7|8|9)"
HUGE: dict[str, Any] = {"resourceType": "Observation", "valueQuantity": {"value": Decimal("1e999999"), "code": "mg"}}


def nested(levels: int) -> str:
    return "1" if levels == 0 else f"{NINE}.select({nested(levels - 1)})"


@pytest.mark.parametrize(
    "text",
    [
        nested(8),
        "repeatAll($this)",
        "(1).repeat($this + 1)",
        "'a'.repeat($this & 'a')",
        "(1|2|3|4|5|6|7|8|9|10|11|12|13|14|15|16|17|18|19|20|21).aggregate($total & $total, 'x')"
        ".replace('x', 'xxxxxxxxxxxxxxxx')",
        f"{NINE}.combine({NINE}).aggregate($total.combine($total), 1).aggregate($total.combine($total), 1)",
    ],
)
def test_too_much_work_is_refused(text: str) -> None:
    with pytest.raises(TooCostly) as refusal:
        fhirpath.evaluate(text, {"resourceType": "Patient"}, Context(steps=100_000))
    assert refusal.value.status == 403


@pytest.mark.parametrize(
    "text",
    [
        "(" * 200 + "1" + ")" * 200,
        "-" * 200 + "1",
        ".".join(["name"] * 300),
        "+".join(["1"] * 300),
        "a" * 30_000,
        "iif(true, " * 100 + "1" + ")" * 100,
    ],
)
def test_a_text_that_is_too_deep_or_long_is_refused(text: str) -> None:
    with pytest.raises(InvalidExpression):
        fhirpath.compile(text)


def test_the_deepest_text_that_is_taken_is_answered() -> None:
    assert fhirpath.evaluate("+".join(["1"] * 250), {}) == [250]
    assert fhirpath.evaluate("(" * 50 + "1" + ")" * 50, {}) == [1]
    deepest = "Patient" + ".where(true)" * 200
    assert len(fhirpath.evaluate(deepest, {"resourceType": "Patient"})) == 1


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)+$", "(a*)*b", "(a|aa)+$", "(.*a){12}$", "(a+a+)+y", "(.*)*x"])
def test_no_pattern_takes_exponential_time(pattern: str) -> None:
    text = "a" * 2_000 + "!"
    assert fhirpath.evaluate(f"'{text}'.matches('{pattern}')", {}) == [False]


def test_patterns_are_bounded_too() -> None:
    for pattern in ("((((a{1000}){1000}){1000}){1000})", "(" * 60 + "a" + ")" * 60, "a{1001}"):
        with pytest.raises(fhirpath.EvaluationFailed):
            fhirpath.evaluate(f"'a'.matches('{pattern}')", {})


@pytest.mark.parametrize(
    "text",
    [
        "value.value.toInteger()",
        "value.value.floor()",
        "value.value.round(1)",
        "value.value * value.value",
        "value + value",
    ],
)
def test_a_number_that_is_too_large_has_no_answer(text: str) -> None:
    assert fhirpath.evaluate(text, HUGE) == []


def test_a_number_that_is_too_large_has_no_text() -> None:
    assert fhirpath.evaluate("value.value.toString() | value.toQuantity().toString()", HUGE) == []
    assert fhirpath.evaluate("2.power(2147483647) | 1000000000 * 1000000000", {}) == []


def test_types_that_a_resource_makes_up_are_not_kept() -> None:
    expression = fhirpath.compile("name.exists() or name.given.exists()")
    answers = [expression({"resourceType": f"Made{number}", "name": {"given": "x"}}) for number in range(50)]
    assert answers == [[True]] * 50
