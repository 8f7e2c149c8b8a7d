from typing import Any

import pytest

from fhir_server.foundation.compartment import COMPARTMENT_TYPES, compartment_definition
from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.search.compartment import in_compartment
from fhir_server.search.condition import Compare
from fhir_server.search.extract import Extractor
from fhir_server.search.index_row import COMPARTMENT
from fhir_server.search.match import Subject, match

Resource = dict[str, Any]


def is_in(extractor: Extractor, compartment: tuple[str, str], resource: Resource, *, asks_type: bool) -> bool:
    resource_type = resource["resourceType"]
    subject = Subject(resource_type, resource["id"], 0, extractor.extract(resource))
    return match(in_compartment(compartment, resource_type if asks_type else ""), subject)


@pytest.mark.spec("compartmentdefinition.html")
@pytest.mark.parametrize("asks_type", [True, False])
@pytest.mark.parametrize(
    ("compartment", "resource", "is_inside"),
    [
        (("Patient", "1"), {"resourceType": "Observation", "subject": {"reference": "Patient/1"}}, True),
        (("Patient", "2"), {"resourceType": "Observation", "subject": {"reference": "Patient/1"}}, False),
        (("Practitioner", "1"), {"resourceType": "Observation", "performer": [{"reference": "Practitioner/1"}]}, True),
        (("Practitioner", "1"), {"resourceType": "Observation", "performer": [{"reference": "Patient/1"}]}, False),
        (("Practitioner", "1"), {"resourceType": "Practitioner", "id": "1"}, True),
        (("Practitioner", "1"), {"resourceType": "Practitioner", "id": "2"}, False),
        (("Encounter", "1"), {"resourceType": "Encounter", "id": "1"}, True),
        (("Encounter", "e"), {"resourceType": "Condition", "encounter": {"reference": "Encounter/e"}}, True),
        (("Encounter", "e"), {"resourceType": "Condition", "subject": {"reference": "Patient/e"}}, False),
        (("RelatedPerson", "r"), {"resourceType": "Coverage", "payor": [{"reference": "RelatedPerson/r"}]}, True),
        (("Device", "d"), {"resourceType": "Observation", "device": {"reference": "Device/d"}}, True),
        (("Device", "d"), {"resourceType": "Observation", "subject": {"reference": "Device/d"}}, True),
        (("Device", "d"), {"resourceType": "Observation", "device": {"reference": "Device/other"}}, False),
    ],
)
def test_what_a_compartment_holds(
    extractor: Extractor, compartment: tuple[str, str], resource: Resource, is_inside: bool, asks_type: bool
) -> None:
    assert is_in(extractor, compartment, {"id": "x", **resource}, asks_type=asks_type) is is_inside


@pytest.mark.spec("compartmentdefinition.html")
def test_the_patient_is_in_his_compartment(extractor: Extractor) -> None:
    assert is_in(extractor, ("Patient", "1"), {"resourceType": "Patient", "id": "1"}, asks_type=True)


@pytest.mark.parametrize("compartment_type", sorted(COMPARTMENT_TYPES))
def test_every_type_of_a_compartment_can_be_asked(compartment_type: str) -> None:
    for resource_type in compartment_definition(compartment_type):
        assert in_compartment((compartment_type, "1"), resource_type)


def test_the_patient_compartment_is_one_comparison() -> None:
    asked = Compare(COMPARTMENT, "Patient", (("compartment_id", "eq", "1"),))
    assert in_compartment(("Patient", "1"), "Observation") == in_compartment(("Patient", "1"), "") == asked


def test_what_is_no_compartment_is_not_found() -> None:
    with pytest.raises(NotFound, match="no Group compartment; there are those of Device, Encounter, Patient"):
        in_compartment(("Group", "1"), "Patient")
    with pytest.raises(BadRequest, match="No ValueSet is in a Patient compartment"):
        in_compartment(("Patient", "1"), "ValueSet")
