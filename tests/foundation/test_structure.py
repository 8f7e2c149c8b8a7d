import pytest

from fhir_server.foundation import definitions
from fhir_server.foundation.structure import (
    DATA_TYPES,
    PRIMITIVES,
    RESOURCE_TYPES,
    code_set,
    codes,
    invariants,
    structure,
)


@pytest.mark.spec("resourcelist.html")
def test_all_resource_types_are_known():
    assert len(RESOURCE_TYPES) == 146
    assert {"Patient", "Bundle", "Binary", "Parameters", "VisionPrescription"} <= RESOURCE_TYPES
    assert not {"Resource", "DomainResource", "Element", "MetadataResource"} & RESOURCE_TYPES


@pytest.mark.spec("datatypes.html")
def test_all_data_types_are_known():
    assert len(PRIMITIVES) == 20
    assert PRIMITIVES | {"HumanName", "Extension", "Dosage", "Meta", "Narrative"} <= DATA_TYPES


def test_every_class_that_an_element_names_has_a_structure():
    for name in definitions.table(definitions.STRUCTURES):
        for element in structure(name).elements.values():
            if element.code_set:
                assert codes(element.code_set)
            assert element.is_primitive or structure(element.class_name).elements


@pytest.mark.spec("patient.html#resource")
def test_an_element_carries_its_facts():
    gender = structure("Patient").elements["gender"]
    assert (gender.type_code, gender.minimum, gender.is_list, gender.is_summary) == ("code", 0, False, True)
    assert code_set(gender.code_set) == {
        "http://hl7.org/fhir/administrative-gender": frozenset({"male", "female", "other", "unknown"})
    }
    assert structure("Patient").elements["contact"].class_name == "Patient.contact"
    assert structure("Patient").elements["active"].is_modifier
    assert structure("Patient").elements["managingOrganization"].targets == {"Organization"}


@pytest.mark.spec("elementdefinition.html#interpretation")
def test_a_content_reference_leads_to_the_first_structure():
    assert structure("Bundle.entry").elements["link"].class_name == "Bundle.link"


@pytest.mark.spec("formats.html#choice")
def test_a_choice_has_an_element_for_each_type():
    observation = structure("Observation")
    choice = observation.choices["value[x]"]
    assert not choice.is_required
    assert "valueQuantity" in choice.names
    assert len(choice.names) == 11
    assert observation.elements["valueDateTime"].type_code == "dateTime"
    assert "value" not in observation.elements
    assert structure("MedicationRequest").choices["medication[x]"].is_required


@pytest.mark.spec("resource.html#id")
def test_the_id_of_a_resource_is_an_id_and_that_of_an_element_a_string():
    assert structure("Patient").elements["id"].type_code == "id"
    assert structure("Patient.contact").elements["id"].type_code == "string"


def test_invariants_stand_where_they_are_declared():
    (rule,) = invariants("Patient.contact")
    assert (rule.key, rule.severity) == ("pat-1", "error")
    assert invariants("Patient.name") == ()


def test_an_unknown_type_has_no_structure():
    with pytest.raises(KeyError):
        structure("Pacient")
