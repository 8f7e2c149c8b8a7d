from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest

Finds = Callable[..., list[str]]

UCUM = "http://unitsofmeasure.org"


def observed(**quantity: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "valueQuantity": quantity}


GLUCOSE = observed(value=Decimal("5.40"), unit="mg/litre", system=UCUM, code="mg/L")


@pytest.mark.spec("search.html#quantity")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("5.4", True),
        ("5.4|http://unitsofmeasure.org|mg/L", True),
        ("5.4||mg/L", True),
        ("5.4||mg/litre", True),
        ("5.4|http://unitsofmeasure.org|mg/litre", False),
        ("5.4||mg", False),
        ("5.4|http://example.org|mg/L", False),
        ("5.4|http://unitsofmeasure.org|", True),
        ("5.40", True),
        ("5.45", False),
        ("gt5.4", False),
        ("ge5.4||mg/L", True),
        ("lt6,gt9", True),
        ("ap5||mg/L", True),
        ("ne5.4", False),
    ],
)
def test_a_quantity_is_a_number_with_a_unit(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?value-quantity={query}", GLUCOSE)) is is_found


@pytest.mark.spec("datatypes.html#Quantity")
@pytest.mark.parametrize(
    ("comparator", "query", "is_found"),
    [
        ("<", "lt5", True),
        ("<", "ge5", False),
        ("<=", "ge5", True),
        (">", "gt100", True),
        (">", "le5", False),
        (">=", "le5", True),
    ],
)
def test_a_comparator_opens_the_interval(finds: Finds, comparator: str, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?value-quantity={query}", observed(value=5, comparator=comparator))) is is_found


def test_a_quantity_without_value_is_missing(finds: Finds) -> None:
    assert finds("Observation?value-quantity:missing=true", observed(unit="mg"), GLUCOSE) == ["0"]


def test_a_series_is_its_least_and_greatest_value(finds: Finds) -> None:
    series = {
        "resourceType": "Observation",
        "valueSampledData": {"origin": {"value": 10, "unit": "mV"}, "factor": 2, "data": "0 E 5 L -1"},
    }
    assert finds("Observation?value-quantity=gt19||mV", series) == ["0"]
    assert finds("Observation?value-quantity=gt20||mV", series) == []
    assert finds("Observation?value-quantity=lt9", series) == ["0"]


def test_money_and_ranges_are_quantities(finds: Finds) -> None:
    invoice = {"resourceType": "Invoice", "totalGross": {"value": Decimal("25.00"), "currency": "EUR"}}
    assert finds("Invoice?totalgross=25|urn:iso:std:iso:4217|EUR", invoice) == ["0"]
    onset = {"resourceType": "Condition", "onsetRange": {"low": {"value": 40, "code": "a", "system": UCUM}}}
    assert finds("Condition?onset-age=gt60||a", onset) == ["0"]
    assert finds("Condition?onset-age=lt40||a", onset) == []


@pytest.mark.parametrize("value", ["mg", "5|mg", "5|a|b|c", "|a|b", "ge|a|b"])
def test_what_is_no_quantity_is_refused(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match=r"value-quantity: .* number\|system\|code"):
        finds(f"Observation?value-quantity={value}", GLUCOSE)
