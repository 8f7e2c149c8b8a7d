from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, TooCostly
from fhir_server.search.condition import ALWAYS, NEVER, Condition
from fhir_server.search.special.filter_grammar import (
    MAXIMUM_COMPARISONS,
    MAXIMUM_DEPTH,
    MAXIMUM_LENGTH,
    Expression,
    parse_filter,
)

Finds = Callable[..., list[str]]
Resource = dict[str, Any]

LOINC = "http://loinc.org"
PETER: Resource = {
    "resourceType": "Patient",
    "id": "peter",
    "active": True,
    "gender": "male",
    "birthDate": "2014-11-02",
    "name": [{"family": "Chalmers", "given": ["Peter", "James"]}],
    "address": [{"city": "Pleasant Ville"}],
}
ANNA: Resource = {
    "resourceType": "Patient",
    "id": "anna",
    "gender": "female",
    "birthDate": "1980-05-06",
    "name": [{"family": "Müller", "given": ["Anna"]}],
}
GLUCOSE: Resource = {
    "resourceType": "Observation",
    "id": "glucose",
    "status": "final",
    "code": {"coding": [{"system": LOINC, "code": "1234-5"}, {"system": "urn:lab", "code": "GLU"}]},
    "subject": {"reference": "Patient/peter"},
    "effectivePeriod": {"start": "2020-01-01", "end": "2020-01-31"},
    "valueQuantity": {"value": 6.3, "unit": "mmol/l"},
}
PULSE: Resource = {
    "resourceType": "Observation",
    "id": "pulse",
    "status": "preliminary",
    "code": {"coding": [{"system": LOINC, "code": "8867-4"}]},
    "subject": {"reference": "Patient/anna"},
    "effectiveDateTime": "2021-06-01",
    "valueQuantity": {"value": 80},
}
VALUE_SET: Resource = {"resourceType": "ValueSet", "id": "v", "url": "http://example.org/ValueSet/a", "status": "draft"}
WORLD = (PETER, ANNA, GLUCOSE, PULSE, VALUE_SET)


@pytest.mark.spec("search_filter.html")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ('Patient?_filter=given eq "peter" and birthdate ge 2014-10-10', ["peter"]),
        ('Patient?_filter=name eq "PETER"', ["peter"]),
        ('Patient?_filter=name ne "anna"', ["peter", "anna"]),
        ('Patient?_filter=family co "lme"', ["peter"]),
        ('Patient?_filter=family sw "mul"', ["anna"]),
        ('Patient?_filter=family ew "LER"', ["anna"]),
        ('Patient?_filter=address-city eq "pleasant ville"', ["peter"]),
        ("Patient?_filter=address-city pr true", ["peter"]),
        ("Patient?_filter=address-city pr false", ["anna"]),
        ("Patient?_filter=not (gender eq male)", ["anna"]),
        ("Patient?_filter=not(gender eq male)", ["anna"]),
        ("Patient?_filter=gender ne male", ["anna"]),
        ("Patient?_filter=active eq true", ["peter"]),
        ("Patient?_filter=gender in http://hl7.org/fhir/ValueSet/administrative-gender", ["peter", "anna"]),
        ("Patient?_filter=gender ni http://hl7.org/fhir/ValueSet/administrative-gender", []),
        ("Patient?_filter=_id eq anna", ["anna"]),
        ("Patient?_filter=_id ne anna", ["peter"]),
        ("Patient?_filter=_lastUpdated gt 2000", ["peter", "anna"]),
        ("Patient?_filter=_lastUpdated pr false", []),
        ('Patient?_filter=_content eq "james or anna" and _content eq muller', ["anna"]),
        ("Patient?_filter=_list eq 1", []),
        ("Patient?_filter=_lastUpdated lt 2000", []),
        ("Patient?_filter=birthdate lt 2000 or gender eq male", ["peter", "anna"]),
        ("Patient?_filter=birthdate lt 2000 or gender eq male and active eq true", ["peter"]),
        ("Patient?_filter=birthdate lt 2000 or (gender eq male and active eq true)", ["peter", "anna"]),
        ("Observation?_filter=code eq http://loinc.org|1234-5", ["glucose"]),
        ("Observation?_filter=code eq GLU", ["glucose"]),
        ("Observation?_filter=code ne http://loinc.org|1234-5", ["glucose", "pulse"]),
        ("Observation?_filter=subject eq Patient/anna", ["pulse"]),
        ("Observation?_filter=subject re Patient/anna", ["pulse"]),
        ('Observation?_filter=subject:Patient.name co "pet"', ["glucose"]),
        ('Observation?_filter=subject.name co "pet"', ["glucose"]),
        ('Observation?_filter=patient.name eq "anna" or code eq GLU', ["glucose", "pulse"]),
        ('Observation?_filter=patient[gender eq male].name co "e"', ["glucose"]),
        ('Observation?_filter=patient[gender eq female].name co "james"', []),
        ("Observation?_filter=date po 2020-01-15", ["glucose"]),
        ("Observation?_filter=date po 2021", ["pulse"]),
        ("Observation?_filter=date eb 2021", ["glucose"]),
        ("Observation?_filter=date sa 2020-12-31", ["pulse"]),
        ("Observation?_filter=value-quantity gt 6.2", ["glucose", "pulse"]),
        ("Observation?_filter=value-quantity lt 7||mmol/l", ["glucose"]),
        ("Observation?_filter=value-quantity ap 78", ["pulse"]),
        ('ValueSet?_filter=url sw "http://example.org/"', ["v"]),
        ('ValueSet?_filter=url ew "/b"', []),
        ("ValueSet?_filter=url eq http://example.org/ValueSet/a", ["v"]),
        ("Observation?_filter=code eq GLU&_filter=status eq final", ["glucose"]),
    ],
)
def test_what_a_filter_finds(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(query, *WORLD) == found


def test_a_filter_stays_under_the_decision(finds: Finds) -> None:
    def hidden(resource_type: str) -> Condition:
        return NEVER if resource_type == "Patient" else ALWAYS

    def refused(resource_type: str) -> Condition:
        if resource_type == "Patient":
            raise Forbidden("no patients")
        return ALWAYS

    query = 'Observation?_filter=subject:Patient.name co "pet"'
    assert finds(query, *WORLD, within=hidden) == []
    with pytest.raises(Forbidden):
        finds(query, *WORLD, within=refused)


@pytest.mark.spec("search_filter.html")
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("name", "expected an operator: one of eq, ne, .* at character 5, where the text ends"),
        ("name is x", "expected an operator: .* at character 6, where there is 'is x'"),
        ("name eq", "expected a value at character 8, where the text ends"),
        ("name eq )", "expected a value at character 9"),
        ('name eq "x', "expected a text in quotes, .* at character 9"),
        ("(name eq x", r"expected `\)`, `and` or `or` at character 11"),
        ("name eq x)", "expected `and`, `or` or the end at character 10"),
        ("name eq x and", "expected the name of a search parameter, .* at character 14"),
        ("not name eq x", "expected an operator"),
        ("subject:Patient eq x", "expected a parameter after subject"),
        ("subject[name eq x eq y", r"expected `\]`"),
        ("", "expected the name of a search parameter"),
        (". eq x", "expected the name of a search parameter, .* at character 1,"),
    ],
)
def test_what_breaks_the_grammar_is_refused_where_it_does(text: str, why: str) -> None:
    with pytest.raises(BadRequest, match=f"_filter: {why}"):
        parse_filter(text)


