"""Lines and columns: the same FHIRPath leads to its place in JSON and in XML."""

import json
from typing import Any

import pytest

from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.source_places import json_places, locate, xml_places

JSON = """{
  "resourceType": "Patient",
  "text": {"status": "generated", "div": "<div xmlns='http://www.w3.org/1999/xhtml'>{ [ \\" , </div>"},
  "contained": [
    {"resourceType": "Organization", "id": "o", "name": "O"}
  ],
  "name": [
    {"given": ["A", "B"], "family": "C"},
    { "family": "D" }
  ],
  "_birthDate": {"extension": [{"url": "u", "valueCode": "x"}]},
  "deceasedBoolean": false
}"""
XML = """<Patient xmlns="http://hl7.org/fhir">
  <text><status value="generated"/><div xmlns="http://www.w3.org/1999/xhtml">x</div></text>
  <contained>
    <Organization><id value="o"/><name value="O"/></Organization>
  </contained>
  <name>
    <family value="C"/><given value="A"/>
    <given value="B"/>
  </name>
  <name><family value="D"/></name>
  <birthDate>
    <extension url="u"><valueCode value="x"/></extension>
  </birthDate>
  <deceasedBoolean value="false"/>
</Patient>"""


@pytest.mark.spec("operationoutcome.html")
@pytest.mark.parametrize(
    ("expression", "in_json", "in_xml"),
    [
        ("Patient", (1, 1), (1, 1)),
        ("Patient.name[0].given[1]", (8, 21), (8, 5)),
        ("Patient.name[1].family", (9, 7), (10, 9)),
        ("Patient.name[1].use", (9, 5), (10, 3)),
        ("Patient.contained[0].name", (5, 49), (4, 34)),
        ("Patient.birthDate.extension[0].value", (11, 45), (12, 24)),
        ("Patient.deceased", (12, 3), (14, 3)),
        ("Patient.gender", (1, 1), (1, 1)),
        ("Patient.text.div", (3, 35), (2, 36)),
    ],
)
def test_a_path_leads_to_its_line(expression: str, in_json: tuple[int, int], in_xml: tuple[int, int]) -> None:
    assert locate(expression, fhir_json.parse(JSON.encode()), json_places(JSON)) == in_json
    assert locate(expression, fhir_xml.parse(XML.encode()), xml_places(XML.encode())) == in_xml


def test_a_resource_within_parameters_is_found_from_there() -> None:
    text = json.dumps({"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": {"id": "1"}}]})
    place = locate("Patient.id", {"id": "1"}, json_places(text), ("parameter", 0, "resource"))
    assert place == (1, text.index('"id"') + 1)


@pytest.mark.parametrize("value", [[], {}, [[]], [{}, {"a": [1, [2, 3], {"b": -1.5e3}]}], {"a": {}, "b": [None, True]}])
def test_every_item_of_any_json_has_its_place(value: Any) -> None:
    text = json.dumps({"value": value}, indent=1)
    places = json_places(text)

    def walk(node: Any, steps: tuple[str | int, ...]) -> None:
        line, column = places[steps]
        rest = text.splitlines()[line - 1][column - 1 :]
        expected = json.dumps(steps[-1]) if steps and isinstance(steps[-1], str) else json.dumps(node)[:1]
        assert rest.startswith(expected)
        pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, below in pairs:
            walk(below, (*steps, key))

    walk({"value": value}, ())
