"""Nodes know their type and the way back; primitives keep their ids and extensions."""

from decimal import Decimal
from typing import Any

import pytest

from fhir_server import fhirpath
from fhir_server.fhirpath import Node
from fhir_server.fhirpath.node import of_type
from fhir_server.fhirpath.values.quantity import Quantity

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "p",
    "birthDate": "1974-12-25",
    "_birthDate": {"id": "b", "extension": [{"url": "time", "valueDateTime": "1974-12-25T14:35:45-05:00"}]},
    "_gender": {"extension": [{"url": "why", "valueCode": "unknown"}]},
    "name": [{"given": [None, "Ann"], "_given": [{"extension": [{"url": "absent", "valueBoolean": True}]}, None]}],
    "multipleBirthInteger": 2,
    "contained": [{"resourceType": "Organization", "id": "o", "name": "Org"}],
    "managingOrganization": {"reference": "#o"},
}


def only(text: str, resource: Any = PATIENT) -> Any:
    (item,) = fhirpath.evaluate(text, resource)
    return item


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("Patient", "Patient"),
        ("name.given.last()", "Patient.name[0].given[1]"),
        ("multipleBirth", "Patient.multipleBirthInteger"),
        ("contained.name", "Patient.contained[0].name"),
        ("birthDate.extension.value", "Patient.birthDate.extension[0].valueDateTime"),
        ("descendants().where($this is Organization)", "Patient.contained[0]"),
        ("managingOrganization.resolve()", "Patient.contained[0]"),
    ],
)
def test_a_node_tells_where_it_stands(text: str, path: str) -> None:
    assert fhirpath.path(only(text)) == path


def test_a_node_can_be_found_again_from_its_parent() -> None:
    for text in ("name", "name.given", "contained.name", "multipleBirth"):
        for node in fhirpath.evaluate(text, PATIENT):
            place = node.parent.value.get(node.key)
            assert (place if node.index < 0 else place[node.index]) == node.value


def test_a_primitive_without_value_is_there_and_has_extensions() -> None:
    assert only("gender.exists()") is True
    assert only("gender.hasValue()") is False
    assert fhirpath.evaluate("gender.getValue()", PATIENT) == []
    assert only("gender.extension('why').value").value == "unknown"
    assert [node.value for node in fhirpath.evaluate("name.given", PATIENT)] == [None, "Ann"]
    assert only("name.given.select(hasValue()).first()") is False
    assert only("birthDate.id").value == "b"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("multipleBirth is integer", True),
        ("multipleBirth is Integer", False),
        ("multipleBirth.type().name", "integer"),
        ("id is System.String", True),
        ("Patient is DomainResource", True),
        ("name.first() is Element", True),
        ("gender is code", True),
        ("gender is string", True),
        ("gender.as(string).exists()", False),
        ("contained.first() is Organization", True),
        ("%resource.id = 'p'", True),
        ("contained.where(%resource.id = 'p').exists()", True),
    ],
)
def test_types_are_those_of_fhir(text: str, wanted: Any) -> None:
    assert fhirpath.system(only(text)) == wanted


def test_the_resource_around_a_node() -> None:
    organization = only("contained")
    assert fhirpath.evaluate("%resource.name", organization)[0].value == "Org"
    assert fhirpath.evaluate("%rootResource.id", organization)[0].value == "p"
    assert fhirpath.evaluate("%context.name", organization)[0].value == "Org"


def test_a_part_of_a_resource_can_be_the_start() -> None:
    contact = of_type({"name": {"family": "A"}}, "Patient.contact")
    assert fhirpath.evaluate("name.family", contact)[0].value == "A"
    assert fhirpath.evaluate("$this is BackboneElement", contact) == [True]
    assert fhirpath.evaluate("family", of_type({"family": "B"}, "Patient.contact.name"))[0].value == "B"
    assert fhirpath.evaluate("anything.b", of_type({"anything": [{"b": 1}]}, "No.thing"))[0].value == 1


def test_quantities_become_system_ones() -> None:
    def value(**members: Any) -> Any:
        return fhirpath.system(Node(members, only("value", observation).type))

    observation = {"resourceType": "Observation", "valueQuantity": {"value": 1}}
    ucum = "http://unitsofmeasure.org"
    assert value(value=3, system=ucum, code="mg") == Quantity(Decimal(3), "mg")
    assert value(value=3, system=ucum, code="a") == Quantity(Decimal(3), "year", is_calendar=True)
    assert value(value=3, system="http://other", code="tab") == Quantity(Decimal(3), "http://other|tab")
    assert isinstance(value(value=3, system=ucum, code="mg", comparator="<"), Node)
    assert isinstance(value(unit="mg"), Node)


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Foo.bar", "a": 1}, {"resourceType": []}, {"name": "x"}])
def test_any_json_object_can_be_asked(resource: dict[str, Any]) -> None:
    assert fhirpath.evaluate("name.given.where($this.id = 1) | descendants().nothing", resource) == []


def test_json_that_does_not_fit_its_type_is_no_crash() -> None:
    wrong = {"resourceType": "Patient", "name": "x", "contact": {"name": [3]}, "birthDate": 5, "contained": ["x"]}
    assert fhirpath.evaluate("name.given | contact.name.family | contained.id", wrong) == []
    assert fhirpath.evaluate("birthDate > @2000", wrong | {"birthDate": "2001"}) == [True]
    assert fhirpath.evaluate("descendants().count() > 2", wrong) == [True]
