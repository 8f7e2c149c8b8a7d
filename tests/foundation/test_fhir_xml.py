import tarfile
from decimal import Decimal
from pathlib import Path

import pytest
from lxml import etree

from fhir_server.foundation import fhir_json, fhir_xml
from fhir_server.foundation.operation_outcome import Unparsable

EXAMPLES = Path(__file__).parents[2].parent / "shared/data/fhir-packages/hl7.fhir.r4.examples-4.0.1.tgz"
EVERY = 4
DIV = '<div xmlns="http://www.w3.org/1999/xhtml">'


def patient(inner, attributes=""):
    return f'<?xml version="1.0"?>\n<Patient xmlns="http://hl7.org/fhir"{attributes}>\n{inner}\n</Patient>'.encode()


@pytest.mark.spec("xml.html")
def test_a_resource_is_the_dict_that_json_gives():
    resource = {
        "resourceType": "Patient",
        "id": "1",
        "text": {"status": "generated", "div": f"{DIV}a &amp; b</div>"},
        "contained": [{"resourceType": "Organization", "id": "o", "name": 'A & "B" <c>\n\td'}],
        "extension": [{"id": "e", "url": "http://x", "valueDecimal": Decimal("1.00")}],
        "active": True,
        "name": [{"given": ["A", None, "C"], "_given": [None, {"extension": [{"url": "u", "valueInteger": 3}]}, None]}],
        "birthDate": "1980-01-01",
        "_birthDate": {"id": "b"},
        "managingOrganization": {"reference": "#o"},
    }
    content = fhir_xml.format(resource)
    assert b'<extension id="e" url="http://x"><valueDecimal value="1.00"/></extension>' in content
    assert fhir_xml.parse(content) == resource


@pytest.mark.spec("xml.html")
def test_elements_are_written_in_the_order_of_their_definition():
    content = fhir_xml.format({"birthDate": "1980", "name": [{"family": "x"}], "id": "1", "resourceType": "Patient"})
    assert [etree.QName(child).localname for child in etree.fromstring(content)] == ["id", "name", "birthDate"]


@pytest.mark.spec("json.html#primitive")
def test_values_that_are_all_absent_leave_extensions_only():
    content = patient('<name><given id="a"><extension url="u"><valueCode value="c"/></extension></given></name>')
    assert fhir_xml.parse(content)["name"] == [
        {"_given": [{"id": "a", "extension": [{"url": "u", "valueCode": "c"}]}]},
    ]


def test_comments_and_instructions_are_dropped():
    content = b"<!-- a --><?x y?>" + patient("<!-- b --><active value='true'/><?z?>").partition(b"?>")[2]
    assert fhir_xml.parse(content) == {"resourceType": "Patient", "active": True}


def test_a_schema_location_is_accepted():
    attributes = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="http://hl7.org/fhir p.xsd"'
    assert fhir_xml.parse(patient("", attributes)) == {"resourceType": "Patient"}


def test_values_that_are_none_stay_texts_for_validation_to_tell():
    content = patient('<active value="yes"/><multipleBirthInteger value="1.5"/>')
    assert fhir_xml.parse(content) == {"resourceType": "Patient", "active": "yes", "multipleBirthInteger": "1.5"}


ENTITIES = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'


@pytest.mark.spec("security.html#xml")
@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b" ", "empty"),
        (b"<Patient>", "no XML"),
        (ENTITIES + patient('<id value="&e;"/>'), "DTD"),
        ((ENTITIES.decode() + '<Patient xmlns="http://hl7.org/fhir"/>').encode("utf-16"), "UTF-8"),
        (patient('<id value="&e;"/>'), "no XML"),
        (b'<Patient xmlns="http://hl7.org/fhir"/>x', "no XML"),
        (b"<Patient/>", "Line 1: 'Patient' is no resource"),
        (b'<Pacient xmlns="http://hl7.org/fhir"/>', "no resource"),
        (patient("<colour value='red'/>"), "Line 3: 'colour' is no element of Patient"),
        (patient("<name><a:family xmlns:a='urn:a' value='x'/></name>"), "no element of HumanName"),
        (patient("<active>true</active>"), "'active' holds text"),
        (patient("<active value='true'/>x"), "'Patient' holds text"),
        (patient("<active/>"), "neither a value nor an extension"),
        (patient("<active value='true' url='x'/>"), "no attribute 'url'"),
        (patient("<active value='true'/><active value='false'/>"), "more than once"),
        (patient("", " id='1'"), "no attribute 'id'"),
        (patient("<contained/>"), "holds one resource"),
        (patient('<extension url="u">' * 70 + "</extension>" * 70), "too deep"),
        (patient('<extension url="u">' * 5000 + "</extension>" * 5000), "no XML|too deep"),
    ],
)
def test_what_is_no_fhir_xml_is_refused(content, sentence):
    with pytest.raises(Unparsable, match=sentence):
        fhir_xml.parse(content)


def test_a_large_binary_goes_to_xml_and_back():
    binary = {"resourceType": "Binary", "contentType": "a/b", "data": "QUJD" * 3_000_000}
    assert fhir_xml.parse(fhir_xml.format(binary)) == binary


@pytest.mark.spec("security.html#xml")
@pytest.mark.parametrize("name", [b"Patient", b"extension"])
def test_a_large_body_is_bounded_in_depth_still(name):
    deep = b"<%b>" % name * 300_000 + b"</%b>" % name * 300_000
    with pytest.raises(Unparsable):
        fhir_xml.parse(b'<Patient xmlns="http://hl7.org/fhir">%b</Patient>' % deep)


def canonical(node):
    """Return a resource whose narratives are in canonical XML: their literal spelling is XML's to choose."""
    if isinstance(node, dict):
        return {name: canonical_div(value) if name == "div" else canonical(value) for name, value in node.items()}
    return [canonical(item) for item in node] if isinstance(node, list) else node


def canonical_div(div):
    parser = etree.XMLParser(remove_comments=True, remove_pis=True)
    return etree.tostring(etree.fromstring(div, parser), method="c14n") if isinstance(div, str) else canonical(div)


@pytest.mark.slow
@pytest.mark.spec("xml.html")
@pytest.mark.skipif(not EXAMPLES.exists(), reason="the official examples package is not beside the repository")
def test_official_examples_go_to_xml_and_back():
    changed, number = [], 0
    with tarfile.open(EXAMPLES, "r|gz") as archive:
        for member in archive:
            if not member.name.endswith(".json") or member.name.endswith(("/package.json", "/.index.json")):
                continue
            number += 1
            if number % EVERY == 0:
                resource = fhir_json.parse(archive.extractfile(member).read())
                if canonical(fhir_xml.parse(fhir_xml.format(resource))) != canonical(resource):
                    changed.append(member.name)
    assert number > 5000
    assert changed == []


@pytest.mark.spec("operationoutcome.html")
def test_what_is_refused_has_its_place():
    with pytest.raises(Unparsable) as refused:
        fhir_xml.parse(patient("<name/>\n<name>\n<colour value='red'/></name>"))
    (issue,) = refused.value.issues
    assert (issue.line, issue.expression) == (5, ("Patient.name[1].colour",))
    with pytest.raises(Unparsable, match="holds text") as deep:
        fhir_xml.parse(b"""<a xmlns="http://hl7.org/fhir">""" + b"<a>" * 200 + b"x" + b"</a>" * 201)
    assert deep.value.issues[0].expression == ()
