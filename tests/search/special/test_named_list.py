from collections.abc import Callable

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, Forbidden
from fhir_server.search.condition import ALWAYS, Condition, Identity

Finds = Callable[..., list[str]]

LIST = {"resourceType": "List", "id": "42", "entry": [{"item": {"reference": "Patient/b"}}]}
WORLD = (LIST, {"resourceType": "Patient", "id": "a"}, {"resourceType": "Patient", "id": "b"})


@pytest.mark.spec("search.html#list")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("Patient?_list=42", ["b"]),
        ("Patient?_list=List/42", ["b"]),
        ("Patient?_list=7,42", ["b"]),
        ("Patient?_list=7", []),
        ("Patient?_list=42&gender=female", []),
        ("?_list=42", ["b"]),
    ],
)
def test_members_of_a_list(finds: Finds, query: str, found: list[str]) -> None:
    assert finds(query, *WORLD) == found


def test_a_list_that_may_not_be_seen_tells_nothing(finds: Finds) -> None:
    def other(resource_type: str) -> Condition:
        return Identity(("7",)) if resource_type == "List" else ALWAYS

    def without(resource_type: str) -> Condition:
        if resource_type == "List":
            raise Forbidden("no lists")
        return ALWAYS

    assert finds("Patient?_list=42", *WORLD, within=other) == []
    with pytest.raises(Forbidden):
        finds("Patient?_list=42", *WORLD, within=without)


@pytest.mark.spec("lifecycle.html#lists")
@pytest.mark.parametrize("value", ["$current-allergies", "Patient/42", "List/42/_history/1"])
def test_what_is_no_list_is_refused(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match=r"_list: .* give the id of a List"):
        finds(f"AllergyIntolerance?_list={value}")
