"""UCUM units of medical use: exact factors, and what does not convert."""

from fractions import Fraction

import pytest

from fhir_server.fhirpath.ucum.atoms import ATOMS
from fhir_server.fhirpath.ucum.unit import parse_unit, symbol


@pytest.mark.parametrize(
    ("left", "right", "factor"),
    [
        ("g/L", "mg/dL", 100),
        ("kg", "g", 1000),
        ("[lb_av]", "kg", Fraction("0.45359237")),
        ("[in_i]", "cm", Fraction("2.54")),
        ("mm[Hg]", "Pa", Fraction("133.322")),
        ("10*9/L", "10*3/uL", 1),
        ("mmol/L", "umol/L", 1000),
        ("m[iU]/mL", "[IU]/L", 1),
        ("[iU]/mL", "m[IU]/L", 1_000_000),
        ("kcal", "kJ", Fraction("4.184")),
        ("a", "d", Fraction("365.25")),
        ("mL/min/{1.73_m2}", "mL/min", 1),
        ("%", "1", Fraction(1, 100)),
        ("mg/(kg.d)", "mg/kg/d", 1),
        ("{score}", "1", 1),
        ("kat", "U", 60_000_000),
        ("/min", "Hz", Fraction(1, 60)),
        ("l", "L", 1),
    ],
)
def test_units_of_one_dimension_convert(left: str, right: str, factor: Fraction) -> None:
    one, other = parse_unit(left), parse_unit(right)
    assert one is not None
    assert other is not None
    assert one.is_commensurable(other)
    assert one.factor / other.factor == factor


@pytest.mark.parametrize(
    ("left", "right"), [("kg", "m"), ("[iU]", "mg"), ("[iU]", "[arb'U]"), ("B", "1"), ("Cel", "s")]
)
def test_units_of_different_dimensions_do_not(left: str, right: str) -> None:
    one, other = parse_unit(left), parse_unit(right)
    assert one is not None
    assert other is not None
    assert not one.is_commensurable(other)


@pytest.mark.parametrize(
    "text", ["", "mgg", "mg dL", "Mg/", "kg2m", "(kg", "day", "/Cel", "Cel.m", "m99999", "é", "k" * 500]
)
def test_what_is_no_unit(text: str) -> None:
    assert parse_unit(text) is None


def test_temperatures_have_an_offset() -> None:
    celsius, fahrenheit = parse_unit("Cel"), parse_unit("[degF]")
    assert celsius is not None
    assert fahrenheit is not None
    assert fahrenheit.from_canonical(celsius.to_canonical(Fraction(37))) == Fraction("98.6")


def test_every_atom_means_something() -> None:
    assert [name for name in ATOMS if symbol(name) is None] == []
