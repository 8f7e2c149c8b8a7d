"""Elements of a CDA document, made in the order in which the schema wants them. Spec: CDA R2 (POCD_HD000040)."""

from typing import Any

from lxml import etree

NAMESPACE = "urn:hl7-org:v3"

_NSMAP: Any = {None: NAMESPACE}

Element = Any
"""An lxml element; the stubs' own name is private."""


def element(name: str, *children: Element | str | None, **attributes: str | None) -> Element:
    """Make an element; children that are None are left out, a text becomes the element's text."""
    made = etree.Element(f"{{{NAMESPACE}}}{name}", nsmap=_NSMAP)
    for attribute, value in attributes.items():
        if value and (legal := _legal(value)):
            made.set(attribute, legal)
    for child in children:
        if isinstance(child, str):
            made.text = _legal(child)
        elif child is not None:
            made.append(child)
    return made


def unknown(name: str, null_flavor: str = "UNK") -> Element:
    """Make an element that says why there is no value."""
    return element(name, nullFlavor=null_flavor)


def serialize(root: Element) -> bytes:
    """Return the document as UTF-8; the same document always gives the same bytes."""
    etree.indent(root, "  ")
    written: bytes = etree.tostring(root, xml_declaration=True, encoding="UTF-8")
    return written


def _legal(text: str) -> str:
    """Return a text without the control characters that XML cannot hold."""
    return "".join(one for one in text if one >= " " or one in "\t\n\r")
