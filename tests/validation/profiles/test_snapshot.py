"""Snapshots: what a differential says over its base, and the published snapshots of the French guides made anew."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.packages import Packages
from fhir_server.validation.profiles.definitions.snapshot import CORE, NoSnapshot, Snapshots

URL = "http://example.org/StructureDefinition/"


def profile(name: str, kind: str, *elements: dict[str, Any], base: str = "") -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "type": kind,
        "derivation": "constraint",
        "baseDefinition": base or CORE + kind,
        "differential": {"element": list(elements)},
    }


def snapshots(*profiles: dict[str, Any]) -> Snapshots:
    known = {profile["url"]: profile for profile in profiles}
    return Snapshots(lambda canonical, _: known.get(canonical))


def rows(made: Snapshots, name: str) -> dict[str, dict[str, Any]]:
    return {element["id"]: element for element in made.elements(URL + name)}


def test_the_elements_of_r4_are_the_base_without_its_package() -> None:
    made = rows(snapshots(profile("p", "Patient", {"path": "Patient.name", "min": 1})), "p")
    assert (made["Patient.name"]["min"], made["Patient.name"]["max"]) == (1, "*")
    assert made["Patient.contact.name"]["max"] == "1"
    assert [kind["code"] for kind in made["Patient.deceased[x]"]["type"]] == ["boolean", "dateTime"]


def test_an_element_below_a_type_unfolds_the_type() -> None:
    made = rows(snapshots(profile("p", "Patient", {"path": "Patient.name.family", "min": 1})), "p")
    assert made["Patient.name.family"]["min"] == 1
    assert made["Patient.name.given"]["max"] == "*"


def test_slices_keep_what_the_element_says_and_follow_it() -> None:
    discriminator = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    made = rows(
        snapshots(
            profile(
                "p",
                "Patient",
                {"path": "Patient.identifier", "slicing": discriminator, "min": 1, "short": "numbers"},
                {"path": "Patient.identifier", "sliceName": "ins", "min": 1, "max": "1"},
                {"path": "Patient.identifier.system", "fixedUri": "urn:ins"},
            )
        ),
        "p",
    )
    ins = made["Patient.identifier:ins"]
    assert (ins["min"], ins["max"], ins["short"]) == (1, "1", "numbers")
    assert "slicing" not in ins
    assert made["Patient.identifier:ins.system"]["fixedUri"] == "urn:ins"
    assert "fixedUri" not in made.get("Patient.identifier.system", {})


def test_the_short_name_of_a_choice_is_a_slice_by_type() -> None:
    made = rows(snapshots(profile("p", "Observation", {"path": "Observation.valueQuantity.code", "min": 1})), "p")
    assert made["Observation.value[x]"]["slicing"]["discriminator"] == [{"type": "type", "path": "$this"}]
    assert [kind["code"] for kind in made["Observation.value[x]:valueQuantity"]["type"]] == ["Quantity"]
    assert made["Observation.value[x]:valueQuantity.code"]["min"] == 1


def test_a_profile_over_a_profile_adds_rules() -> None:
    rule = {"key": "a-1", "severity": "error", "human": "x", "expression": "true"}
    below = profile("a", "Patient", {"path": "Patient", "constraint": [rule]})
    above = profile("b", "Patient", {"path": "Patient", "constraint": [rule | {"key": "b-1"}]}, base=URL + "a")
    made = rows(snapshots(below, above), "b")
    assert [found["key"] for found in made["Patient"]["constraint"]] == ["a-1", "b-1"]


def test_a_profile_that_builds_on_itself_or_on_nothing_known_is_refused() -> None:
    circle = [profile("a", "Patient", base=URL + "b"), profile("b", "Patient", base=URL + "a")]
    with pytest.raises(NoSnapshot, match="builds on itself"):
        snapshots(*circle).tree(URL + "a")
    with pytest.raises(NoSnapshot, match="add the package"):
        snapshots().tree(URL + "a")


def facts(element: Mapping[str, Any]) -> tuple[Any, ...]:
    values = [(key, str(value)) for key, value in element.items() if key.startswith(("fixed", "pattern"))]
    types = sorted(kind["code"] for kind in element.get("type", ()))
    return (element["id"], element["min"], element["max"], tuple(sorted(values)), tuple(types))


def test_the_french_snapshots_come_out_as_published(shared: Path) -> None:
    """At least 215 of 271; the others build on guides, or on versions of guides, that are not among the packages."""
    paths = [path for path in sorted((shared / "data/fhir-packages").glob("*.tgz")) if "examples" not in path.name]
    packages = Packages(paths)

    def without_snapshot(canonical: str, resource_type: str) -> Mapping[str, Any] | None:
        found = packages.resolve(canonical, resource_type)
        is_french = found is not None and not found["url"].startswith("http://hl7.org/fhir/Struct")
        if found is None or not is_french or found.get("derivation") != "constraint":
            return found
        return {key: value for key, value in found.items() if key != "snapshot"}

    made, same, count = Snapshots(without_snapshot), 0, 0
    for member in packages.members("StructureDefinition"):
        if member.derivation != "constraint" or member.package.startswith("hl7.fhir.r4.core"):
            continue
        count += 1
        canonical = f"{member.url}|{member.version}"
        published = packages.resolve(canonical) or {}
        try:
            elements = {facts(element) for element in made.elements(canonical)}
        except NoSnapshot:
            continue
        same += {facts(element) for element in published["snapshot"]["element"]} <= elements
    assert count == 271
    assert same >= 215
