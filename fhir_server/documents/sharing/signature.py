"""A digital signature (XAdES) among the documents of a submission: what it covers must be what was sent.

Spec: https://profiles.ihe.net/ITI/TF/Volume1 (DSG, detached signature), ETSI TS 101 903; CI-SIS, signed submissions

Choice: the signature, the digest of its certificate and the digests of the documents are checked, and that the
certificate was valid when it signed. Who issued the certificate is told, not judged: this server holds no list of
authorities.
"""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import msgspec
from cryptography import x509
from lxml import etree
from signxml.exceptions import SignXMLException
from signxml.xades.xades import XAdESSignatureConfiguration, XAdESVerifier

from fhir_server.documents.sharing.submission import Document, Problems, Submission, bare_id
from fhir_server.foundation.dates import format_instant

DSIG: Final = "{http://www.w3.org/2000/09/xmldsig#}"
FORMATS: Final = frozenset({"urn:ihe:iti:dsg:detached:2014", "http://www.w3.org/2000/09/xmldsig#"})
DIGESTS: Final[Mapping[str, str]] = {
    "http://www.w3.org/2000/09/xmldsig#sha1": "sha1",
    "http://www.w3.org/2001/04/xmlenc#sha256": "sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384": "sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512": "sha512",
}
"""Digests that a manifest may use; the signature itself must be stronger than SHA-1."""
_BYTES: Final = 5_000_000

Element = etree._Element


Resource = dict[str, Any]
AUTHORS_SIGNATURE: Final = {
    "system": "urn:iso-astm:E1762-95:2013",
    "code": "1.2.840.10065.1.12.1.1",
    "display": "Author's Signature",
}


class SignatureRefused(Exception):
    """The signature does not hold, or is not about these documents; the text says why."""


class Signed(msgspec.Struct, frozen=True):
    """A signature that holds: who signed (the subject of the certificate), when, and the uniqueIds that it covers."""

    signer: str
    at: datetime
    covered: tuple[str, ...]


class Attestation(msgspec.Struct, frozen=True):
    """A signature that holds, with its bytes and the places of the documents that it covers."""

    signed: Signed
    content: bytes
    places: tuple[str, ...]


def check_signatures(submission: Submission, problems: Problems) -> tuple[Attestation, ...]:
    """Verify every signature of a submission; note those that do not hold."""
    signatures = [document for document in submission.documents if is_signature(document)]
    others = [document for document in submission.documents if document not in signatures]
    by_id = {unique_id_of(document): document for document in others}
    contents = {unique_id: document.content for unique_id, document in by_id.items()}
    found = []
    for document in signatures:
        try:
            signed = verify(document.content, contents)
        except SignatureRefused as refusal:
            problems.add(document.entry.place, str(refusal), "XDSRepositoryMetadataError", "security")
        else:
            places = tuple(by_id[unique_id].entry.place for unique_id in signed.covered)
            found.append(Attestation(signed, document.content, places))
    return tuple(found)


def unique_id_of(document: Document) -> str:
    """Return the uniqueId of a document as a manifest writes it, without `urn:oid:`."""
    return bare_id(document.entry.resource.get("masterIdentifier", {}))


def provenance_of(attestation: Attestation, targets: list[str], recorded: datetime) -> Resource:
    """Return the Provenance that keeps a signature with the documents it covers. Spec: provenance.html (signature)."""
    signed, who = attestation.signed, {"display": attestation.signed.signer}
    return {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": format_instant(recorded),
        "agent": [{"who": who}],
        "signature": [
            {
                "type": [AUTHORS_SIGNATURE],
                "when": format_instant(signed.at),
                "who": who,
                "sigFormat": "application/signature+xml",
                "data": base64.b64encode(attestation.content).decode(),
            }
        ],
    }


def is_signature(document: Document) -> bool:
    """Say whether a document of a submission is a signature of the others, by its format."""
    contents = document.entry.resource.get("content", ())
    return any(isinstance(one, dict) and one.get("format", {}).get("code") in FORMATS for one in contents)


