"""The DocumentReference of a document, element by element (PDSm)."""

import base64
import hashlib
from pathlib import Path

import mappings
from tests.mappings import samples

GOLDEN = Path(__file__).parent / "golden"


def entry_of(name: str) -> tuple[bytes, mappings.Conversion, dict]:  # type: ignore[type-arg]
    content = (GOLDEN / name / "input.xml").read_bytes()
    conversion = mappings.convert(content)
    return content, conversion, mappings.document_reference(conversion)


def test_identity_status_and_subject() -> None:
    _, conversion, reference = entry_of("biology")
    assert reference["masterIdentifier"] == {"system": "urn:oid:2.999.10.1", "value": "v2"}
    assert reference["status"] == "current"
    assert reference["subject"]["reference"] == conversion.document.patient_full_url
    assert "docStatus" not in reference
    assert reference["contained"][0]["name"][0]["family"] == "LUNE"
    assert reference["context"]["sourcePatientInfo"] == {"reference": f"#{reference['contained'][0]['id']}"}


def test_attachment_describes_the_bytes_and_leaves_the_url() -> None:
    content, _, reference = entry_of("biology")
    attachment = reference["content"][0]["attachment"]
    assert attachment["size"] == len(content)
    assert base64.b64decode(attachment["hash"]) == hashlib.sha1(content).digest()
    assert attachment["contentType"] == "text/xml"
    assert (attachment["language"], attachment["creation"]) == ("fr-FR", "2024-06-12T11:30:00+02:00")
    assert "url" not in attachment
    assert "data" not in attachment


def test_class_format_and_context_are_derived() -> None:
    _, _, reference = entry_of("biology")
    assert reference["category"][0]["coding"][0]["code"] == "10"
    assert reference["content"][0]["format"]["code"] == "urn:ihe:lab:xd-lab:2008"
    context = reference["context"]
    assert context["facilityType"]["coding"][0]["code"] == "SA08"
    assert context["practiceSetting"]["coding"][0]["code"] == "AMBULATOIRE"
    assert context["period"] == {"start": "2024-06-12T08:00:00+02:00", "end": "2024-06-12T11:00:00+02:00"}


def test_a_pdf_without_structure_has_the_format_of_its_file() -> None:
    _, _, reference = entry_of("pdf")
    assert reference["content"][0]["format"]["code"] == "urn:ihe:iti:xds-sd:pdf:2008"


def test_a_version_replaces_the_one_before_by_identifier() -> None:
    _, conversion, reference = entry_of("problems")
    assert reference["relatesTo"][0]["code"] == "replaces"
    assert reference["relatesTo"][0]["target"]["identifier"] == {"system": "urn:oid:2.999.10.4", "value": "v1"}
    assert (conversion.document.set_id, conversion.document.version) == ("2.999.10.4", "2")


def test_people_are_those_of_the_bundle() -> None:
    _, conversion, reference = entry_of("vital_signs")
    full_urls = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in conversion.bundle["entry"]}
    assert full_urls[reference["author"][0]["reference"]] == "PractitionerRole"
    assert full_urls[reference["authenticator"]["reference"]] == "PractitionerRole"
    assert full_urls[reference["custodian"]["reference"]] == "Organization"
    assert reference["securityLabel"][0]["coding"][0]["code"] == "N"
    assert [full_urls[url] for url in conversion.document.practitioner_full_urls] == ["Practitioner"]


def test_a_patient_who_attests_is_no_authenticator() -> None:
    legal = (
        '<legalAuthenticator><time value="20240301"/><assignedEntity>'
        '<id root="1.2.250.1.213.1.4.10" extension="279035121518989"/></assignedEntity></legalAuthenticator>'
    )
    conversion = mappings.convert(samples.document(legal))
    attester = samples.resources(conversion, "Composition")[0]["attester"][0]
    assert attester["party"]["reference"] == conversion.document.patient_full_url
    assert "authenticator" not in mappings.document_reference(conversion)
