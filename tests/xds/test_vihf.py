"""Assertions: whose signature holds, what they grant, and every way in which they do not.

Source: VIHF 4.0; https://docs.oasis-open.org/security/saml/v2.0/, https://www.w3.org/TR/xmldsig-core1/
"""

from datetime import timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import SignatureMethod
from signxml.signer import XMLSigner

from fhir_server.app import audiences_of
from fhir_server.asgi.soap import GrantOfAssertion
from fhir_server.directory import outside_of, patient_id_of
from fhir_server.foundation.operation_outcome import Unauthenticated
from fhir_server.interactions.request import Runtime
from fhir_server.settings import Settings
from fhir_server.smart.launch.emergencies import emergencies
from fhir_server.smart.vihf import Assertions, Issuers, Surroundings
from fhir_server.smart.vihf.issuers import issuer_of
from mappings.xds import stored_query
from mappings.xds.vocabulary import APPROVED
from tests.xds.conftest import NOW, QUERY, Xds, status_of
from tests.xds.messages import INS, INS_OID, PATIENT_ID, Document, envelope, provide_xml, query_xml

pytestmark = pytest.mark.anyio

STRUCTURE = "1750100125"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
OTHER_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate_of(key: rsa.RSAPrivateKey, days: int = 365) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Laboratoire Horizon, cachet")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    start = NOW - timedelta(days=366)
    return builder.not_valid_before(start).not_valid_after(NOW + timedelta(days=days)).sign(key, SHA256())


CERTIFICATE = certificate_of(KEY)
FACTS: dict[str, Any] = {
    "id": "_a1",
    "issued": "2026-11-03T09:59:00Z",
    "conditions": "",
    "subject": "899700000001",
    "structure": STRUCTURE,
    "version": "4.0",
    "patient": f"{INS}^^^&amp;{INS_OID}&amp;ISO^NH",
    "role": "10",
    "purpose": "normal",
    "secret": "",
}
AUDIENCE = "http://fhir.example.fr/xds/repository"


def assertion_xml(**changes: str) -> str:
    facts = FACTS | changes
    secret = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"
    texts = {
        "VIHF_Version": facts["version"],
        "Identifiant_Structure": facts["structure"],
        "LPS_Nom": "Logiciel",
        "urn:oasis:names:tc:xspa:1.0:subject:subject-id": "MARTIN Claire",
        "urn:oasis:names:tc:xacml:2.0:resource:resource-id": facts["patient"],
        secret: facts["secret"],
    }
    codes = {
        "urn:oasis:names:tc:xacml:2.0:subject:role": ("Role", facts["role"], "1.2.250.1.71.1.2.7"),
        "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse": (
            "PurposeForUse",
            facts["purpose"],
            "1.2.250.1.213.1.1.4.248",
        ),
    }
    attributes = "".join(
        f'<Attribute Name="{name}"><AttributeValue>{text}</AttributeValue></Attribute>'
        for name, text in texts.items()
        if text
    ) + "".join(
        f'<Attribute Name="{name}"><AttributeValue><{tag} xmlns="urn:hl7-org:v3" code="{code}" codeSystem="{system}"/>'
        "</AttributeValue></Attribute>"
        for name, (tag, code, system) in codes.items()
    )
    return (
        f'<Assertion xmlns="urn:oasis:names:tc:SAML:2.0:assertion" ID="{facts["id"]}" Version="2.0" '
        f'IssueInstant="{facts["issued"]}"><Issuer>CN=Horizon</Issuer><Subject><NameID>{facts["subject"]}</NameID>'
        f"</Subject>{facts['conditions']}<AttributeStatement>{attributes}</AttributeStatement></Assertion>"
    )


def signed(xml: str, key: rsa.RSAPrivateKey = KEY, certificate: x509.Certificate = CERTIFICATE) -> etree._Element:
    element = etree.fromstring(xml)
    signer = XMLSigner(
        signature_algorithm=SignatureMethod.RSA_SHA256, c14n_algorithm="http://www.w3.org/2001/10/xml-exc-c14n#"
    )
    pem = certificate.public_bytes(Encoding.PEM).decode()
    made = signer.sign(element, key=key, cert=pem, reference_uri=element.get("ID"), id_attribute="ID")
    return etree.fromstring(etree.tostring(made))