@pytest.mark.spec("search_filter.html")
@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("Patient?_filter=nmae eq x", "no search parameter 'nmae'. Did you mean name"),
        (
            "Patient?_filter=gender co x",
            r"gender is not compared by 'co' .*character 1.*; it has eq, in, ni, ss, sb, ne, pr",
        ),
        ("Patient?_filter=active eq true and name ap x", "name is not compared by 'ap' .at character 20."),
        ("Patient?_filter=birthdate ge soon", "birthdate: 'gesoon' is not understood; write"),
        ("Patient?_filter=birthdate po soon", "'soon' is no date"),
        ("Patient?_filter=name pr maybe", "name:missing is true or false"),
        ("Patient?_filter=_id gt 1", "_id is not compared by 'gt' .at character 1.; it has eq, ne, pr"),
        ("Patient?_filter=_lastUpdated co 1", "it has eq, ne, gt"),
        ('Patient?_filter=name eq "!"', "at least one letter"),
        ("Patient?_filter=_filter eq x", "_filter is not compared by 'eq' .*; it has none"),
        ("Patient?_filter=_list pr true", "_list is not compared by 'pr' .*; it has eq"),
        ("Patient?_filter=_content co x", "_content is not compared by 'co' .*; it has eq"),
        ("Patient?_filter=gender.name eq x", "is no reference"),
        ("Observation?_filter=subject:Medication.code eq x", "refers to Device, Group, Location, Patient"),
        ("Observation?_filter=subject:Patient.code eq x", "Patient has no search parameter 'code'"),
        ("Observation?_filter=subject.nmae eq x", "no search parameter 'nmae'"),
        ("Observation?_filter=code-value-quantity eq x", "it has pr"),
        ("Patient?_filter=gender ss http://hl7.org/fhir/administrative-gender|male", "hierarchy .* is not known"),
        ("Patient?_filter=gender in http://example.org/vs", "not known here: name one that R4 enumerates"),
    ],
)
def test_what_a_filter_cannot_mean_is_refused(finds: Finds, query: str, why: str) -> None:
    with pytest.raises(BadRequest, match=why):
        finds(query)


@pytest.mark.parametrize(
    "text",
    [
        "a" * (MAXIMUM_LENGTH + 1),
        "(" * (MAXIMUM_DEPTH + 2) + "a eq b" + ")" * (MAXIMUM_DEPTH + 2),
        " or ".join(["a eq b"] * (MAXIMUM_COMPARISONS + 1)),
    ],
)
def test_a_filter_is_bounded(text: str) -> None:
    with pytest.raises(TooCostly):
        parse_filter(text)


PIECES = st.sampled_from(
    ["name", " eq ", " and ", "not", "(", ")", "[", "]", ".", ":", '"', "\\", "x", " ", "2020", "\n"]
)


@given(st.lists(PIECES, max_size=15).map("".join) | st.text(max_size=30))
def test_no_text_makes_a_filter_fail_otherwise(text: str) -> None:
    try:
        parsed: Any = parse_filter(text)
    except (BadRequest, TooCostly):
        return
    assert isinstance(parsed, Expression)
