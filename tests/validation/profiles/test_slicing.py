"""Slicing by every discriminator; closed, ordered, open at the end, default slices, slices of slices."""

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., list[tuple[str, str, str]]]
Made = Callable[..., dict[str, Any]]


def slicing(kind: str, path: str, **more: Any) -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": "open", **more}}


def identifiers(**more: Any) -> list[dict[str, Any]]:
    return [
        {"path": "Patient.identifier", **slicing("value", "system", **more)},
        {"path": "Patient.identifier", "sliceName": "a", "min": 1, "max": "1"},
        {"path": "Patient.identifier.system", "fixedUri": "urn:a"},
        {"path": "Patient.identifier.value", "min": 1},
        {"path": "Patient.identifier", "sliceName": "b"},
        {"path": "Patient.identifier.system", "patternUri": "urn:b"},
    ]


def patient(*systems: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "identifier": [{"system": system, "value": "1"} for system in systems]}


@pytest.mark.parametrize(
    ("rules", "systems", "found"),
    [
        ({}, ["urn:a", "urn:b", "urn:c"], []),
        ({}, ["urn:b"], [("error", "minimum", "Patient.identifier")]),
        ({}, ["urn:a", "urn:a"], [("error", "maximum", "Patient.identifier[1]")]),
        ({"rules": "closed"}, ["urn:a", "urn:c"], [("error", "slice-closed", "Patient.identifier[1]")]),
        ({"ordered": True}, ["urn:b", "urn:a"], [("error", "slice-order", "Patient.identifier[1]")]),
        ({"ordered": True}, ["urn:a", "urn:c", "urn:b"], []),
        ({"rules": "openAtEnd"}, ["urn:c", "urn:a"], [("error", "slice-open-at-end", "Patient.identifier[0]")]),
        ({"rules": "openAtEnd"}, ["urn:a", "urn:c"], []),
    ],
)
def test_slices_by_value(check: Check, made: Made, rules: dict[str, Any], systems: list[str], found: list[Any]) -> None:
    assert check(patient(*systems), made("p", "Patient", *identifiers(**rules))) == found


def test_a_slice_judges_its_items(check: Check, made: Made) -> None:
    resource = {"resourceType": "Patient", "identifier": [{"system": "urn:a"}, {"system": "urn:b"}]}
    found = check(resource, made("p", "Patient", *identifiers()))
    assert found == [("error", "minimum", "Patient.identifier[0].value")]


def test_the_default_slice_judges_the_rest(check: Check, made: Made) -> None:
    elements = [
        *identifiers(rules="closed"),
        {"path": "Patient.identifier", "sliceName": "@default"},
        {"path": "Patient.identifier.use", "min": 1},
    ]
    found = check(patient("urn:a", "urn:c"), made("p", "Patient", *elements))
    assert found == [("error", "minimum", "Patient.identifier[1].use")]


def test_a_slice_may_be_sliced_again(check: Check, made: Made) -> None:
    elements = [
        *identifiers()[:4],
        {"path": "Patient.identifier", "sliceName": "b", **slicing("value", "use")},
        {"path": "Patient.identifier.system", "patternUri": "urn:b"},
        {"path": "Patient.identifier", "sliceName": "b/old", "max": "1"},
        {"path": "Patient.identifier.use", "fixedCode": "old"},
    ]
    resource = patient("urn:a", "urn:b", "urn:b", "urn:b")
    for item in resource["identifier"][2:]:
        item["use"] = "old"
    found = check(resource, made("p", "Patient", *elements))
    assert found == [("error", "maximum", "Patient.identifier[3]")]


def test_slices_by_presence(check: Check, made: Made) -> None:
    profile = made(
        "p",
        "Patient",
        {"path": "Patient.telecom", **slicing("exists", "period")},
        {"path": "Patient.telecom", "sliceName": "dated"},
        {"path": "Patient.telecom.period", "min": 1},
        {"path": "Patient.telecom.use", "min": 1},
        {"path": "Patient.telecom", "sliceName": "undated"},
        {"path": "Patient.telecom.period", "max": "0"},
        {"path": "Patient.telecom.rank", "min": 1},
    )
    resource = {"resourceType": "Patient", "telecom": [{"period": {"start": "2020"}}, {"system": "phone"}]}
    assert check(resource, profile) == [
        ("error", "minimum", "Patient.telecom[0].use"),
        ("error", "minimum", "Patient.telecom[1].rank"),
    ]


