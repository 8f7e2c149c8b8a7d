"""What a profile says of one element: number, type, value, binding, rule, reference."""

from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.validation.profiles.definitions.snapshot import CORE

Findings = list[tuple[str, str, str]]
Check = Callable[..., Findings]
Made = Callable[..., dict[str, Any]]

PATIENT = {
    "resourceType": "Patient",
    "name": [{"family": "DUPONT", "given": ["Anne", "Zoé"]}],
    "birthDate": "1970-01-01",
}


@pytest.mark.parametrize(
    ("element", "found"),
    [
        ({"path": "Patient.gender", "min": 1}, [("error", "minimum", "Patient.gender")]),
        ({"path": "Patient.name.given", "max": "1"}, [("error", "maximum", "Patient.name[0].given[1]")]),
        ({"path": "Patient.birthDate", "max": "0"}, [("error", "maximum", "Patient.birthDate")]),
        ({"path": "Patient.birthDate", "fixedDate": "1970-01-02"}, [("error", "fixed", "Patient.birthDate")]),
        ({"path": "Patient.birthDate", "fixedDate": "1970-01-01"}, []),
        ({"path": "Patient.name", "patternHumanName": {"given": ["Zoé"]}}, []),
        ({"path": "Patient.name", "patternHumanName": {"given": ["Eve"]}}, [("error", "pattern", "Patient.name[0]")]),
        ({"path": "Patient.name.family", "maxLength": 5}, [("error", "too-long", "Patient.name[0].family")]),
        ({"path": "Patient.birthDate", "minValueDate": "1980-01-01"}, [("error", "too-small", "Patient.birthDate")]),
        ({"path": "Patient.birthDate", "maxValueDate": "1960-01-01"}, [("error", "too-large", "Patient.birthDate")]),
        ({"path": "Patient.contact.name", "min": 1}, []),
    ],
)
def test_an_element_is_judged_where_it_stands(
    check: Check, made: Made, element: dict[str, Any], found: list[Any]
) -> None:
    assert check(PATIENT, made("p", "Patient", element)) == found


def observation(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **more}


def test_a_choice_may_be_narrowed_to_some_types(check: Check, made: Made) -> None:
    profile = made("p", "Observation", {"path": "Observation.value[x]", "type": [{"code": "Quantity"}], "min": 1})
    assert check(observation(valueQuantity={"value": 1}), profile) == []
    assert check(observation(valueString="one"), profile) == [("error", "type", "Observation.value")]
    assert check(observation(), profile) == [("error", "minimum", "Observation.value")]


def test_a_type_with_a_profile_is_judged_by_it(check: Check, made: Made) -> None:
    name = made("name", "HumanName", {"path": "HumanName.text", "min": 1})
    patient = made("p", "Patient", {"path": "Patient.name", "type": [{"code": "HumanName", "profile": [name["url"]]}]})
    assert check(PATIENT, patient, name) == [("error", "minimum", "Patient.name[0].text")]


def binding(strength: str) -> dict[str, Any]:
    return {"path": "Observation.code", "binding": {"strength": strength, "valueSet": "http://example.org/vs"}}


@pytest.mark.parametrize(
    ("strength", "severity"), [("required", "error"), ("extensible", "warning"), ("preferred", "information")]
)
def test_a_binding_speaks_by_its_strength(check: Check, made: Made, strength: str, severity: str) -> None:
    profile = made("p", "Observation", binding(strength))
    resource = observation(code={"coding": [{"system": "urn:s", "code": "a"}, {"system": "urn:s", "code": "b"}]})
    member = {("http://example.org/vs", "urn:s", "b")}
    assert check(resource, profile, codes=lambda *asked: asked in member) == []
    assert check(resource, profile, codes=lambda *asked: False) == [
        (severity, f"binding-{strength}", "Observation.code")
    ]


