"""FHIR datatypes to what CDA can hold: the CDA schema takes no code with a space and no empty attribute."""

from lxml import etree

from mappings.clinical_document.datatypes import coding_to_ce

HL7 = "{urn:hl7-org:v3}"


def test_a_code_with_a_space_is_told_by_its_words() -> None:
    made = coding_to_ce("code", {"system": "urn:oid:2.999.1", "code": "a b", "display": "Deux mots"})
    assert dict(made.attrib) == {"nullFlavor": "OTH"}
    assert made.findtext(f"{HL7}originalText") == "Deux mots"
    assert coding_to_ce("code", {"code": "a b"}).findtext(f"{HL7}originalText") == "a b"


def test_what_is_absent_makes_no_empty_attribute() -> None:
    made = coding_to_ce("code", {"code": "A", "display": "\x0b"})
    assert etree.tostring(made).count(b'=""') == 0
    assert dict(made.attrib) == {"code": "A"}
