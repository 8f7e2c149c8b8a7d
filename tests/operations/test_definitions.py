"""What is offered is defined, and what is defined is offered. Spec: operationdefinition.html."""

from pathlib import Path
from typing import Any

import pytest

from fhir_server.foundation import fhir_json
from fhir_server.interactions.capabilities import Offered, capability_statement
from fhir_server.operations import OPERATIONS
from fhir_server.search.parameters import Parameters
from fhir_server.validation.validate import validate

FOLDER = Path(__file__).parents[2] / "conformance" / "operation_definitions"
DEFINITIONS: dict[str, dict[str, Any]] = {
    definition["url"]: definition
    for definition in map(fhir_json.parse, (f.read_bytes() for f in FOLDER.glob("*.json")))
}


@pytest.mark.parametrize("url", sorted(DEFINITIONS))
def test_a_definition_is_valid(url: str) -> None:
    validate(DEFINITIONS[url], expected_type="OperationDefinition")
    assert url.endswith(f"/{DEFINITIONS[url]['id']}")


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.definition)
def test_an_operation_is_what_its_definition_says(operation: Any) -> None:
    definition = DEFINITIONS[operation.definition]
    assert definition["code"] == operation.code
    assert definition["resource"] == [*operation.resource_types]
    assert definition["affectsState"] is operation.is_affecting
    assert {level for level in ("system", "type", "instance") if definition[level]} == {*operation.levels} - {"version"}


def test_the_statement_lists_them_where_they_are_invoked() -> None:
    statement = capability_statement("http://x", Parameters(), Offered(OPERATIONS))
    (rest,) = statement["rest"]
    offered = {one["type"]: {op["name"] for op in one.get("operation", ())} for one in rest["resource"]}
    assert offered["Patient"] == {
        "everything",
        "explain-access",
        "fhirpath",
        "meta",
        "meta-add",
        "meta-delete",
        "validate",
    }
    assert offered["Observation"] == offered["Patient"] - {"everything"} | {"lastn"}
    assert {op["name"] for op in rest["operation"]} == {"fhirpath", "meta", "reindex", "reindex-progress", "validate"}
