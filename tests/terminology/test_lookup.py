from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import NotFound
from fhir_server.terminology.lookup import lookup_parameters
from fhir_server.terminology.terminology import Terminology
from tests.terminology.samples import ANIMALS, code_system, held

known = Terminology(held({ANIMALS: code_system(name="Animals")}))


def looked_up(code: str, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = lookup_parameters(*known.lookup(ANIMALS, code), **asked)["parameter"]
    return found


def properties(parameters: list[dict[str, Any]]) -> list[tuple[str, Any]]:
    parts = [found["part"] for found in parameters if found["name"] == "property"]
    return [(code["valueCode"], next(reversed(value.values()))) for code, value, *_ in parts]


@pytest.mark.spec("codesystem-operation-lookup.html")
def test_everything_is_told() -> None:
    parameters = looked_up("bird")
    assert parameters[:3] == [
        {"name": "name", "valueString": "Animals"},
        {"name": "version", "valueString": "2"},
        {"name": "display", "valueString": "Bird"},
    ]
    assert parameters[3] == {
        "name": "designation",
        "part": [{"name": "language", "valueCode": "fr"}, {"name": "value", "valueString": "Oiseau"}],
    }
    assert properties(parameters) == [("legs", 2), ("parent", "animal"), ("parent", "pet"), ("child", "emu")]


def test_a_property_that_repeats_the_hierarchy_is_told_once() -> None:
    assert properties(looked_up("pet")) == [("child", "bird")]


def test_only_what_is_asked_for() -> None:
    parameters = looked_up("bird", language="fr", properties=["legs", "lang.fr"])
    assert properties(parameters) == [("legs", 2)]
    assert [found["name"] for found in parameters] == ["name", "version", "display", "designation", "property"]
    assert parameters[2]["valueString"] == "Oiseau"


@pytest.mark.parametrize(("system", "code"), [(ANIMALS, "stone"), ("http://example.org/absent", "bird")])
def test_what_is_not_here_is_not_found(system: str, code: str) -> None:
    with pytest.raises(NotFound):
        known.lookup(system, code)
