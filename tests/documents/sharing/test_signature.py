"""Signed submissions: a signature that holds is kept and visible, one that does not stops everything.

Spec: https://profiles.ihe.net/ITI/TF/Volume1 (DSG), ETSI TS 101 903
"""

import base64
import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree
from signxml.algorithms import SignatureConstructionMethod
from signxml.xades.xades import XAdESSigner

from fhir_server.foundation.operation_outcome import Unprocessable
from tests.documents.sharing.conftest import Ask, Provide, entries, location
from tests.documents.sharing.submissions import (
    PDF,
    Resource,
    binary,
    bundle,
    document,
    entry,
    submission_set,
    url,
)

pytestmark = pytest.mark.anyio

DSIG = "http://www.w3.org/2000/09/xmldsig#"
SHA256_URI = "http://www.w3.org/2001/04/xmlenc#sha256"
UNIQUE_ID = "1.2.250.1.999.1"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate(start: datetime, days: int = 30) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Dr Sophie LECLERC")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), x509.random_serial_number())
    made = builder.not_valid_before(start).not_valid_after(start + timedelta(days=days)).sign(KEY, SHA256())
    return made.public_bytes(Encoding.PEM).decode()


NOW = datetime.now(UTC)
VALID = certificate(NOW - timedelta(days=1))


def manifest(unique_id: str = UNIQUE_ID, content: bytes = PDF) -> etree._Element:
    root = etree.Element(f"{{{DSIG}}}Manifest", {"Id": "IHEManifest"}, {"ds": DSIG})
    for one, signed in ((unique_id, content), ("1.2.3.4.5", b"the submission set")):
        reference = etree.SubElement(root, f"{{{DSIG}}}Reference", URI=f"urn:oid:{one}")
        etree.SubElement(reference, f"{{{DSIG}}}DigestMethod", Algorithm=SHA256_URI)
        digest = base64.b64encode(hashlib.sha256(signed).digest()).decode()
        etree.SubElement(reference, f"{{{DSIG}}}DigestValue").text = digest
    return root


def signature(signed: etree._Element | None = None, cert: str = VALID) -> bytes:
    signer = XAdESSigner(method=SignatureConstructionMethod.enveloping)
    made = signer.sign(manifest() if signed is None else signed, key=KEY, cert=cert)
    return etree.tostring(made)


def signed_submission(content: bytes) -> Resource:
    described = document("1.2.250.1.999.2", content)
    described["content"][0]["attachment"] |= {"contentType": "text/xml", "url": url(5)}
    described["content"][0]["format"] = {
        "system": "urn:oid:1.3.6.1.4.1.19376.1.2.1",
        "code": "urn:ihe:iti:dsg:detached:2014",
    }
    return bundle(
        entry(1, submission_set(url(2), url(4))),
        entry(2, document(UNIQUE_ID)),
        entry(3, binary()),
        entry(4, described),
        entry(5, binary(content, "text/xml")),
    )


@pytest.mark.spec("provenance.html#signature")
async def test_a_signature_that_holds_is_kept_with_what_it_covers(
    provide: Provide, ask: Ask, record: str, find: Any
) -> None:
    content = signature()
    response = await provide(signed_submission(content))
    assert [one["response"]["status"] for one in entries(response)] == ["201 Created"] * 5
    (kept,) = [one for one in await find("Provenance") if "signature" in one]
    assert kept["target"] == [{"reference": location(response, 1)}]
    assert kept["signature"][0]["who"] == {"display": "CN=Dr Sophie LECLERC"}
    assert base64.b64decode(kept["signature"][0]["data"]) == content


def altered(content: bytes) -> bytes:
    root = etree.fromstring(content)
    value = root.find(f".//{{{DSIG}}}Manifest/{{{DSIG}}}Reference/{{{DSIG}}}DigestValue")
    assert value is not None
    value.text = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
    return etree.tostring(root)


def without_properties(content: bytes) -> bytes:
    root = etree.fromstring(content)
    for one in root.findall(f"{{{DSIG}}}Object"):
        if one.find("{*}QualifyingProperties") is not None:
            root.remove(one)
    return etree.tostring(root)


BAD: dict[str, bytes] = {
    "another document": signature(manifest(content=b"%PDF another")),
    "none of ours": signature(manifest("1.2.3")),
    "altered": altered(signature()),
    "no manifest": signature(etree.fromstring("<nothing/>")),
    "no XAdES": without_properties(signature()),
    "expired certificate": signature(cert=certificate(NOW - timedelta(days=90))),
    "no XML": b"signed, truly",
    "no signature": b"<nothing/>",
    "no certificate": b'<Signature xmlns="http://www.w3.org/2000/09/xmldsig#"/>',
    "document type": b"<!DOCTYPE x><x/>",
}


@pytest.mark.parametrize("name", BAD)
async def test_a_signature_that_does_not_hold_stops_everything(
    provide: Provide, record: str, find: Any, name: str
) -> None:
    with pytest.raises(Unprocessable) as refusal:
        await provide(signed_submission(BAD[name]))
    issue = refusal.value.issues[0]
    assert (issue.code, issue.details) == ("security", "XDSRepositoryMetadataError"), issue
    assert issue.expression == ("Bundle.entry[3].resource",)
    assert await find("DocumentReference") == []
