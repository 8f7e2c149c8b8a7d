from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest

Finds = Callable[..., list[str]]


def component(code: str, value: float) -> dict[str, Any]:
    return {
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "valueQuantity": {"value": value, "code": "mm[Hg]"},
    }


PRESSURE = {"resourceType": "Observation", "component": [component("8480-6", 140), component("8462-4", 90)]}


@pytest.mark.spec("search.html#composite")
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("component-code-value-quantity=http://loinc.org|8480-6$140", True),
        ("component-code-value-quantity=8480-6$gt130||mm[Hg]", True),
        ("component-code-value-quantity=8480-6$90", False),
        ("component-code-value-quantity=8462-4$ne91", True),
        ("component-code-value-quantity=8462-4$ne90", False),
        ("component-code-value-quantity=8462-4$91,8462-4$90", True),
        ("combo-code-value-quantity=8462-4$lt100", True),
        ("code-value-quantity=8462-4$90", False),
        ("component-code-value-quantity:missing=false", True),
        ("code-value-quantity:missing=true", True),
    ],
)
def test_one_element_has_both_values(finds: Finds, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?{query}", PRESSURE)) is is_found


def test_a_dollar_within_a_value_is_escaped(finds: Finds) -> None:
    text = {"resourceType": "Observation", "code": {"coding": [{"code": "a$b"}]}, "valueString": "x"}
    assert finds(r"Observation?code-value-string=a\$b$x", text) == ["0"]


def test_components_of_one_type_are_told_apart(finds: Finds) -> None:
    group = {
        "resourceType": "Group",
        "characteristic": [
            {"code": {"coding": [{"code": "a"}]}, "valueCodeableConcept": {"coding": [{"code": "b"}]}},
            {"code": {"coding": [{"code": "c"}]}, "valueBoolean": True},
        ],
    }
    assert finds("Group?characteristic-value=a$b", group) == ["0"]
    assert finds("Group?characteristic-value=b$a", group) == []
    assert finds("Group?characteristic-value=c$true", group) == ["0"]


def test_a_component_may_be_asked_of_the_whole_resource(finds: Finds) -> None:
    sequence = {
        "resourceType": "MolecularSequence",
        "referenceSeq": {"chromosome": {"coding": [{"code": "1"}]}},
        "variant": [{"start": 10, "end": 20}],
    }
    assert finds("MolecularSequence?chromosome-variant-coordinate=1$ge5$le30", sequence) == ["0"]
    assert finds("MolecularSequence?chromosome-variant-coordinate=2$ge5$le30", sequence) == []


@pytest.mark.parametrize("value", ["8480-6", "8480-6$", "8480-6$1$2", "8480-6$high"])
def test_each_component_wants_a_value_of_its_type(finds: Finds, value: str) -> None:
    with pytest.raises(BadRequest, match="component-code-value-quantity"):
        finds(f"Observation?component-code-value-quantity={value}", PRESSURE)
