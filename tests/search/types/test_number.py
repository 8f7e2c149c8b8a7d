from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.index_row import IndexRow
from fhir_server.search.match import Subject, match
from fhir_server.search.types import number
from fhir_server.search.types.value import PREFIXES, Use

Finds = Callable[..., list[str]]


def risk(probability: Any) -> dict[str, Any]:
    return {"resourceType": "RiskAssessment", "prediction": [{"probabilityDecimal": probability}]}


@pytest.mark.spec("search.html#number")
@pytest.mark.parametrize(
    ("value", "query", "is_found"),
    [
        ("100", "100", True),
        ("99.5", "100", True),
        ("100.4", "100", True),
        ("100.5", "100", False),
        ("66.899999999999991", "66.899999999999991", True),
        ("100", "100.00", True),
        ("100.004", "100.00", True),
        ("100.005", "100.00", False),
        ("104", "1e2", True),
        ("105", "1e2", False),
        ("95", "1e2", True),
        ("0.25", "0.25", True),
        ("-3", "-3", True),
        ("100", "lt100", False),
        ("99.9", "lt100", True),
        ("100", "le100", True),
        ("100", "gt100", False),
        ("100.1", "gt100", True),
        ("100", "ge100", True),
        ("100", "ne100", False),
        ("101", "ne100", True),
        ("101", "sa100", True),
        ("99", "eb100", True),
        ("109", "ap100", True),
        ("111", "ap100", False),
    ],
)
def test_digits_say_how_precise_a_number_is(finds: Finds, value: str, query: str, is_found: bool) -> None:
    assert bool(finds(f"RiskAssessment?probability={query}", risk(Decimal(value)))) is is_found


def test_a_range_is_compared_by_its_ends(finds: Finds) -> None:
    low = {"resourceType": "RiskAssessment", "prediction": [{"probabilityRange": {"low": {"value": 10}}}]}
    both = {
        "resourceType": "RiskAssessment",
        "prediction": [{"probabilityRange": {"low": {"value": 10}, "high": {"value": 20}}}],
    }
    none = {"resourceType": "RiskAssessment", "prediction": [{"probabilityRange": {}}]}
    assert finds("RiskAssessment?probability=gt15", low, both, none) == ["0", "1"]
    assert finds("RiskAssessment?probability=gt25", low, both, none) == ["0"]
    assert finds("RiskAssessment?probability=sa5", low, both, none) == ["0", "1"]
    assert finds("RiskAssessment?probability=eb21", low, both, none) == ["1"]


@pytest.mark.parametrize("value", ["abc", "1,,2", "ge", "1.", "0x1", "NaN", "1e9999", "1_0"])
def test_what_is_no_number_is_refused(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match="probability"):
        finds(f"RiskAssessment?probability={value}", risk(1))


NUMBERS = st.decimals(-1000, 1000, places=2) | st.integers(-1000, 1000).map(Decimal)


@pytest.mark.spec("search.html#prefix")
@given(NUMBERS, NUMBERS, st.sampled_from(PREFIXES))
def test_prefixes_agree_with_exact_arithmetic(asked: Decimal, stored: Decimal, prefix: str) -> None:
    rows: list[IndexRow] = []
    number.number(rows.append, "p", 0, stored)
    half = Decimal(1).scaleb(int(asked.as_tuple().exponent)) / 2
    is_equal = asked - half <= stored < asked + half
    expected = {
        "eq": is_equal,
        "ne": not is_equal,
        "gt": stored > asked,
        "sa": stored > asked,
        "lt": stored < asked,
        "eb": stored < asked,
        "ge": stored >= asked,
        "le": stored <= asked,
        "ap": abs(stored - asked) <= max(abs(asked) / 10, half),
    }[prefix]
    assert match(number.condition(f"{prefix}{asked}", Use("p")), Subject("X", "1", 0, rows)) is expected
