"""HL7 v3 datatypes to FHIR datatypes, one by one."""

import re
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from mappings.cda import datatypes, dates, names, values
from mappings.cda.vocabulary import system_uri
from mappings.context import Context

DATE_TIME = re.compile(r"\d{4}(-\d\d(-\d\d(T\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))?)?)?")


def element(xml: str) -> etree._Element:
    namespaces = 'xmlns="urn:hl7-org:v3" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'
    text = "<section><text><content ID='a'>Mot <sub>1</sub></content></text></section>"
    root = etree.fromstring(f"<ClinicalDocument {namespaces}>{text}{xml}</ClinicalDocument>")
    return root[1]


def context_of(found: etree._Element) -> Context:
    return Context(found.getroottree().getroot(), "2.999", {"value": "x"}, lambda element, context: [])


@pytest.mark.parametrize(
    ("cda", "fhir"),
    [
        ("2024", "2024"),
        ("202403", "2024-03"),
        ("20240301", "2024-03-01"),
        ("20240301+0100", "2024-03-01"),
        ("2024030110", "2024-03-01"),
        ("202403011015+0100", "2024-03-01T10:15:00+01:00"),
        ("20240301101530-0500", "2024-03-01T10:15:30-05:00"),
        ("20240301101530.123+0100", "2024-03-01T10:15:30.123+01:00"),
        ("20240301101530Z", "2024-03-01T10:15:30Z"),
        ("202401011200", "2024-01-01T12:00:00+01:00"),
        ("202407011200", "2024-07-01T12:00:00+02:00"),
        ("20240301101530+010", "2024-03-01T10:15:30+01:00"),
        ("20241301", None),
        ("20240230", None),
        ("hier", None),
        ("", None),
    ],
)
def test_ts_to_date_time(cda: str, fhir: str | None) -> None:
    assert dates.ts_to_date_time(cda) == fhir


@given(st.text(alphabet="0123456789+-.Z", max_size=24))
def test_ts_gives_a_date_time_or_nothing(text: str) -> None:
    converted = dates.ts_to_date_time(text)
    assert converted is None or DATE_TIME.fullmatch(converted)


@given(st.datetimes(min_value=__import__("datetime").datetime(1900, 1, 1)))
def test_ts_keeps_every_digit(moment) -> None:  # type: ignore[no-untyped-def]
    written = moment.strftime("%Y%m%d%H%M%S") + "+0200"
    assert dates.ts_to_date_time(written) == moment.strftime("%Y-%m-%dT%H:%M:%S") + "+02:00"


def test_an_instant_is_whole() -> None:
    assert dates.ts_to_instant("20240301") == "2024-03-01T00:00:00+01:00"
    assert dates.ts_to_instant("202407") == "2024-07-01T00:00:00+02:00"
    assert dates.ts_to_instant("2024") == "2024-01-01T00:00:00+01:00"


@pytest.mark.parametrize(
    ("xml", "fhir"),
    [
        ('<id root="1.2.3" extension="A 1"/>', {"system": "urn:oid:1.2.3", "value": "A 1"}),
        ('<id root="1.2.3"/>', {"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.3"}),
        (
            '<id root="8E5D778C-E155-4685-95C6-5FF65A362964"/>',
            {"system": "urn:ietf:rfc:3986", "value": "urn:uuid:8e5d778c-e155-4685-95c6-5ff65a362964"},
        ),
        ('<id root="not an oid" extension="7"/>', {"value": "7"}),
        ('<id nullFlavor="UNK"/>', {}),
        (
            '<id root="1.2" extension="3" assigningAuthorityName="X"/>',
            {"system": "urn:oid:1.2", "value": "3", "assigner": {"display": "X"}},
        ),
    ],
)
def test_ii_to_identifier(xml: str, fhir: object) -> None:
    assert datatypes.ii_to_identifier(element(xml)) == fhir


def test_code_systems_become_well_known_uris() -> None:
    assert system_uri("2.16.840.1.113883.6.1") == "http://loinc.org"
    assert system_uri("2.16.840.1.113883.6.96") == "http://snomed.info/sct"
    assert system_uri("2.16.840.1.113883.6.3") == "http://hl7.org/fhir/sid/icd-10"
    assert system_uri("2.999.5") == "urn:oid:2.999.5"
    assert system_uri("LOINC") is None


def test_cd_keeps_translations_and_words() -> None:
    found = element(
        '<code code="1" codeSystem="2.16.840.1.113883.6.1" displayName=" un  deux ">'
        '<originalText><reference value="#a"/></originalText>'
        '<translation code="J07" codeSystem="2.16.840.1.113883.6.73"/></code>'
    )
    assert datatypes.cd_to_codeable_concept(found, context_of(found)) == {
        "coding": [
            {"system": "http://loinc.org", "code": "1", "display": "un deux"},
            {"system": "http://www.whocc.no/atc", "code": "J07"},
        ],
        "text": "Mot 1",
    }


def test_a_null_code_keeps_its_words_or_says_why() -> None:
    found = element('<code nullFlavor="OTH"><originalText>autre chose</originalText></code>')
    assert datatypes.required_concept(found, context_of(found)) == {"text": "autre chose"}
    found = element('<code nullFlavor="NASK"/>')
    assert datatypes.required_concept(found, context_of(found))["extension"][0]["valueCode"] == "not-asked"