@pytest.mark.parametrize("codes", [None, lambda *asked: None])
def test_a_value_set_that_nobody_knows_is_said(check: Check, made: Made, codes: Any) -> None:
    resource = observation(code={"coding": [{"system": "urn:s", "code": "a"}]})
    found = check(resource, made("p", "Observation", binding("required")), codes=codes)
    assert found == [("information", "binding-unchecked", "Observation.code")]


def rule(expression: str, severity: str = "error") -> dict[str, Any]:
    return {
        "path": "Patient",
        "constraint": [{"key": "x-1", "severity": severity, "human": "x", "expression": expression}],
    }


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("name.exists()", []),
        ("telecom.exists()", [("error", "invariant", "Patient")]),
        ("%resource.birthDate < @1960", [("error", "invariant", "Patient")]),
        ("name.(", [("information", "invariant-unchecked", "Patient")]),
        ("gender.memberOf('http://example.org/vs')", []),
        ("birthDate.memberOf('http://example.org/vs')", [("information", "invariant-unchecked", "Patient")]),
    ],
)
def test_a_rule_holds_or_is_said(check: Check, made: Made, expression: str, found: list[Any]) -> None:
    assert check(PATIENT, made("p", "Patient", rule(expression))) == found


def test_the_rules_of_r4_itself_hold_without_profile(check: Check, made: Made) -> None:
    resource = observation(valueQuantity={"value": 1}, dataAbsentReason={"text": "none"})
    assert check(resource, made("p", "Observation")) == [("error", "invariant", "Observation")]


def test_a_reference_is_judged_by_type_profile_and_way(check: Check, made: Made) -> None:
    named = made("named", "Patient", {"path": "Patient.name", "min": 1})
    kind = {"code": "Reference", "targetProfile": [named["url"]], "aggregation": ["contained"]}
    profile = made("p", "Observation", {"path": "Observation.subject", "type": [kind]})
    good = observation(contained=[PATIENT | {"id": "p"}], subject={"reference": "#p"})
    bad = observation(contained=[{"resourceType": "Patient", "id": "p"}], subject={"reference": "#p"})
    assert check(good, profile, named) == []
    assert check(bad, profile, named) == [
        ("error", "target-profile", "Observation.subject"),
        ("error", "minimum", "Observation.contained[0].name"),
    ]
    assert check(observation(subject={"reference": "Group/1"}), profile, named) == [
        ("error", "target-type", "Observation.subject"),
        ("error", "aggregation", "Observation.subject"),
    ]


def test_resources_that_refer_to_each_other_are_judged(check: Check, made: Made) -> None:
    target = {"code": "Reference", "targetProfile": ["http://example.org/StructureDefinition/p"]}
    profile = made("p", "Patient", {"path": "Patient.link.other", "type": [target]})
    link = {"other": {"reference": "#"}, "type": "seealso"}
    inner = {"resourceType": "Patient", "id": "a", "link": [{"other": {"reference": "#"}, "type": "seealso"}]}
    resource = {"resourceType": "Patient", "contained": [inner], "link": [link | {"other": {"reference": "#a"}}]}
    assert check(resource, profile) == []


def test_an_unknown_profile_and_one_for_another_type_are_said(check: Check, made: Made) -> None:
    other = made("o", "Observation")
    resource = PATIENT | {"meta": {"profile": ["http://example.org/unknown", other["url"]]}}
    assert check(resource, made("p", "Patient"), other) == [
        ("warning", "profile-unknown", "Patient"),
        ("error", "profile-other-type", "Patient"),
    ]


@pytest.mark.parametrize(("value", "unit", "is_right"), [(2, "kg", True), (500, "g", False), (1500, "g", True)])
def test_a_bound_may_be_in_another_unit(check: Check, made: Made, value: int, unit: str, is_right: bool) -> None:
    bound = {"value": 1, "system": "http://unitsofmeasure.org", "code": "kg"}
    element = {"path": "Observation.value[x]", "type": [{"code": "Quantity"}], "minValueQuantity": bound}
    resource = observation(valueQuantity={"value": value, "system": "http://unitsofmeasure.org", "code": unit})
    found = check(resource, made("p", "Observation", element))
    assert found == ([] if is_right else [("error", "too-small", "Observation.value")])


