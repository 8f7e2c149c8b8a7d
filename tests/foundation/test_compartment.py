import pytest

from fhir_server.foundation.compartment import COMPARTMENT_TYPES, compartment_definition, inclusion_parameters
from fhir_server.foundation.search_parameters import search_parameters


@pytest.mark.spec("compartmentdefinition.html#compartments")
def test_the_five_compartments():
    assert {"Patient", "Encounter", "RelatedPerson", "Practitioner", "Device"} == COMPARTMENT_TYPES


@pytest.mark.spec("compartmentdefinition-patient.html")
def test_inclusion_parameters():
    assert inclusion_parameters("Patient", "Observation") == ("subject", "performer")
    assert inclusion_parameters("Patient", "Organization") == ()


@pytest.mark.parametrize("compartment_type", sorted(COMPARTMENT_TYPES))
def test_every_inclusion_parameter_exists(compartment_type):
    unknown = {
        (resource_type, code)
        for resource_type, codes in compartment_definition(compartment_type).items()
        for code in codes
        if code != "{def}" and code not in search_parameters(resource_type)
    }
    assert unknown == set()
