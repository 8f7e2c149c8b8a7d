"""A VIHF: its signature checked, its attributes read.

Source: VIHF 4.0; https://www.w3.org/TR/xmldsig-core1/. What the signature does not cover does not count.
"""

import base64
import binascii
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509
from lxml import etree
from signxml.exceptions import InvalidInput, SignXMLException
from signxml.verifier import SignatureConfiguration, XMLVerifier

from fhir_server.smart.vihf.issuers import Issuer

SAML: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}"
SIGNATURE: Final = "{http://www.w3.org/2000/09/xmldsig#}"
VERSIONS: Final = ("2.0", "3.0", "4.0")
LIFE: Final = timedelta(hours=1)
"""How long an assertion holds that does not say it. Choice: VIHF makes NotOnOrAfter optional."""
SKEW: Final = timedelta(minutes=2)
ROLE: Final = "urn:oasis:names:tc:xacml:2.0:subject:role"
RESOURCE_ID: Final = "urn:oasis:names:tc:xacml:2.0:resource:resource-id"
PURPOSE: Final = "urn:oasis:names:tc:xspa:1.0:subject:purposeofuse"
SUBJECT_ID: Final = "urn:oasis:names:tc:xspa:1.0:subject:subject-id"
CONFIDENTIALITY: Final = "urn:oasis:names:tc:xspa:1.0:resource:patient:hl7:confidentiality-code"
HIDDEN_FROM_REPRESENTATIVES: Final = "INVISIBLE_REPRESENTANTS_LEGAUX"

Element = etree._Element


class AssertionRefused(Exception):
    """The assertion does not hold; the text says why."""


class Vihf(msgspec.Struct, frozen=True):
    """What a verified assertion says; `roles` are codes, the profession first; `patient` is the CX of the INS."""

    assertion_id: str
    national_id: str
    display: str
    structure: str
    roles: tuple[str, ...]
    patient: str
    purpose: str
    is_secret: bool
    software: str


def certificate_of(assertion: Element) -> x509.Certificate:
    """Return the certificate that the signature names. Raises AssertionRefused."""
    path = f"{SIGNATURE}Signature/{SIGNATURE}KeyInfo/{SIGNATURE}X509Data/{SIGNATURE}X509Certificate"
    written = assertion.findtext(path)
    if not written:
        raise AssertionRefused("The assertion is not signed with a certificate in its KeyInfo.")
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join(written.split()), validate=True))
    except (binascii.Error, ValueError):
        raise AssertionRefused("The certificate of the signature cannot be read.") from None


def verify(assertion: Element, issuer: Issuer) -> Element:
    """Return the assertion as it was signed by the issuer, to be read instead of what came. Raises AssertionRefused."""
    configuration = SignatureConfiguration(location="./", expect_references=1)
    try:
        found = XMLVerifier().verify(
            etree.tostring(assertion), x509_cert=issuer.certificate, id_attribute="ID", expect_config=configuration
        )
    except (SignXMLException, InvalidInput, ValueError, etree.LxmlError):
        raise AssertionRefused("The signature of the assertion does not hold.") from None
    verified = found[0] if isinstance(found, list) else found
    signed = verified.signed_xml
    if signed is None or signed.tag != f"{SAML}Assertion" or signed.get("ID") != assertion.get("ID"):
        raise AssertionRefused("The signature does not cover the assertion.")
    return signed


def refuse_audience(signed: Element, audiences: Collection[str]) -> None:
    """Raise AssertionRefused when the assertion is for others: each AudienceRestriction names one of `audiences`."""
    for restriction in signed.iterfind(f"{SAML}Conditions/{SAML}AudienceRestriction"):
        named = [(one.text or "").strip().rstrip("/") for one in restriction.iterchildren(f"{SAML}Audience")]
        if not set(named) & set(audiences):
            raise AssertionRefused(f"The assertion is for {', '.join(named)[:200]}, and not for this server.")


def read(signed: Element, issuer: Issuer, now: datetime) -> Vihf:
    """Read a verified assertion. Raises AssertionRefused when it is too old, or not of its issuer's structure."""
    _refuse_times(signed, now)
    version = _text(signed, "VIHF_Version")
    if version not in VERSIONS:
        raise AssertionRefused(f"VIHF_Version is '{version[:20]}'; it must be one of {', '.join(VERSIONS)}.")
    structure = _text(signed, "Identifiant_Structure")
    if structure != issuer.structure:
        raise AssertionRefused("Identifiant_Structure is not the structure that the certificate was registered for.")
    national_id = (signed.findtext(f"{SAML}Subject/{SAML}NameID") or "").strip()
    if not national_id:
        raise AssertionRefused("Subject/NameID must hold the national identifier of the professional.")
    return Vihf(
        assertion_id=signed.get("ID", ""),
        national_id=national_id,
        display=_text(signed, SUBJECT_ID) or national_id,
        structure=structure,
        roles=tuple(_codes(signed, ROLE)),
        patient=_text(signed, RESOURCE_ID),
        purpose=next(iter(_codes(signed, PURPOSE)), ""),
        is_secret=HIDDEN_FROM_REPRESENTATIVES in (*_codes(signed, CONFIDENTIALITY), _text(signed, CONFIDENTIALITY)),
        software=_text(signed, "LPS_Nom"),
    )


def _refuse_times(signed: Element, now: datetime) -> None:
    issued = _instant(signed.get("IssueInstant"))
    if issued is None or issued > now + SKEW:
        raise AssertionRefused("IssueInstant is missing, or lies in the future.")
    conditions = signed.find(f"{SAML}Conditions")
    low, high = (_bound(conditions, name) for name in ("NotBefore", "NotOnOrAfter"))
    if low is not None and now + SKEW < low:
        raise AssertionRefused("The assertion does not hold yet (NotBefore).")
    if now - SKEW >= min(high or issued + LIFE, issued + LIFE):
        raise AssertionRefused("The assertion has expired: make a new one.")


def _bound(conditions: Element | None, name: str) -> datetime | None:
    """Return a bound of the conditions; None when there is none. Raises AssertionRefused for one that is no instant."""
    written = conditions.get(name) if conditions is not None else None
    found = _instant(written)
    if written is not None and found is None:
        raise AssertionRefused(f"Conditions/{name} is no instant with a zone.")
    return found


def _instant(text: str | None) -> datetime | None:
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def _values(signed: Element, name: str) -> Sequence[Element]:
    attributes = signed.iterfind(f"{SAML}AttributeStatement/{SAML}Attribute")
    return [
        value for one in attributes if one.get("Name") == name for value in one.iterchildren(f"{SAML}AttributeValue")
    ]


def _text(signed: Element, name: str) -> str:
    values = _values(signed, name)
    return (values[0].text or "").strip() if values else ""


def _codes(signed: Element, name: str) -> list[str]:
    """Return the codes of the CE elements inside the values of an attribute."""
    return [code for value in _values(signed, name) for one in value if (code := one.get("code", ""))]