@pytest.fixture
async def grant_of(runtime: Runtime) -> GrantOfAssertion:
    await Issuers(runtime.store, runtime.now).trust(issuer_of(CERTIFICATE, STRUCTURE))
    audiences = frozenset((AUDIENCE,))
    surroundings = Surroundings(runtime.store, outside_of(runtime), patient_id_of(runtime), runtime.now, audiences)
    return Assertions(surroundings).grant


@pytest.mark.usefixtures("xds")
async def test_a_signed_assertion_says_who_calls(grant_of: GrantOfAssertion) -> None:
    grant = await grant_of(signed(assertion_xml()))
    assert (grant.kind, grant.actor, grant.organizations) == (
        "professional",
        "Practitioner/dr-martin",
        ("Organization/horizon",),
    )
    assert (grant.profession, grant.patient_id, grant.purpose_of_use) == ("10", "dominique", "normal")
    assert not grant.is_secret
    secret = await grant_of(signed(assertion_xml(secret="INVISIBLE_REPRESENTANTS_LEGAUX")))
    assert secret.is_secret


def wrapped(element: etree._Element) -> etree._Element:
    """Return another assertion that carries the signed one inside its own signature's object."""
    forged = etree.fromstring(assertion_xml(subject="899700000999"))
    signature = element.find("{http://www.w3.org/2000/09/xmldsig#}Signature")
    assert signature is not None
    element.remove(signature)
    etree.SubElement(signature, "{http://www.w3.org/2000/09/xmldsig#}Object").append(element)
    forged.append(signature)
    return forged


def altered(element: etree._Element) -> etree._Element:
    return etree.fromstring(etree.tostring(element).replace(b"899700000001", b"899700000002"))


def unsigned() -> etree._Element:
    return etree.fromstring(assertion_xml())


def audience(text: str) -> str:
    restriction = f"<AudienceRestriction><Audience>{text}</Audience></AudienceRestriction>"
    return f"<Conditions>{restriction}</Conditions>"


@pytest.mark.usefixtures("xds")
async def test_an_assertion_for_this_server_holds(grant_of: GrantOfAssertion) -> None:
    assert (await grant_of(signed(assertion_xml(conditions=audience(f"{AUDIENCE}/"))))).actor


def test_a_server_has_its_addresses_its_oid_and_the_names_of_the_settings() -> None:
    settings = Settings(xds_repository="1.2.3", xds_audiences=("https://dmp.example/",))
    assert audiences_of(settings, "https://fhir.example") == {
        "https://fhir.example",
        "https://fhir.example/xds/registry",
        "https://fhir.example/xds/repository",
        "https://dmp.example",
        "urn:oid:1.2.3",
    }


EXPIRED = '<Conditions NotOnOrAfter="2026-11-03T09:50:00Z"/>'
EARLY = '<Conditions NotBefore="2026-11-03T10:30:00Z"/>'
REFUSED: dict[str, Any] = {
    "none": lambda: None,
    "not signed": unsigned,
    "altered": lambda: altered(signed(assertion_xml())),
    "wrapped": lambda: wrapped(signed(assertion_xml())),
    "another key": lambda: signed(assertion_xml(), OTHER_KEY, certificate_of(OTHER_KEY)),
    "another key, our certificate": lambda: signed(assertion_xml(), OTHER_KEY, CERTIFICATE),
    "too old": lambda: signed(assertion_xml(issued="2026-11-03T08:00:00Z")),
    "in the future": lambda: signed(assertion_xml(issued="2026-11-03T11:00:00Z")),
    "no time": lambda: signed(assertion_xml(issued="hier")),
    "expired": lambda: signed(assertion_xml(conditions=EXPIRED)),
    "not yet": lambda: signed(assertion_xml(conditions=EARLY)),
    "for another server": lambda: signed(assertion_xml(conditions=audience("https://dmp.example"))),
    "for nobody": lambda: signed(assertion_xml(conditions="<Conditions><AudienceRestriction/></Conditions>")),
    "an end that is no instant": lambda: signed(assertion_xml(conditions='<Conditions NotOnOrAfter="demain"/>')),
    "another structure": lambda: signed(assertion_xml(structure="1999999999")),
    "another version": lambda: signed(assertion_xml(version="1.0")),
    "unknown professional": lambda: signed(assertion_xml(subject="899700000404")),
    "nobody": lambda: signed(assertion_xml(subject="")),
    "unknown patient": lambda: signed(assertion_xml(patient=f"279035121518900^^^&amp;{INS_OID}&amp;ISO^NH")),
    "unknown purpose": lambda: signed(assertion_xml(purpose="curiosity")),
    "break-glass without a patient": lambda: signed(assertion_xml(purpose="bris_de_glace", patient="")),
}


