"""Every parameter of R4's definitions is known or refused by name, and ours are those of the code."""

import importlib
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

CORE = Path(__file__).parents[4] / "shared/data/fhir-packages/hl7.fhir.r4.core-4.0.1.tgz"
OURS = Path(__file__).parents[3] / "conformance/operation_definitions"
MODULES = {
    "code_system_lookup": "CodeSystem-lookup",
    "code_system_subsumes": "CodeSystem-subsumes",
    "code_system_validate_code": "CodeSystem-validate-code",
    "concept_map_translate": "ConceptMap-translate",
    "value_set_expand": "ValueSet-expand",
    "value_set_validate_code": "ValueSet-validate-code",
}


def inputs(definition: dict[str, Any]) -> dict[str, str]:
    found = (one for one in definition["parameter"] if one["use"] == "in")
    return {one["name"]: one.get("type", "part") + ("*" if one["max"] == "*" else "") for one in found}


@pytest.fixture(scope="module")
def official() -> dict[str, dict[str, str]]:
    if not CORE.is_file():
        pytest.skip("the official R4 package is not beside the repository")
    wanted = {f"package/OperationDefinition-{name}.json": name for name in MODULES.values()}
    found: dict[str, dict[str, str]] = {}
    with tarfile.open(CORE) as archive:
        for member in archive:
            if member.name in wanted:
                content = archive.extractfile(member)
                assert content is not None
                found[wanted[member.name]] = inputs(json.load(content))
    return found


@pytest.mark.parametrize("module", MODULES)
def test_our_definition_has_the_parameters_of_the_code(module: str) -> None:
    definition = json.loads((OURS / f"{module.replace('_', '-')}.json").read_bytes())
    assert inputs(definition) == importlib.import_module(f"fhir_server.operations.terminology.{module}").KINDS


@pytest.mark.parametrize("module", MODULES)
def test_every_official_parameter_is_known_or_refused(module: str, official: dict[str, dict[str, str]]) -> None:
    code = importlib.import_module(f"fhir_server.operations.terminology.{module}")
    for name, kind in official[MODULES[module]].items():
        assert code.KINDS.get(name) == kind or name in code.REFUSED