def test_slices_by_type_of_a_choice_and_of_a_target(check: Check, made: Made) -> None:
    profile = made(
        "p",
        "Observation",
        {"path": "Observation.valueQuantity.unit", "min": 1},
        {"path": "Observation.performer", **slicing("type", "$this.resolve()", rules="closed")},
        {
            "path": "Observation.performer",
            "sliceName": "doctor",
            "max": "1",
            "type": [{"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Practitioner"]}],
        },
    )
    references = [{"reference": "Practitioner/1"}, {"reference": "Organization/1"}]
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "performer": references}
    assert check(resource | {"valueQuantity": {"value": 1}}, profile) == [
        ("error", "slice-closed", "Observation.performer[1]"),
        ("error", "minimum", "Observation.value.unit"),
    ]
    assert check(resource | {"valueString": "1", "performer": references[:1]}, profile) == []


def test_slices_by_profile(check: Check, made: Made) -> None:
    named = made("named", "Patient", {"path": "Patient.name", "min": 1})
    profile = made(
        "p",
        "Bundle",
        {"path": "Bundle.entry", **slicing("profile", "resource", rules="closed")},
        {"path": "Bundle.entry", "sliceName": "named", "min": 1},
        {"path": "Bundle.entry.resource", "type": [{"code": "Patient", "profile": [named["url"]]}]},
    )
    good, bad = {"resourceType": "Patient", "name": [{"text": "x"}]}, {"resourceType": "Patient", "gender": "male"}
    bundle = {"resourceType": "Bundle", "type": "collection"}
    entries = [{"fullUrl": f"urn:uuid:0000000{n}-0000-4000-8000-000000000000"} for n in (1, 2)]
    assert check(bundle | {"entry": [entries[0] | {"resource": good}]}, profile, named) == []
    both = [entries[0] | {"resource": good}, entries[1] | {"resource": bad}]
    assert check(bundle | {"entry": both}, profile, named) == [("error", "slice-closed", "Bundle.entry[1]")]


def test_a_slice_told_by_an_unknown_value_set_is_said(check: Check, made: Made) -> None:
    profile = made(
        "p",
        "Observation",
        {"path": "Observation.category", **slicing("value", "$this", rules="closed")},
        {
            "path": "Observation.category",
            "sliceName": "kind",
            "min": 1,
            "binding": {"strength": "required", "valueSet": "http://example.org/vs"},
        },
    )
    category = [{"coding": [{"system": "urn:s", "code": "a"}]}]
    resource = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "category": category}
    assert check(resource, profile) == [("information", "slice-unchecked", "Observation.category[0]")]
    assert check(resource, profile, codes=lambda *asked: True) == []
    assert [row[1] for row in check(resource, profile, codes=lambda *asked: False)] == ["slice-closed", "minimum"]


@pytest.mark.spec("profiling.html#slicing")
@pytest.mark.parametrize(
    ("elements", "allowed"),
    [
        ([{"path": "Observation.valueQuantity"}], {"valueQuantity"}),
        (
            [{"path": "Observation.valueQuantity"}, {"path": "Observation.valueString"}],
            {"valueQuantity", "valueString"},
        ),
        ([{"path": "Observation.valueQuantity.unit", "min": 1}], {"valueQuantity", "valueString", "valueBoolean"}),
        (
            [
                {
                    "path": "Observation.value[x]",
                    "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "open"},
                },
                {"path": "Observation.valueQuantity"},
            ],
            {"valueQuantity", "valueString", "valueBoolean"},
        ),
    ],
)
def test_the_short_form_of_a_choice_leaves_its_types(
    check: Check, made: Made, elements: list[dict[str, Any]], allowed: set[str]
) -> None:
    profile = made("p", "Observation", *elements)
    for name, value in {"valueQuantity": {"unit": "x"}, "valueString": "x", "valueBoolean": True}.items():
        found = check({"resourceType": "Observation", "status": "final", "code": {"text": "x"}, name: value}, profile)
        assert (found == []) is (name in allowed), (name, found)
