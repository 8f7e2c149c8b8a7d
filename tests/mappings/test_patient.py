"""The patient: INS identifiers and their key, names, birth place, contacts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mappings
from mappings.header.ins import nir_key
from tests.mappings import samples


def patient_of(role: str) -> dict:  # type: ignore[type-arg]
    content = samples.document(patient=f"<recordTarget><patientRole>{role}</patientRole></recordTarget>")
    return dict(samples.resources(mappings.convert(content), "Patient")[0])


def with_id(root: str, extension: str = "279035121518989") -> str:
    return f'<id root="{root}" extension="{extension}"/><patient><name><family>A</family></name></patient>'


@pytest.mark.parametrize(
    ("last", "use", "code"),
    [
        ("8", "official", "INS-NIR"),
        ("9", "official", "INS-NIA"),
        ("10", "official", "INS-NIR-TEST"),
        ("11", "official", "INS-NIR-DEMO"),
        ("13", "official", "NH"),
        ("14", "official", "NH"),
        ("2", "secondary", "INS-C"),
        ("99", "usual", "PI"),
    ],
)
def test_identifiers_by_root(last: str, use: str, code: str) -> None:
    identifier = patient_of(with_id(f"1.2.250.1.213.1.4.{last}"))["identifier"][0]
    assert (identifier["use"], identifier["type"]["coding"][0]["code"]) == (use, code)
    assert identifier["system"] == f"urn:oid:1.2.250.1.213.1.4.{last}"


@pytest.mark.parametrize(
    ("digits", "key"), [("2790351215189", 89), ("2770763220829", 10), ("255082A004001", 44), ("255082B004001", 71)]
)
def test_nir_key(digits: str, key: int) -> None:
    number = int(digits.replace("2A", "19").replace("2B", "18"))
    assert nir_key(digits) == 97 - number % 97
    if digits.isdigit():
        assert nir_key(digits) == key


@given(st.integers(10**12, 3 * 10**12 - 1))
def test_every_number_has_a_key_of_two_digits(number: int) -> None:
    assert 1 <= nir_key(str(number)) <= 97


def test_a_wrong_key_is_a_warning_that_tells_the_right_one() -> None:
    content = samples.document(patient=samples.PATIENT.replace("279035121518989", "279035121518988"))
    conversion = mappings.convert(content)
    warnings = [issue for issue in conversion.issues if "key" in issue.diagnostics]
    assert [warning.severity for warning in warnings] == ["warning"]
    assert "should be 89" in warnings[0].diagnostics
    assert warnings[0].location == "/ClinicalDocument/recordTarget/patientRole/id"
    assert not [issue for issue in mappings.convert(samples.document()).issues if "key" in issue.diagnostics]


def test_birth_name_and_name_in_use() -> None:
    names = patient_of(
        '<id root="2.999" extension="1"/><patient><name><family qualifier="BR">NAISSANCE</family>'
        '<given>MARIE ANNE</given><given qualifier="BR">MARIE</given>'
        '<family qualifier="CL">USAGE</family><given qualifier="CL">ANNE</given></name></patient>'
    )["name"]
    assert names == [
        {
            "extension": [
                {
                    "url": "https://hl7.fr/ig/fhir/core/StructureDefinition/fr-core-patient-birth-list-given-name",
                    "valueString": "MARIE ANNE",
                }
            ],
            "use": "official",
            "family": "NAISSANCE",
            "given": ["MARIE"],
        },
        {"use": "usual", "family": "USAGE", "given": ["ANNE"]},
    ]


def test_a_name_without_qualifier_is_official() -> None:
    names = patient_of(
        '<id root="2.999" extension="1"/><patient><name><family>A</family><given>B</given></name></patient>'
    )
    assert names["name"] == [{"use": "official", "family": "A", "given": ["B"]}]


def test_birth_place_death_and_siblings() -> None:
    patient = patient_of(
        '<id root="2.999" extension="1"/><patient xmlns:sdtc="urn:hl7-org:sdtc"><name><family>A</family></name>'
        '<administrativeGenderCode code="M"/><birthTime value="19500102"/>'
        '<sdtc:deceasedInd value="true"/><sdtc:deceasedTime value="20240101"/>'
        '<sdtc:multipleBirthInd value="true"/><sdtc:multipleBirthOrderNumber value="2"/>'
        "<birthplace><place><addr><county>2A004</county><city>AJACCIO</city></addr></place></birthplace></patient>"
    )
    assert patient["deceasedDateTime"] == "2024-01-01"
    assert patient["multipleBirthInteger"] == 2
    assert (patient["gender"], patient["birthDate"]) == ("male", "1950-01-02")
    place = patient["extension"][0]["valueAddress"]
    assert place["city"] == "AJACCIO"
    assert place["extension"][0]["valueCoding"]["code"] == "2A004"


def test_guardian_and_trusted_person_are_contacts() -> None:
    informant = (
        '<informant><relatedEntity classCode="NOK"><code code="SIS" codeSystem="2.16.840.1.113883.5.111"/>'
        "<telecom value='tel:01'/><relatedPerson><name><family>S</family></name></relatedPerson></relatedEntity>"
        "</informant>"
    )
    role = samples.PATIENT.replace(
        "</patient>", "<guardian><guardianPerson><name><family>G</family></name></guardianPerson></guardian></patient>"
    )
    conversion = mappings.convert(samples.document(informant * 2, patient=role))
    contacts = samples.resources(conversion, "Patient")[0]["contact"]
    assert [contact["name"]["family"] for contact in contacts] == ["G", "S"]
    assert contacts[0]["relationship"][0]["coding"][0]["code"] == "GUARD"
    assert len(samples.resources(conversion, "RelatedPerson")) == 1