def test_what_is_elsewhere_is_judged_when_it_can_be_had(check: Check, made: Made) -> None:
    named = made("named", "Patient", {"path": "Patient.name", "min": 1})
    kind = {"code": "Reference", "targetProfile": [named["url"]]}
    profile = made("p", "Observation", {"path": "Observation.subject", "type": [kind]})
    resource, asked = observation(subject={"reference": "Patient/1"}), list[str]()

    def resolve(reference: str) -> dict[str, Any]:
        asked.append(reference)
        return {"resourceType": "Patient", "gender": "male"}

    assert check(resource, profile, named) == []
    assert check(resource, profile, named, resolve=resolve)[0] == ("error", "target-profile", "Observation.subject")
    assert asked == ["Patient/1"]


def test_the_same_primitive_in_two_places_is_judged_twice(check: Check, made: Made) -> None:
    short = made("short", "string", {"path": "string", "maxLength": 2})
    kind = {"code": "string", "profile": [short["url"]]}
    profile = made("p", "Patient", {"path": "Patient.name.given", "type": [kind]})
    given = "Anne"
    found = check({"resourceType": "Patient", "name": [{"given": [given, given]}]}, profile, short)
    assert [row[2] for row in found] == ["Patient.name[0].given[0]", "Patient.name[0].given[1]"]


@pytest.mark.spec("elementdefinition.html#ElementDefinition.type.profile")
def test_a_type_may_name_one_element_of_a_profile(check: Check, made: Made) -> None:
    library = made(
        "library",
        "Composition",
        {
            "path": "Composition.section",
            "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "open"},
        },
        {"path": "Composition.section", "sliceName": "a"},
        {"path": "Composition.section.title", "min": 1},
        {"path": "Composition.section.code", "patternCodeableConcept": {"text": "a"}},
    )
    named = [{"url": CORE + "elementdefinition-profile-element", "valueString": "Composition.section:a"}]
    kind = {"code": "BackboneElement", "profile": [library["url"]], "_profile": [{"extension": named}]}
    document = made(
        "document",
        "Composition",
        {
            "path": "Composition.section",
            "slicing": {"discriminator": [{"type": "pattern", "path": "code"}], "rules": "closed"},
        },
        {"path": "Composition.section", "sliceName": "first", "min": 1, "type": [kind]},
    )
    composition = {
        "resourceType": "Composition",
        "status": "final",
        "type": {"text": "x"},
        "date": "2025-01-01",
        "author": [{"display": "x"}],
        "title": "x",
    }
    section = {
        "code": {"text": "a"},
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'},
    }
    found = check({**composition, "section": [section]}, document, library)
    assert ("error", "minimum", "Composition.section[0].title") in found
    assert check({**composition, "section": [{**section, "title": "A"}]}, document, library) == []
    other = {**section, "code": {"text": "b"}}
    assert ("error", "slice-closed", "Composition.section[0]") in check(
        {**composition, "section": [other]}, document, library
    )


@pytest.mark.spec("validation.html")
def test_profiles_judge_what_can_be_read(check: Check, made: Made) -> None:
    profile = made(
        "p",
        "Patient",
        {"path": "Patient.birthDate", "min": 1},
        {"path": "Patient.gender", "min": 1},
        {"path": "Patient.name.family", "fixedString": "B"},
    )
    resource = {"resourceType": "Patient", "birthDate": 1970, "name": [5, {"family": "A"}], "colour": "x"}
    assert check(resource, profile) == [
        ("error", "primitive", "Patient.birthDate"),
        ("error", "no-object", "Patient.name[0]"),
        ("error", "unknown-element", "Patient.colour"),
        ("error", "fixed", "Patient.name[1].family"),
        ("error", "minimum", "Patient.gender"),
    ]