@pytest.mark.usefixtures("xds")
@pytest.mark.parametrize("name", REFUSED)
async def test_an_assertion_that_does_not_hold_grants_nothing(grant_of: GrantOfAssertion, name: str) -> None:
    with pytest.raises(Unauthenticated):
        await grant_of(REFUSED[name]())


@pytest.mark.usefixtures("xds")
async def test_an_issuer_that_is_withdrawn_or_expired_signs_nothing(
    grant_of: GrantOfAssertion, runtime: Runtime
) -> None:
    issuers = Issuers(runtime.store, runtime.now)
    assert await issuers.withdraw(issuer_of(CERTIFICATE, STRUCTURE).fingerprint)
    with pytest.raises(Unauthenticated):
        await grant_of(signed(assertion_xml()))
    past = certificate_of(OTHER_KEY, days=-1)
    await issuers.trust(issuer_of(past, STRUCTURE))
    with pytest.raises(Unauthenticated):
        await grant_of(signed(assertion_xml(), OTHER_KEY, past))


@pytest.mark.usefixtures("xds")
async def test_an_emergency_is_kept_and_told_once(grant_of: GrantOfAssertion, runtime: Runtime) -> None:
    for _ in range(2):
        grant = await grant_of(signed(assertion_xml(purpose="bris_de_glace")))
    assert grant.purpose_of_use == "bris_de_glace"
    assert [one.actor for one in await emergencies(runtime.store)] == ["Practitioner/dr-martin"]


async def test_a_professional_without_relation_feeds_and_does_not_read(xds: Xds) -> None:
    said = etree.tostring(signed(assertion_xml())).decode()
    document = Document("1.2.250.1.999.42.1")
    message = envelope(
        provide_xml(document, set_id="1.2.250.1.999.43.1"), "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b", said
    )
    response = await xds.send("/xds/repository", message, {"Document01@test": document.content})
    assert b"ResponseStatusType:Success" in response.content, response.text
    query = query_xml(
        stored_query.FIND_DOCUMENTS,
        XDSDocumentEntryPatientId=f"'{PATIENT_ID}'",
        XDSDocumentEntryStatus=f"('{APPROVED}')",
    )
    own = etree.fromstring((await xds.send("/xds/registry", envelope(query, QUERY, said))).content)
    assert status_of(own[1][0]) == "Success"
    stranger = etree.tostring(signed(assertion_xml(id="_a2", subject="899700000002"))).decode()
    refused = await xds.send("/xds/registry", envelope(query, QUERY, stranger))
    assert refused.status_code == 401
    assert "FailedAuthentication" in refused.text


async def test_a_message_about_another_patient_than_the_assertion_is_refused(xds: Xds) -> None:
    other = {
        "resourceType": "Patient",
        "id": "ruth",
        "identifier": [{"system": f"urn:oid:{INS_OID}", "value": "260058815400233"}],
    }
    (await xds.client.put("/fhir/Patient/ruth", json=other)).raise_for_status()
    said = signed(assertion_xml(patient=f"260058815400233^^^&amp;{INS_OID}&amp;ISO^NH"))
    document = Document("1.2.250.1.999.42.1")
    message = envelope(
        provide_xml(document, set_id="1.2.3"),
        "urn:ihe:iti:2007:ProvideAndRegisterDocumentSet-b",
        etree.tostring(said).decode(),
    )
    response = await xds.send("/xds/repository", message, {"Document01@test": document.content})
    assert "XDSPatientIdDoesNotMatch" in response.text
