"""Extensions: known or not, modifier or not, where they stand, what they hold."""

from collections.abc import Callable
from typing import Any

import pytest

Check = Callable[..., list[tuple[str, str, str]]]
Made = Callable[..., dict[str, Any]]


def extension(made: Made, *, is_modifier: bool = False, place: str = "Patient") -> dict[str, Any]:
    root = {"path": "Extension", "isModifier": is_modifier}
    parts = [
        {"path": "Extension.extension", "slicing": {"discriminator": [{"type": "value", "path": "url"}]}},
        {"path": "Extension.extension", "sliceName": "part", "min": 1},
        {"path": "Extension.extension.url", "fixedUri": "part"},
        {"path": "Extension.value[x]", "max": "0"},
    ]
    return made("e", "Extension", root, *parts, context=[{"type": "element", "expression": place}])


def patient(made: Made, part: str = "part", key: str = "extension") -> dict[str, Any]:
    url = extension(made)["url"]
    return {"resourceType": "Patient", key: [{"url": url, "extension": [{"url": part, "valueString": "x"}]}]}


def test_a_known_extension_is_judged_by_its_definition(check: Check, made: Made) -> None:
    profile = made("p", "Patient")
    assert check(patient(made), profile, extension(made)) == []
    assert check(patient(made, "other"), profile, extension(made)) == [
        ("error", "extension-part", "Patient.extension[0].extension[0]"),
        ("error", "minimum", "Patient.extension[0].extension"),
    ]


@pytest.mark.parametrize("place", ["Patient.name", "Observation"])
def test_an_extension_stands_where_its_context_says(check: Check, made: Made, place: str) -> None:
    found = check(patient(made), made("p", "Patient"), extension(made, place=place))
    assert found == [("error", "extension-context", "Patient.extension[0]")]


@pytest.mark.parametrize("place", ["Patient", "DomainResource", "Resource", "Element"])
def test_a_context_may_be_a_type_above(check: Check, made: Made, place: str) -> None:
    assert check(patient(made), made("p", "Patient"), extension(made, place=place)) == []


def test_a_modifier_is_written_as_one(check: Check, made: Made) -> None:
    profile = made("p", "Patient")
    assert check(patient(made), profile, extension(made, is_modifier=True)) == [
        ("error", "extension-modifier", "Patient.extension[0]")
    ]
    assert check(patient(made, key="modifierExtension"), profile, extension(made)) == [
        ("error", "extension-plain", "Patient.modifierExtension[0]")
    ]


def test_an_unknown_extension_is_said(check: Check, made: Made) -> None:
    assert check(patient(made), made("p", "Patient")) == [("information", "extension-unknown", "Patient.extension[0]")]
    assert check(patient(made, key="modifierExtension"), made("p", "Patient")) == [
        ("warning", "modifier-unknown", "Patient.modifierExtension[0]")
    ]


def test_an_extension_beside_a_primitive_is_judged(check: Check, made: Made) -> None:
    beside = patient(made)["extension"]
    resource = {"resourceType": "Patient", "birthDate": "1970-01-01", "_birthDate": {"extension": beside}}
    found = check(resource, made("p", "Patient"), extension(made))
    assert found == [("error", "extension-context", "Patient.birthDate.extension[0]")]
    assert check(resource, made("p", "Patient"), extension(made, place="Patient.birthDate")) == []


def test_a_context_may_be_a_path_from_the_resource(check: Check, made: Made) -> None:
    resource = {"resourceType": "Patient", "name": [{"use": "old"}, {"use": "usual"}]}
    for name in resource["name"]:
        name["extension"] = patient(made)["extension"]  # type: ignore[index]
    context = [{"type": "fhirpath", "expression": "Patient.name.where(use = 'usual')"}]
    found = check(resource, made("p", "Patient"), extension(made) | {"context": context})
    assert found == [("error", "extension-context", "Patient.name[0].extension[0]")]