def verify(signature: bytes, contents: Mapping[str, bytes]) -> Signed:
    """Verify a signature over documents by their uniqueIds. Raises SignatureRefused.

    What the manifest names and was not sent along (the submission set itself, documents stored before) is not covered.
    """
    results = _verified(signature)
    manifests = [one for result in results for one in _manifests(result.signed_xml)]
    if len(manifests) != 1:
        raise SignatureRefused("the signature covers no manifest of documents, or several.")
    covered = tuple(_covered(manifests[0], contents))
    if not covered:
        raise SignatureRefused("the manifest of the signature names none of the documents that were sent.")
    certificate = _certificate(results[0].signature_xml)
    at = _signing_time(results)
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureRefused("the certificate was not valid when it signed.")
    return Signed(certificate.subject.rfc4514_string(), at, covered)


def _verified(signature: bytes) -> list[Any]:
    if len(signature) > _BYTES or b"<!DOCTYPE" in signature:
        raise SignatureRefused("a signature has no document type and at most 5 MB.")
    parser = etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True)
    try:
        root = etree.fromstring(signature, parser)
    except etree.XMLSyntaxError:
        raise SignatureRefused("the signature is no XML.") from None
    if root.tag != f"{DSIG}Signature":
        raise SignatureRefused("the root of a detached signature is ds:Signature.")
    certificate = _certificate(root)
    references = len(root.findall(f"{DSIG}SignedInfo/{DSIG}Reference"))
    try:
        return XAdESVerifier().verify(
            signature,
            x509_cert=certificate,
            expect_config=XAdESSignatureConfiguration(location="./", expect_references=references),
        )
    except (SignXMLException, ValueError, TypeError, etree.LxmlError):
        raise SignatureRefused("the signature does not hold: it was altered, or is no XAdES.") from None


def _certificate(signature: Element) -> x509.Certificate:
    written = signature.findtext(f"{DSIG}KeyInfo/{DSIG}X509Data/{DSIG}X509Certificate")
    try:
        return x509.load_der_x509_certificate(base64.b64decode("".join((written or "").split()), validate=True))
    except (binascii.Error, ValueError):
        raise SignatureRefused("the signature carries no certificate in its KeyInfo.") from None


def _manifests(signed: Element | None) -> list[Element]:
    return list(signed.iter(f"{DSIG}Manifest")) if signed is not None else []


def _covered(manifest: Element, contents: Mapping[str, bytes]) -> list[str]:
    found = []
    for reference in manifest.iterchildren(f"{DSIG}Reference"):
        unique_id = reference.get("URI", "").removeprefix("urn:oid:").removeprefix("urn:uuid:")
        if unique_id not in contents:
            continue
        method = reference.find(f"{DSIG}DigestMethod")
        name = DIGESTS.get(method.get("Algorithm", "") if method is not None else "")
        if name is None:
            raise SignatureRefused(f"the digest method of {unique_id} is not one of {', '.join(DIGESTS)}.")
        digest = hashlib.new(name, contents[unique_id], usedforsecurity=False).digest()
        if "".join((reference.findtext(f"{DSIG}DigestValue") or "").split()) != base64.b64encode(digest).decode():
            raise SignatureRefused(f"the document {unique_id} is not the one that was signed.")
        found.append(unique_id)
    return found


def _signing_time(results: list[Any]) -> datetime:
    signed = [result.signed_xml for result in results if result.signed_xml is not None]
    texts = [time.text or "" for part in signed for time in part.iter("{*}SigningTime")]
    try:
        at = datetime.fromisoformat(texts[0] if texts else "")
    except ValueError:
        raise SignatureRefused("the signature does not say when it was made (SigningTime).") from None
    if at.tzinfo is None:
        raise SignatureRefused("SigningTime has no zone.")
    return at
