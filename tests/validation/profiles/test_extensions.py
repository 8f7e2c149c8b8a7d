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
        ("error", "modifier-unknown", "Patient.modifierExtension[0]")
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


OTHER = "http://hl7.org/fhir/{}/StructureDefinition/extension-{}"
SAID = ("information", "extension-unknown")


@pytest.mark.spec("versions.html#extensions")
@pytest.mark.parametrize(
    ("key", "version", "path", "wanted"),
    [
        ("extension", "5.0", "Patient.hobby", SAID),
        ("extension", "5.0", "Patient.name", SAID),
        ("modifierExtension", "1.0", "Patient.animal", SAID),
        ("extension", "1.0", "Patient.animal", ("error", "extension-modifier")),
        ("modifierExtension", "5.0", "Patient.photo", ("error", "extension-plain")),
        ("extension", "5.0", "Observation.trigger", ("error", "extension-context")),
        ("extension", "4.0", "Patient.name", ("error", "extension-version")),
        ("extension", "9.9", "Patient.name", ("error", "extension-version")),
        ("extension", "5.0", "name", ("error", "extension-version")),
    ],
)
def test_an_element_of_another_version(
    check: Check, made: Made, key: str, version: str, path: str, wanted: tuple[str, str]
) -> None:
    resource = {"resourceType": "Patient", key: [{"url": OTHER.format(version, path), "valueString": "x"}]}
    found = check(resource, made("p", "Patient"))
    assert (*wanted, f"Patient.{key}[0]") in found
    assert all(row[0] != "error" for row in found) == (wanted[0] != "error")


def test_an_element_of_another_version_below_a_shared_definition(check: Check, made: Made) -> None:
    url = OTHER.format("5.0", "ValueSet.compose.include.filter.op")
    rule = {"property": "concept", "value": "a", "_op": {"extension": [{"url": url, "valueCode": "child-of"}]}}
    compose = {"include": [{"system": "http://x.org/s"}], "exclude": [{"system": "http://x.org/s", "filter": [rule]}]}
    resource = {"resourceType": "ValueSet", "status": "draft", "compose": compose}
    assert [row for row in check(resource, made("p", "ValueSet")) if row[0] == "error"] == []


def test_an_extension_says_where_it_is_defined(check: Check, made: Made) -> None:
    resource = {"resourceType": "Patient", "extension": [{"url": "rel", "valueString": "x"}]}
    assert check(resource, made("p", "Patient")) == [("error", "extension-relative", "Patient.extension[0].url")]


def test_a_primitive_may_need_an_extension(check: Check, made: Made) -> None:
    profile = made("p", "Patient", {"path": "Patient.birthDate.extension", "min": 1})
    beside = {"_birthDate": {"extension": [{"url": "urn:x:y", "valueString": "x"}]}}
    needed = ("error", "minimum", "Patient.birthDate.extension")
    assert needed in check({"resourceType": "Patient", "birthDate": "1970"}, profile)
    assert needed not in check({"resourceType": "Patient", "birthDate": "1970", **beside}, profile)
    assert needed not in check({"resourceType": "Patient", "active": True}, profile)