def test_a_reference_to_nowhere_is_reported() -> None:
    found = element('<code code="1"><originalText><reference value="#missing"/></originalText></code>')
    context = context_of(found)
    assert datatypes.cd_to_codeable_concept(found, context) == {"coding": [{"code": "1"}]}
    assert [issue.code for issue in context.issues] == ["not-found"]


UCUM = {"system": "http://unitsofmeasure.org"}
TYPED = [
    (
        '<value xsi:type="PQ" value="1.00" unit="g/L"/>',
        {"valueQuantity": {"value": Decimal("1.00"), "unit": "g/L", **UCUM, "code": "g/L"}},
    ),
    ('<value xsi:type="PQ" value="3" unit="1"/>', {"valueQuantity": {"value": Decimal(3), **UCUM, "code": "1"}}),
    ('<value xsi:type="PQ" value="3"/>', {"valueQuantity": {"value": Decimal(3)}}),
    ('<value xsi:type="REAL" value="0.50"/>', {"valueQuantity": {"value": Decimal("0.50")}}),
    ('<value xsi:type="INT" value="7"/>', {"valueInteger": 7}),
    ('<value xsi:type="INT" value="99999999999"/>', {"valueQuantity": {"value": Decimal(99999999999)}}),
    ('<value xsi:type="ST">un <!-- -->mot</value>', {"valueString": "un mot"}),
    ('<value xsi:type="ED"><reference value="#a"/></value>', {"valueString": "Mot 1"}),
    ('<value xsi:type="BL" value="false"/>', {"valueBoolean": False}),
    ('<value xsi:type="TS" value="20240301"/>', {"valueDateTime": "2024-03-01"}),
    (
        '<value xsi:type="CD" code="a" codeSystem="2.999"/>',
        {"valueCodeableConcept": {"coding": [{"system": "urn:oid:2.999", "code": "a"}]}},
    ),
    (
        '<value xsi:type="IVL_PQ"><low value="1.0" inclusive="false"/></value>',
        {"valueQuantity": {"value": Decimal("1.0"), "comparator": ">"}},
    ),
    (
        '<value xsi:type="IVL_PQ"><high value="2" unit="g"/></value>',
        {"valueQuantity": {"value": Decimal(2), "comparator": "<=", "unit": "g", **UCUM, "code": "g"}},
    ),
    (
        '<value xsi:type="IVL_PQ"><low value="1"/><high value="2"/></value>',
        {"valueRange": {"low": {"value": Decimal(1)}, "high": {"value": Decimal(2)}}},
    ),
    (
        '<value xsi:type="IVL_TS"><low value="2024"/><high value="202502"/></value>',
        {"valuePeriod": {"start": "2024", "end": "2025-02"}},
    ),
    (
        '<value xsi:type="RTO"><numerator value="1"/><denominator value="128"/></value>',
        {"valueRatio": {"numerator": {"value": Decimal(1)}, "denominator": {"value": Decimal(128)}}},
    ),
]


@pytest.mark.parametrize(("xml", "fhir"), TYPED)
def test_observation_value(xml: str, fhir: object) -> None:
    found = element(xml)
    converted = values.observation_value([found], context_of(found))
    assert converted == fhir
    assert repr(converted) == repr(fhir)


def test_a_value_with_null_flavor_says_why() -> None:
    found = element('<value xsi:type="PQ" nullFlavor="MSK"/>')
    converted = values.observation_value([found], context_of(found))
    assert converted["dataAbsentReason"]["coding"][0]["code"] == "masked"


@pytest.mark.parametrize("literal", ["abc", "1e999999", "NaN", "Infinity", "1" * 90])
def test_what_is_no_number_is_reported(literal: str) -> None:
    found = element(f'<value xsi:type="PQ" value="{literal}" unit="g"/>')
    context = context_of(found)
    assert "valueQuantity" not in values.observation_value([found], context)
    assert context.issues


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9))
def test_a_decimal_keeps_its_digits(value: Decimal) -> None:
    found = element(f'<value xsi:type="REAL" value="{value}"/>')
    assert str(datatypes.number(str(value), found, context_of(found))) == str(value)


def test_address_and_telecom() -> None:
    found = element(
        "<addr use='H'><additionalLocator>Bât. A</additionalLocator><houseNumber>3</houseNumber>"
        "<streetName>rue Haute</streetName><postalCode>75001</postalCode><city>PARIS</city></addr>"
    )
    assert names.ad_to_address(found, context_of(found)) == {
        "use": "home",
        "line": ["Bât. A", "3 rue Haute"],
        "postalCode": "75001",
        "city": "PARIS",
    }
    found = element("<addr nullFlavor='NASK'/>")
    assert names.ad_to_address(found, context_of(found)) == {}
    found = element("<telecom value='mailto:279035121518989@patient.mssante.fr'/>")
    converted = names.tel_to_contact_point(found, context_of(found))
    assert converted["extension"][0]["valueCoding"]["code"] == "MSSANTE"
    found = element("<telecom value='tel:+33612345678' use='MC'/>")
    assert names.tel_to_contact_point(found, context_of(found)) == {
        "system": "phone",
        "value": "+33612345678",
        "use": "mobile",
    }
