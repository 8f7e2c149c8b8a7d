"""Spec: RFC 6902, http.html#patch."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, FhirError, TooCostly, Unprocessable
from fhir_server.interactions.patching.change import Inapplicable
from fhir_server.interactions.patching.json_patch import is_same, json_patch


def test_the_public_cases(shared: Path) -> None:
    failed = []
    for line in (shared / "data/conformance-cases/lib/json-patch.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        try:
            made = json_patch(case["patch"])(case["doc"])
            is_right = case["error"] is None and is_same(made, case["expected"])
        except FhirError:
            is_right = case["error"] is not None
        if not is_right:
            failed.append(case["id"])
    assert not failed


def operation(**members: Any) -> list[dict[str, Any]]:
    return [{name.rstrip("_"): value for name, value in members.items()}]


@pytest.mark.parametrize(
    "operations",
    [
        {},
        [3],
        operation(op="paint", path="/a", value=1),
        operation(op="add", value=1),
        operation(op="add", path="/a"),
        operation(op="add", path="a", value=1),
        operation(op="add", path="/a~2", value=1),
        operation(op="copy", path="/a"),
        operation(op="move", from_="/a", path="/a/b"),
        operation(op="add", path="/a" * 65, value=1),
        operation(op="test", path="", value=1) * 5_001,
    ],
)
def test_what_is_no_patch_is_400(operations: Any) -> None:
    with pytest.raises(BadRequest):
        json_patch(operations)


@pytest.mark.parametrize(
    "operations",
    [
        operation(op="replace", path="/nothing", value=1),
        operation(op="remove", path="/list/2"),
        operation(op="remove", path="/list/-"),
        operation(op="add", path="/list/01", value=1),
        operation(op="add", path="/text/below", value=1),
        operation(op="remove", path=""),
        operation(op="move", from_="/nothing", path="/nothing"),
    ],
)
def test_what_does_not_fit_is_409(operations: Any) -> None:
    with pytest.raises(Inapplicable):
        json_patch(operations)({"list": [1, 2], "text": "x", "one": 1})


@pytest.mark.spec("http.html#patch")
@pytest.mark.parametrize("value", [True, None, 2, "1", [1]])
def test_a_test_that_fails_is_422(value: Any) -> None:
    with pytest.raises(Unprocessable):
        json_patch(operation(op="test", path="/one", value=value))({"one": 1})


def test_numbers_are_compared_by_value_and_keep_their_digits() -> None:
    operations = operation(op="test", path="/value", value=Decimal("1.0")) + operation(
        op="add", path="/more", value=Decimal("1.00")
    )
    assert str(json_patch(operations)({"value": 1})["more"]) == "1.00"


def test_a_patch_can_be_applied_twice_and_shares_nothing() -> None:
    change = json_patch(
        operation(op="add", path="/a", value={"list": []}) + operation(op="add", path="/a/list/-", value=1)
    )
    assert change({}) == change({}) == {"a": {"list": [1]}}


def test_copies_of_copies_are_bounded() -> None:
    doubling = operation(op="copy", from_="/a", path="/a/-") * 30
    with pytest.raises(TooCostly):
        json_patch(doubling)({"a": [1]})
