"""Spec: fhirpatch.html."""

import json
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, FhirError, TooCostly
from fhir_server.interactions.patching.change import Inapplicable
from fhir_server.interactions.patching.fhirpath_patch import fhirpath_patch


def parameters(*operations: dict[str, Any]) -> dict[str, Any]:
    """Operations as {part name: {valueX: ...}}."""
    made = [{"name": "operation", "part": [{"name": name, **part} for name, part in one.items()]} for one in operations]
    return {"resourceType": "Parameters", "parameter": made}


def step(kind: str, path: str, **parts: Any) -> dict[str, Any]:
    return {"type": {"valueCode": kind}, "path": {"valueString": path}, **parts}


def change(resource: dict[str, Any], *operations: dict[str, Any]) -> Any:
    return fhirpath_patch(parameters(*operations))(resource)


def test_the_public_cases(shared: Path) -> None:
    failed = []
    for line in (shared / "data/conformance-cases/lib/fhirpath-patch.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        try:
            is_right = fhirpath_patch(case["patch"])(case["input"]) == case["output"] and not case["error"]
        except FhirError:
            is_right = case["error"]
        if not is_right:
            failed.append(case["id"])
    assert not failed


def named(*given: str) -> dict[str, Any]:
    return {"resourceType": "Patient", "name": [{"given": [*given]}]}


@pytest.mark.spec("fhirpatch.html#concept")
def test_extensions_of_primitives_stay_beside_their_values() -> None:
    resource = named("a", "b")
    resource["name"][0]["_given"] = [None, {"id": "of-b"}]
    moved = change(
        resource, step("move", "Patient.name.given", source={"valueInteger": 1}, destination={"valueInteger": 0})
    )
    assert moved["name"][0] == {"given": ["b", "a"], "_given": [{"id": "of-b"}, None]}
    inserted = change(
        moved, step("insert", "Patient.name.given", index={"valueInteger": 1}, value={"valueString": "c"})
    )
    assert inserted["name"][0] == {"given": ["b", "c", "a"], "_given": [{"id": "of-b"}, None, None]}
    deleted = change(inserted, step("delete", "Patient.name.given[0]"))
    assert deleted["name"][0] == {"given": ["c", "a"]}


@pytest.mark.spec("fhirpatch.html#concept")
def test_a_choice_is_named_without_its_type() -> None:
    observation = {"resourceType": "Observation", "valueString": "x"}
    replaced = change(observation, step("replace", "Observation.value", value={"valueInteger": 3}))
    assert replaced == {"resourceType": "Observation", "valueInteger": 3}
    patient: dict[str, Any] = {"resourceType": "Patient"}
    added = step("add", "Patient", name={"valueString": "deceased"}, value={"valueBoolean": True})
    assert change(patient, added)["deceasedBoolean"] is True
    with pytest.raises(Inapplicable):
        change(patient, added)


@pytest.mark.spec("fhirpatch.html#concept")
def test_parts_make_what_no_parameter_can_hold() -> None:
    parts = [
        {"name": "relationship", "valueCodeableConcept": {"text": "mother"}},
        {"name": "name", "part": [{"name": "given", "valueString": "A"}, {"name": "given", "valueString": "B"}]},
    ]
    made = change(
        {"resourceType": "Patient"}, step("add", "Patient", name={"valueString": "contact"}, value={"part": parts})
    )
    assert made["contact"] == [{"relationship": [{"text": "mother"}], "name": {"given": ["A", "B"]}}]


@pytest.mark.spec("fhirpatch.html#concept")
def test_what_is_empty_goes_and_what_is_missing_is_not_deleted() -> None:
    resource: dict[str, Any] = {"resourceType": "Patient", "maritalStatus": {"coding": [{"code": "M"}]}}
    assert change(resource, step("delete", "Patient.maritalStatus.coding.code")) == {"resourceType": "Patient"}
    assert change(resource, step("delete", "Patient.birthDate")) == {"resourceType": "Patient"}


@pytest.mark.parametrize(
    "body",
    [
        {"resourceType": "Patient"},
        {"resourceType": "Parameters", "parameter": [{"name": "operation"}]},
        {"resourceType": "Parameters", "parameter": [{"name": "op", "part": []}]},
        {"resourceType": "Parameters", "parameter": {}},
        parameters(step("paint", "Patient")),
        parameters(step("add", "Patient", value={"valueString": "x"})),
        parameters(step("delete", "Patient.name[")),
        parameters(step("insert", "Patient.name", index={"valueInteger": -1}, value={"valueString": "x"})),
        parameters(step("move", "Patient.name", source={"valueString": "1"}, destination={"valueInteger": 1})),
        parameters({"type": {"valueCode": "delete"}, "path": {"valueInteger": 1}}),
        parameters(*[step("delete", "Patient.name")] * 201),
    ],
)
def test_what_is_no_patch_is_400(body: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        fhirpath_patch(body)


@pytest.mark.parametrize(
    "operation",
    [
        step("replace", "Patient.birthDate", value={"valueDate": "2020-01-01"}),
        step("delete", "Patient.name.given"),
        step("delete", "Patient"),
        step("replace", "1 + 1", value={"valueString": "x"}),
        step("add", "Patient.name.given[0]", name={"valueString": "x"}, value={"valueString": "x"}),
        step("insert", "Patient.name.given", index={"valueInteger": 3}, value={"valueString": "x"}),
        step("insert", "Patient.contact", index={"valueInteger": 0}, value={"valueString": "x"}),
        step("move", "Patient.name.given", source={"valueInteger": 2}, destination={"valueInteger": 0}),
        step("move", "Patient.name.given[1]", source={"valueInteger": 0}, destination={"valueInteger": 0}),
    ],
)
def test_what_does_not_fit_is_409(operation: dict[str, Any]) -> None:
    with pytest.raises(Inapplicable):
        change(named("a", "b"), operation)


def test_a_path_that_works_too_long_is_refused() -> None:
    resource = named(*["x"] * 500)
    with pytest.raises(TooCostly):
        change(resource, step("delete", "Patient.name.given.where(%resource.name.given.where($this = 'y').exists())"))


def test_all_paths_of_a_patch_share_one_bound() -> None:
    costly = step("delete", "Patient.name.given.where($this = 'z')")
    many = named(*("x" for _ in range(400)))
    assert change(many, costly) == many
    with pytest.raises(TooCostly):
        change(many, *([costly] * 200))
