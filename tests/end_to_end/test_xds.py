"""The DMP's SOAP transactions against a real process, with zeep, a SOAP client that others wrote.

The steps depend on one another and run in order.
Spec: https://profiles.ihe.net/ITI/TF/Volume2 (ITI-18, ITI-41, ITI-43, ITI-57)
"""

import base64
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.signer import XMLSigner
from zeep import Client, Settings

from mappings.xds.stored_query import FIND_DOCUMENTS
from mappings.xds.vocabulary import APPROVED
from tests.end_to_end.conftest import Demo
from tests.end_to_end.people import person_token
from tests.xds.messages import PATIENT_ID, PDF, Document, objects_xml, provide_xml, query_xml, retrieve_xml
from tests.xds.test_vihf import assertion_xml

SECURITY = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
UNIQUE_ID = "1.2.250.1.999.42.77"
UUID = "urn:uuid:7d3b1d5e-94e5-4d4f-9f40-6f62d57a4d77"
DR_MARTIN = "899700000018"
DR_DURAND = "899700000026"
STRUCTURE = "1750000026"


class Vihf:
    """Signs a fresh assertion into each message, as zeep asks of a `wsse` object."""

    def __init__(self, seal: Path, subject: str) -> None:
        self._pem = seal.read_bytes()
        self._subject = subject

    def apply(self, envelope: etree._Element, headers: dict[str, str]) -> tuple[etree._Element, dict[str, str]]:
        issued = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        element = etree.fromstring(assertion_xml(issued=issued, subject=self._subject, structure=STRUCTURE))
        signer = XMLSigner(
            signature_algorithm=SignatureMethod.RSA_SHA256, c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"
        )
        certificate = self._pem[self._pem.index(b"-----BEGIN CERTIFICATE") :].decode()
        signed = signer.sign(element, key=self._pem, cert=certificate, reference_uri="_a1", id_attribute="ID")
        header = envelope.find("{http://www.w3.org/2003/05/soap-envelope}Header")
        assert header is not None
        etree.SubElement(header, SECURITY).append(signed)
        return envelope, headers

    def verify(self, envelope: etree._Element) -> etree._Element:
        return envelope


def software(demo: Demo, name: str, subject: str = DR_MARTIN) -> Client:
    settings = Settings(strict=False, raw_response=False)
    return Client(f"{demo.guide['xds']}/{name}?wsdl", wsse=Vihf(Path(demo.guide["seal"]), subject), settings=settings)


def parts(xml: str) -> list[etree._Element]:
    return list(etree.fromstring(xml))


def find(demo: Demo, subject: str = DR_MARTIN) -> Any:
    query = query_xml(
        FIND_DOCUMENTS, XDSDocumentEntryPatientId=f"'{PATIENT_ID}'", XDSDocumentEntryStatus=f"('{APPROVED}')"
    )
    return software(demo, "registry", subject).service.RegistryStoredQuery(_value_1=parts(query))


def unique_ids(answer: Any) -> list[str]:
    listed = next(one for one in answer._value_1 if one.tag.endswith("RegistryObjectList"))
    wanted = "urn:uuid:2e82c1f6-a085-4c72-9da3-8640a32e42ab"
    return [
        one.get("value") for one in listed.iter("{*}ExternalIdentifier") if one.get("identificationScheme") == wanted
    ]


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-41.html")
def test_establishment_software_pushes_a_document(demo: Demo) -> None:
    inside = f'<xds:Document id="{UUID}">{base64.b64encode(PDF).decode()}</xds:Document>'
    request = provide_xml(Document(UNIQUE_ID, entry_id=UUID), set_id="1.2.250.1.999.43.77", inside=inside)
    repository = software(demo, "repository")
    answer = repository.service["ProvideAndRegisterDocumentSet-b"](_value_1=parts(request))
    assert answer._attr_1["status"].endswith("Success"), answer


def test_the_doctor_finds_it_over_soap_and_over_fhir(demo: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    assert UNIQUE_ID in unique_ids(find(demo))
    token = person_token(demo, "dr.martin", "user/*.rs", monkeypatch)["access_token"]
    query = f"DocumentReference?identifier=urn:ietf:rfc:3986|urn:oid:{UNIQUE_ID}"
    bundle = httpx.get(f"{demo.base}/{query}", headers={"Authorization": f"Bearer {token}"}).json()
    assert [entry["resource"]["content"][0]["attachment"]["contentType"] for entry in bundle["entry"]] == [
        "application/pdf"
    ]


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-43.html")
def test_the_doctor_retrieves_the_bytes(demo: Demo) -> None:
    repository = software(demo, "repository")
    with repository.settings(raw_response=True):
        request = retrieve_xml(UNIQUE_ID, repository=demo.guide["xds_repository"])
        response = repository.service.RetrieveDocumentSet(_value_1=parts(request))
    assert response.headers["Content-Type"].startswith("multipart/related")
    assert PDF in response.content


def test_a_stranger_finds_nothing(demo: Demo) -> None:
    assert unique_ids(find(demo, DR_DURAND)) == []


@pytest.mark.spec("https://profiles.ihe.net/ITI/TF/Volume2/ITI-57.html")
def test_its_author_masks_it(demo: Demo) -> None:
    entry = Document(UNIQUE_ID, entry_id="Update01", logical_id=UUID, labels=("N", "MASQUE_PS"))
    previous = '<rim:Slot name="PreviousVersion"><rim:ValueList><rim:Value>1</rim:Value></rim:ValueList></rim:Slot>'
    objects = objects_xml(entry, set_id="1.2.250.1.999.43.78")
    objects = objects.replace('targetObject="Update01">', f'targetObject="Update01">{previous}')
    answer = software(demo, "registry").service.UpdateDocumentSet(_value_1=parts(objects))
    assert answer._attr_1["status"].endswith("Success"), answer
    assert UNIQUE_ID in unique_ids(find(demo))
