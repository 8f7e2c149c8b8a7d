from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.fhirpath.ucum.atoms import ATOMS
from fhir_server.fhirpath.ucum.unit import parse_unit
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.search.types.quantity_units import scale_of

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


@pytest.mark.spec("search.html#quantity")
@pytest.mark.parametrize(
    ("value", "code", "query", "is_found"),
    [
        ("5.4", "mg", "5.4|http://unitsofmeasure.org|mg", True),
        ("5.4", "mg", "5.40e-3|http://unitsofmeasure.org|g", True),
        ("1000", "mg", "1|http://unitsofmeasure.org|g", True),
        ("1000", "mg", "ge1|http://unitsofmeasure.org|g", True),
        ("1000", "mg", "gt1|http://unitsofmeasure.org|g", False),
        ("1600", "mg", "1|http://unitsofmeasure.org|g", False),
        ("1400", "mg", "1|http://unitsofmeasure.org|g", True),
        ("1000", "mg", "1|http://unitsofmeasure.org|L", False),
        ("1000", "mg", "1||g", False),
        ("5.4", "mmol/L", "0.0054|http://unitsofmeasure.org|mol/L", True),
        ("5.4", "mmol/L", "5.4|http://unitsofmeasure.org|mol/m3", True),
        ("5.4", "10*9/L", "lt5|http://unitsofmeasure.org|mmol/L", False),
        ("5400", "10*6/L", "5.4|http://unitsofmeasure.org|10*9/L", True),
        ("37", "Cel", "98.6|http://unitsofmeasure.org|[degF]", True),
        ("98.6", "[degF]", "37.0|http://unitsofmeasure.org|Cel", True),
        ("310.15", "K", "ge37|http://unitsofmeasure.org|Cel", True),
        ("120", "mm[Hg]", "ap16|http://unitsofmeasure.org|kPa", True),
        ("7.4", "[pH]", "7.4|http://unitsofmeasure.org|[pH]", True),
        ("5", "nonsense", "5|http://unitsofmeasure.org|nonsense", True),
        ("5", "nonsense", "5|http://unitsofmeasure.org|mg", False),
        ("10", "[iU]/L", "0.01|http://unitsofmeasure.org|[iU]/mL", True),
        ("10", "[iU]/L", "10|http://unitsofmeasure.org|U/L", False),
        ("50", "%", "0.50|http://unitsofmeasure.org|1", True),
        ("1e240", "g", "1e240|http://unitsofmeasure.org|g", True),
        ("1e300", "g", "gt1e999|http://unitsofmeasure.org|g", False),
    ],
)
def test_commensurable_units_compare(finds: Finds, value: str, code: str, query: str, is_found: bool) -> None:
    stored = observed(value=Decimal(value), system=UCUM, code=code)
    assert bool(finds(f"Observation?value-quantity={query}", stored)) is is_found


@pytest.mark.spec("search.html#composite")
def test_commensurable_units_compare_within_a_composite(finds: Finds) -> None:
    stored = observed(value=2, system=UCUM, code="g") | {"code": {"coding": [{"code": "x"}]}}
    assert finds("Observation?code-value-quantity=x$2000|http://unitsofmeasure.org|mg", stored) == ["0"]
    assert finds("Observation?code-value-quantity=y$2000|http://unitsofmeasure.org|mg", stored) == []


def test_comparators_and_ranges_compare_in_any_unit(finds: Finds) -> None:
    below = observed(value=5, comparator="<", system=UCUM, code="mg")
    assert finds("Observation?value-quantity=lt0.005|http://unitsofmeasure.org|g", below) == ["0"]
    assert finds("Observation?value-quantity=ge0.005|http://unitsofmeasure.org|g", below) == []
    onset = {"resourceType": "Condition", "onsetRange": {"low": {"value": 2, "code": "a", "system": UCUM}}}
    assert finds("Condition?onset-age=gt23|http://unitsofmeasure.org|mo", onset) == ["0"]
    assert finds("Condition?onset-age=lt23|http://unitsofmeasure.org|mo", onset) == []


def test_base_units_are_asked_by_their_system_only(finds: Finds) -> None:
    assert finds("Observation?value-quantity=0.0054", observed(value=Decimal("5.4"), system=UCUM, code="mg")) == []


def test_the_mole_alone_has_the_mark_of_moles() -> None:
    counting = {name for name in ATOMS if (scale := scale_of(UCUM, name)) is not None and "mol" in scale.dimension}
    assert counting == {"mol", "eq", "osm", "kat", "U"}


MASSES = st.sampled_from(["ug", "mg", "g", "kg", "[lb_av]"])


@given(st.decimals(places=3, min_value=-9999, max_value=9999), MASSES)
def test_base_units_are_the_exact_ones_rounded_once(value: Decimal, code: str) -> None:
    scale, unit = scale_of(UCUM, code), parse_unit(code)
    assert scale is not None
    assert unit is not None
    assert scale.number(value) == float(unit.to_canonical(Fraction(value)))
