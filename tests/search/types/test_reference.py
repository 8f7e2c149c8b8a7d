from collections.abc import Callable
from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest

Finds = Callable[..., list[str]]

HOME = "https://sante.example/fhir"


def about(**subject: Any) -> dict[str, Any]:
    return {"resourceType": "Observation", "subject": subject}


@pytest.mark.spec("search.html#reference")
@pytest.mark.parametrize("literal", ["Patient/23", f"{HOME}/Patient/23", "Patient/23/_history/2"])
@pytest.mark.parametrize(
    ("query", "is_found"),
    [
        ("subject=23", True),
        ("subject=Patient/23", True),
        (f"subject={HOME}/Patient/23", True),
        ("subject:Patient=23", True),
        ("subject:Patient=Patient/23", True),
        ("subject:Group=23", False),
        ("subject=Group/23", False),
        ("subject=2", False),
        ("subject=https://elsewhere.example/Patient/23", False),
        ("patient=23", True),
        ("subject=1,23", True),
    ],
)
def test_a_resource_of_this_server_has_three_names(finds: Finds, literal: str, query: str, is_found: bool) -> None:
    assert bool(finds(f"Observation?{query}", about(reference=literal))) is is_found


@pytest.mark.spec("references.html#literal")
def test_a_version_is_named_only_when_asked(finds: Finds) -> None:
    versioned, plain = about(reference="Patient/23/_history/2"), about(reference="Patient/23")
    assert finds("Observation?subject=Patient/23/_history/2", versioned, plain) == ["0"]
    assert finds("Observation?subject=Patient/23/_history/3", versioned, plain) == []
    assert finds("Observation?subject=Patient/23", versioned, plain) == ["0", "1"]


def test_what_is_elsewhere_has_its_literal_name_alone(finds: Finds) -> None:
    elsewhere = about(reference="https://elsewhere.example/Patient/23")
    assert finds("Observation?subject=https://elsewhere.example/Patient/23", elsewhere) == ["0"]
    assert finds("Observation?subject=Patient/23", elsewhere) == []
    assert finds("Observation?subject=23", elsewhere) == []
    assert finds("Observation?subject=urn:uuid:1", about(reference="urn:uuid:1")) == ["0"]


def test_the_neighbour_of_our_address_is_elsewhere(finds: Finds) -> None:
    assert finds("Observation?subject=23", about(reference=f"{HOME}2/Patient/23")) == []


@pytest.mark.spec("search.html#reference")
def test_a_target_known_by_identifier_is_found_by_it(finds: Finds) -> None:
    logical = about(identifier={"system": "urn:ins", "value": "42"}, type="Patient")
    assert finds("Observation?subject:identifier=urn:ins|42", logical) == ["0"]
    assert finds("Observation?patient:identifier=42", logical) == ["0"]
    assert finds("Observation?subject:identifier=urn:other|42", logical) == []
    assert finds("Observation?subject:missing=false", logical) == ["0"]
    assert finds("Observation?subject=42", logical) == []


def test_a_contained_target_is_no_resource_of_the_server(finds: Finds) -> None:
    assert finds("Observation?subject:missing=false", about(reference="#p")) == ["0"]
    assert finds("Observation?subject=p", about(reference="#p")) == []


def test_resolve_is_patient_reads_the_reference(finds: Finds) -> None:
    assert finds("Observation?patient:missing=false", about(reference="Group/1"), about(reference="Patient/1")) == ["1"]


@pytest.mark.spec("references.html#canonical")
def test_a_canonical_is_found_with_and_without_its_version(finds: Finds) -> None:
    response = {"resourceType": "QuestionnaireResponse", "questionnaire": "http://example.org/q|2"}
    assert finds("QuestionnaireResponse?questionnaire=http://example.org/q", response) == ["0"]
    assert finds("QuestionnaireResponse?questionnaire=http://example.org/q|2", response) == ["0"]
    assert finds("QuestionnaireResponse?questionnaire=http://example.org/q|3", response) == []


@pytest.mark.spec("bundle.html#search")
def test_the_first_resource_of_a_document_counts_as_referred_to(finds: Finds) -> None:
    document = {"resourceType": "Bundle", "entry": [{"resource": {"resourceType": "Composition", "id": "c"}}]}
    assert finds("Bundle?composition=Composition/c", document) == ["0"]
    assert finds("Bundle?message:missing=true", document) == ["0"]


@pytest.mark.parametrize("value", ["Pateint/1", "Patient/", "a b", "Patient/1/name", "subject:Patient=Group/1"])
def test_what_names_nothing_is_refused(finds: Finds, value: str) -> None:
    query = value if "=" in value else f"subject={value}"
    with pytest.raises(BadRequest, match=r"subject.*write id"):
        finds(f"Observation?{query}", about(reference="Patient/1"))


@pytest.mark.spec("search.html#versions")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("questionnaire:below=http://example.org/q|1.2", ["1.2", "1.2.3"]),
        ("questionnaire:below=http://example.org/q|1", ["1.2", "1.2.3", "1.3"]),
        ("questionnaire:above=http://example.org/q|1.2.3", ["1.2", "1.2.3"]),
        ("questionnaire:below=http://example.org/q", ["1.2", "1.2.3", "1.3", "10"]),
        ("questionnaire:below=http://example.org/other|1", []),
    ],
)
def test_versions_of_a_canonical_are_above_and_below(finds: Finds, query: str, found: list[str]) -> None:
    responses = [
        {"resourceType": "QuestionnaireResponse", "id": version, "questionnaire": f"http://example.org/q|{version}"}
        for version in ("1.2", "1.2.3", "1.3", "10")
    ]
    assert finds(f"QuestionnaireResponse?{query}", *responses) == found
