from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.search.condition import ALWAYS
from fhir_server.search.custom import search_parameter_of
from fhir_server.search.extract import Extractor
from fhir_server.search.match import Subject, match
from fhir_server.search.parameters import Parameters, types_with
from fhir_server.search.parse import parse
from fhir_server.search.plan import Planner
from tests.search.conftest import Resources

Resource = dict[str, Any]

PATIENT: Resource = {
    "resourceType": "Patient",
    "id": "1",
    "name": [{"family": "Dupont", "given": ["Jean", "Marie"]}, {"family": "Durand"}],
    "birthDate": "1980-02-03",
    "maritalStatus": {"coding": [{"system": "http://m", "code": "M"}]},
    "telecom": [{"system": "phone", "value": "1", "rank": 2}, {"system": "phone", "value": "2", "rank": 1}],
    "contact": [{"organization": {"reference": "Organization/7"}}],
    "extension": [
        {
            "url": "http://example.org/weight",
            "valueQuantity": {"value": 3, "system": "http://unitsofmeasure.org", "code": "kg"},
        },
        {"url": "http://example.org/site", "valueUri": "http://example.org/a"},
    ],
}


def defined(expression: str, search_type: str = "string", **elements: Any) -> Resource:
    return {
        "resourceType": "SearchParameter",
        "url": "http://example.org/SearchParameter/x",
        "name": "x",
        "status": "active",
        "description": "x",
        "code": "x",
        "base": ["Patient"],
        "type": search_type,
        "expression": expression,
        **elements,
    }


def is_found(definition: Resource, value: str, name: str = "x", resource: Resource = PATIENT) -> bool:
    parameters = Parameters([search_parameter_of(definition)])
    rows = Extractor(parameters).extract(resource)
    plan = Planner(parameters, lambda _: ALWAYS).plan(parse(resource["resourceType"], [(name, value)], parameters))
    return match(plan.condition, Subject(resource["resourceType"], resource["id"], 0, rows))


@pytest.mark.spec("searchparameter.html")
@pytest.mark.parametrize(
    ("expression", "search_type", "value", "other"),
    [
        ("Patient.name.first().family", "string", "dup", "dur"),
        ("Patient.name.given.last()", "string", "marie", "jean"),
        ("Patient.name.select(family.upper())", "string", "durand", "x"),
        ("Patient.name.where(given.exists()).family", "string", "dupont", "durand"),
        ("Patient.name.count()", "number", "2", "3"),
        ("Patient.name.exists()", "token", "true", "false"),
        ("Patient.telecom.where(rank = 1)", "token", "2", "1"),
        ("Patient.maritalStatus.where(text.empty())", "token", "http://m|M", "http://m|S"),
        ("Patient.birthDate.where($this > @1970-01-01)", "date", "1980-02", "1981"),
        (
            "Patient.contact.organization.where(reference.startsWith('Organization'))",
            "reference",
            "Organization/7",
            "9",
        ),
        (
            "Patient.extension.where(url.endsWith('weight')).value",
            "quantity",
            "3000|http://unitsofmeasure.org|g",
            "3000||kg",
        ),
        ("Patient.extension.where(url.endsWith('site')).value", "uri", "http://example.org/a", "http://example.org/b"),
        ("Patient.extension('http://example.org/site').value", "uri", "http://example.org/a", "http://example.org/b"),
        ("Patient.name.family", "string", "durand", "x"),
        ("Patient.contact.organization.where(resolve() is Organization).first()", "reference", "Organization/7", "9"),
        ("Patient.contact.organization.where(resolve() is Patient).empty()", "token", "true", "false"),
    ],
)
def test_a_custom_parameter_finds(expression: str, search_type: str, value: str, other: str) -> None:
    definition = defined(expression, search_type)
    assert is_found(definition, value)
    assert not is_found(definition, other)
    assert is_found(definition, "false", "x:missing")


def test_a_resource_without_it_misses_it() -> None:
    nobody = {"resourceType": "Patient", "id": "1"}
    assert is_found(defined("Patient.name.first().family"), "true", "x:missing", nobody)
    assert is_found(defined("Patient.name.count()", "number"), "0", "x", nobody)


def test_what_cannot_be_evaluated_has_no_rows() -> None:
    definition = defined("Patient.name.family.single()", target=["Organization"])
    assert is_found(definition, "true", "x:missing")


def test_a_reference_that_is_evaluated_is_followed() -> None:
    definition = defined(
        "Patient.contact.organization.where(reference.exists())", "reference", target=["Organization", "Nothing"]
    )
    parameters = Parameters([search_parameter_of(definition)])
    assert parameters.targets("Patient", "x") == ("Organization",)
    world = Resources([PATIENT, {"resourceType": "Organization", "id": "7", "name": "Necker"}], Extractor(parameters))
    plan = Planner(parameters, lambda _: ALWAYS).plan(parse("Patient", [("x.name", "necker")], parameters))
    assert [one.resource_id for one in world.subjects if match(plan.condition, one, world)] == ["1"]
    open_ended = Parameters([search_parameter_of({**definition, "target": []})])
    assert "Group" in open_ended.targets("Patient", "x")


@pytest.mark.spec("searchparameter.html")
def test_a_custom_composite_is_a_path() -> None:
    component = {"definition": "http://hl7.org/fhir/SearchParameter/individual-telecom", "expression": "$this"}
    with pytest.raises(Unprocessable, match="must be a path"):
        search_parameter_of(defined("Patient.telecom.where(rank > 0)", "composite", component=[component]))
    parts = [
        {"definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "expression": "code"},
        {
            "definition": "http://hl7.org/fhir/SearchParameter/Observation-value-quantity|4.0.1",
            "expression": "value.as(Quantity)",
        },
    ]
    definition = defined("Observation.component", "composite", base=["Observation"], component=parts)
    observation = {
        "resourceType": "Observation",
        "id": "1",
        "component": [{"code": {"coding": [{"code": "a"}]}, "valueQuantity": {"value": 5}}],
    }
    assert is_found(definition, "a$5", resource=observation)
    assert not is_found(definition, "b$5", resource=observation)


def test_types_to_index_again() -> None:
    assert types_with(search_parameter_of(defined("Patient.name.first().family"))) == ("Patient",)
    of_all = search_parameter_of(defined("Resource.meta.versionId.first()", base=["Resource"]))
    assert len(types_with(of_all)) > 140


@pytest.mark.parametrize(
    ("elements", "why"),
    [
        ({"code": "a:b"}, "SearchParameter.code: 'a:b' cannot be asked for"),
        ({"type": "special"}, "SearchParameter.type: 'special' is not offered: one of string, token"),
        ({"expression": ""}, "SearchParameter.expression: there is none"),
        ({"base": ["Patinet"]}, "SearchParameter.base: 'Patinet' is no resource type"),
        ({"expression": "Patient.name.firts()"}, "SearchParameter.expression: "),
        ({"expression": "Patient.nmae.first()"}, "SearchParameter.expression: "),
        ({"expression": "Patient.nmae"}, "SearchParameter.expression: "),
        ({"expression": "Patient.name.("}, "SearchParameter.expression: "),
    ],
)
def test_a_definition_that_cannot_work_is_refused(elements: Resource, why: str) -> None:
    with pytest.raises(Unprocessable, match=why):
        search_parameter_of(defined("Patient.name.family") | elements)
