"""Spec: RFC 5261, http.html#patch."""

from typing import Any

import pytest

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly, Unprocessable
from fhir_server.interactions.patching.change import Inapplicable
from fhir_server.interactions.patching.xml_patch import xml_patch


def change(*operations: str) -> Any:
    patient = {
        "resourceType": "Patient",
        "birthDate": "1970-01-01",
        "name": [{"use": "official", "given": ["A", "B"]}, {"use": "usual", "text": "C"}],
    }
    return xml_patch(diff(*operations))(patient)


def diff(*operations: str) -> bytes:
    return f'<diff xmlns="http://hl7.org/fhir" xmlns:f="http://hl7.org/fhir">{"".join(operations)}</diff>'.encode()


def test_elements_and_attributes_are_added_replaced_and_removed() -> None:
    made = change(
        '<add sel="f:Patient/f:name[1]"><family value="X"/></add>',
        '<replace sel="/Patient/birthDate/@value">1980-02-02</replace>',
        '<replace sel="Patient/name[use/@value=\'usual\']/text"><text value="D"/></replace>',
        '<remove sel="Patient/name[1]/given[1]"/>',
        '<add sel="Patient/name[1]/given" pos="before"><given value="Z"/></add>',
        '<add sel="Patient" pos="prepend"><id value="p"/></add>',
        '<add sel="Patient/name[2]" type="@id">n2</add>',
    )
    assert made == {
        "resourceType": "Patient",
        "id": "p",
        "birthDate": "1980-02-02",
        "name": [
            {"use": "official", "given": ["Z", "B"], "family": "X"},
            {"use": "usual", "text": "D", "id": "n2"},
        ],
    }


def test_a_name_without_a_prefix_is_fhirs_unless_the_patch_says_otherwise() -> None:
    assert "birthDate" not in xml_patch(b"<diff><remove sel='/Patient/birthDate'/></diff>")(
        {"resourceType": "Patient", "birthDate": "1970-01-01"}
    )
    with pytest.raises(Inapplicable):
        xml_patch(b"<diff xmlns='urn:x'><remove sel='Patient'/></diff>")({"resourceType": "Patient"})


@pytest.mark.parametrize(
    "body",
    [
        b"<diff>",
        b"",
        b'<!DOCTYPE d [<!ENTITY x "y">]><diff/>',
        b"<patch/>",
        diff("<paint sel='Patient'/>"),
        diff("<remove/>"),
        diff("<remove sel='//name'/>"),
        diff("<remove sel='Patient/name[last()]'/>"),
        diff("<remove sel='Patient/name[given=\"x\" or 1]'/>"),
        diff("<remove sel='x:Patient/x:name'/>"),
        diff("<add sel='Patient/@id'/>"),
        diff("<add sel='Patient' pos='beside'><a/></add>"),
        diff("<add sel='Patient' type='namespace::x'>urn:x</add>"),
        diff("<replace sel='Patient/name'/>"),
        diff("<remove sel='" + "a/" * 70 + "a'/>"),
    ],
)
def test_what_is_no_patch_is_400(body: bytes) -> None:
    with pytest.raises(BadRequest):
        xml_patch(body)


@pytest.mark.parametrize(
    "operation",
    [
        "<remove sel='Patient/gender'/>",
        "<remove sel='Patient/name/given'/>",
        "<remove sel='Patient/birthDate/@id'/>",
        "<remove sel='Patient'/>",
        "<replace sel='Patient'><Group/></replace>",
        "<add sel='Patient' pos='after'><id value='x'/></add>",
        "<add sel='Patient/birthDate' type='@value'>x</add>",
        "<remove sel='Observation/name[1]'/>",
    ],
)
def test_what_does_not_fit_is_409(operation: str) -> None:
    with pytest.raises(Inapplicable):
        change(operation)


def test_what_is_no_resource_any_more_is_422() -> None:
    with pytest.raises(Unprocessable):
        change("<add sel='Patient'><unknown value='1'/></add>")


def test_all_selectors_of_a_patch_share_one_bound() -> None:
    many = {"resourceType": "Patient", "name": [{"text": "x"}] * 1_000}
    step = '<replace sel="Patient/name[1000]/text/@value">y</replace>'
    assert xml_patch(diff(step))(many)["name"][999] == {"text": "y"}
    with pytest.raises(TooCostly):
        xml_patch(diff(*([step] * 201)))(many)
