import pytest

from fhir_server.foundation.search_parameters import all_search_parameters, search_parameters
from fhir_server.foundation.structure import RESOURCE_TYPES


@pytest.mark.spec("searchparameter-registry.html#Patient")
def test_parameters_of_a_type_include_those_of_its_bases():
    parameters = search_parameters("Patient")
    assert {"family", "birthdate", "_id", "_lastUpdated", "_text"} <= set(parameters)
    assert parameters["general-practitioner"].targets == ("Practitioner", "Organization", "PractitionerRole")


@pytest.mark.spec("searchparameter-registry.html#Bundle")
def test_a_type_that_is_no_domain_resource_has_no_text():
    assert "_text" not in search_parameters("Bundle")
    assert "composition" in search_parameters("Bundle")


@pytest.mark.spec("search.html#composite")
def test_a_composite_names_parameters_that_exist():
    composites = [parameter for parameter in all_search_parameters().values() if parameter.type == "composite"]
    assert len(composites) >= 40
    for parameter in composites:
        for component in parameter.components:
            assert component.definition in all_search_parameters()
            assert component.expression


def test_every_type_has_parameters_and_no_example_is_among_them():
    assert all("_id" in search_parameters(resource_type) for resource_type in RESOURCE_TYPES)
    assert not [url for url in all_search_parameters() if "/example" in url]
