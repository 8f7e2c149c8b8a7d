"""The words of a piece of narrative, without its markup. Source: HL7 CDA R2, 4.3.5 (narrative block)."""

from lxml import etree

from mappings.cda.xml import local_name

_BREAKS = {"br", "td", "th", "tr", "table", "paragraph", "item", "list", "caption", "thead", "tbody", "text", "title"}


def plain_text(element: etree._Element) -> str:
    """Give the words of an element in reading order, a space between blocks and none inside a word."""
    parts: list[str] = []
    _collect(element, parts)
    return " ".join("".join(parts).split())


def _collect(element: etree._Element, parts: list[str]) -> None:
    is_break = local_name(element) in _BREAKS
    if is_break:
        parts.append(" ")
    if element.text:
        parts.append(element.text)
    for child in element:
        _collect(child, parts)
        if child.tail:
            parts.append(child.tail)
    if is_break:
        parts.append(" ")
