"""The SOAP 1.2 envelope of a message: its action, its body and the assertion that says who calls.

Spec: https://www.w3.org/TR/soap12-part1/, https://www.w3.org/TR/ws-addr-core/; IHE ITI TF-2 Appendix V (web services)
"""

from typing import Final

import msgspec
from lxml import etree

from fhir_server.xds.call import Element, SenderFault

SOAP: Final = "{http://www.w3.org/2003/05/soap-envelope}"
ADDRESSING: Final = "{http://www.w3.org/2005/08/addressing}"
SECURITY: Final = "{http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd}Security"
ASSERTION: Final = "{urn:oasis:names:tc:SAML:2.0:assertion}Assertion"
ANONYMOUS: Final = "http://www.w3.org/2005/08/addressing/anonymous"
MAX_DEPTH: Final = 64
TEXT_BYTES: Final = 10_000_000
"""A longer message may hold a text node that the parser refuses unless told otherwise: an inline document."""


class Envelope(msgspec.Struct, frozen=True):
    """A message; `assertion` is None when the caller says not who it is."""

    action: str
    message_id: str
    body: Element
    assertion: Element | None


def parse_envelope(content: bytes, action: str = "") -> Envelope:
    """Read a message; `action` is that of the HTTP header, used when the message names none. Raises SenderFault."""
    root = _root(content)
    if root.tag != f"{SOAP}Envelope":
        raise SenderFault("The message is no SOAP 1.2 envelope.", "VersionMismatch")
    header, body = root.find(f"{SOAP}Header"), root.find(f"{SOAP}Body")
    if body is None or len(body) != 1:
        raise SenderFault("The body of the envelope must hold one element.")
    blocks = list(header) if header is not None else []
    for block in blocks:
        known = block.tag == SECURITY or str(block.tag).startswith(ADDRESSING) or not _is_for_us(block)
        if block.get(f"{SOAP}mustUnderstand") in ("true", "1") and not known:
            raise SenderFault(f"The header {etree.QName(block).localname} is not understood here.", "MustUnderstand")
    security = next((block for block in blocks if block.tag == SECURITY), None)
    assertion = next(security.iterchildren(ASSERTION), None) if security is not None else None
    return Envelope(_text(blocks, "Action") or action, _text(blocks, "MessageID"), body[0], assertion)


def _is_for_us(block: Element) -> bool:
    """Say whether a header block is meant for who answers, and not for somebody on the way (soap12-part1, 2.2)."""
    return block.get(f"{SOAP}role", "").rpartition("/")[2] in ("", "next", "ultimateReceiver")


def _text(blocks: list[Element], name: str) -> str:
    return next((block.text or "" for block in blocks if block.tag == f"{ADDRESSING}{name}"), "").strip()


def _root(content: bytes) -> Element:
    if b"<!DOCTYPE" in content or b"\x00" in content:
        raise SenderFault("The message declares a document type, or is not UTF-8: send UTF-8 XML without a DTD.")
    # The encoding is given, so no declaration can hide a DTD from the check above.
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        huge_tree=len(content) > TEXT_BYTES,
    )
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        raise SenderFault(f"The message is no XML: {error.msg or 'syntax error'}.") from None
    if root.xpath(f"boolean(/{'/'.join(['*'] * (MAX_DEPTH + 1))})"):
        raise SenderFault(f"The message nests deeper than {MAX_DEPTH} levels.")
    return root


def format_envelope(body: Element, action: str, message_id: str) -> bytes:
    """Write an answer; `message_id` is that of the message it answers, or ""."""
    envelope = etree.Element(f"{SOAP}Envelope", None, {"soap": SOAP[1:-1], "wsa": ADDRESSING[1:-1]})
    header = etree.SubElement(envelope, f"{SOAP}Header")
    etree.SubElement(header, f"{ADDRESSING}Action").text = action
    if message_id:
        etree.SubElement(header, f"{ADDRESSING}RelatesTo").text = message_id
    etree.SubElement(header, f"{ADDRESSING}To").text = ANONYMOUS
    etree.SubElement(envelope, f"{SOAP}Body").append(body)
    return etree.tostring(envelope, encoding="utf-8", xml_declaration=True)


def format_fault(fault: SenderFault, message_id: str) -> bytes:
    """Write a fault of the sender."""
    element = etree.Element(f"{SOAP}Fault", None, {"soap": SOAP[1:-1], "xds": "urn:ihe:iti:xds-b:2007"})
    code = etree.SubElement(element, f"{SOAP}Code")
    is_soaps = fault.subcode in ("VersionMismatch", "MustUnderstand")
    etree.SubElement(code, f"{SOAP}Value").text = f"soap:{fault.subcode if is_soaps else 'Sender'}"
    if fault.subcode and not is_soaps:
        inner = etree.SubElement(code, f"{SOAP}Subcode")
        etree.SubElement(inner, f"{SOAP}Value").text = f"xds:{fault.subcode}"
    reason = etree.SubElement(element, f"{SOAP}Reason")
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    etree.SubElement(reason, f"{SOAP}Text", {language: "en"}).text = fault.reason
    return format_envelope(element, "http://www.w3.org/2005/08/addressing/soap/fault", message_id)
