"""Body: the file itself in a nonXMLBody, or the words of a Composition's sections.

Spec: CDA R2 (4.3 narrative block), IHE XDS-SD; narrative.html
"""

from base64 import b64encode
from textwrap import wrap

from lxml import etree

from mappings.clinical_document.datatypes import concept_to_ce
from mappings.clinical_document.elements import Element, element
from mappings.clinical_document.source import Source
from mappings.fhir import Json

XHTML = "{http://www.w3.org/1999/xhtml}"
_BLOCKS = {"p": "paragraph", "div": "paragraph", "blockquote": "paragraph", "ul": "list", "ol": "list", "li": "item"}
_TABLE = {name: name for name in ("table", "thead", "tbody", "tr", "th", "td", "caption", "colgroup", "col")}
_STYLES = {"b": "Bold", "strong": "Bold", "i": "Italics", "em": "Italics", "u": "Underline"}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_LINE = 76


def component(source: Source) -> Element:
    """Make the body: what the source holds."""
    if source.composition is not None:
        sections = [_section(section) for section in source.composition.get("section", ())]
        if not sections:
            sections = [_section({"title": source.title, "text": source.composition.get("text")})]
        return element("component", element("structuredBody", *sections))
    lines = "\n".join(wrap(b64encode(source.content).decode(), _LINE))
    text = element("text", lines, mediaType=source.media_type, representation="B64")
    return element("component", element("nonXMLBody", text))


def _section(section: Json) -> Element:
    """Make a section of its code, title and words, with the sections inside it."""
    inner = [_section(one) for one in section.get("section", ())]
    made = element(
        "section",
        concept_to_ce("code", section.get("code")),
        element("title", str(section["title"])) if section.get("title") else None,
        narrative(str((section.get("text") or {}).get("div", ""))),
        *inner,
    )
    return element("component", made)


def narrative(div: str) -> Element:
    """Make a narrative block of an XHTML div: paragraphs, lists, tables, emphasis; of other elements the words."""
    text = element("text")
    if not div:
        return text
    root = etree.fromstring(div.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    _fill(root, text)
    return text


def _fill(node: Element, made: Element) -> None:
    _append(made, node.text)
    for child in node:
        if isinstance(child.tag, str):
            _place(child, made)
        _append(made, child.tail)


def _place(child: Element, made: Element) -> None:
    name = child.tag.removeprefix(XHTML)
    if name == "br":
        made.append(element("br"))
    elif name in _HEADINGS:
        _within(child, made, element("paragraph", styleCode="Bold"))
    elif name in _BLOCKS and (name != "div" or _is_leaf(child)):
        ordered = "ordered" if name == "ol" else None
        _within(child, made, element(_BLOCKS[name], listType=ordered))
    elif name in _TABLE:
        spans = {span: child.get(span) for span in ("colspan", "rowspan") if child.get(span)}
        _within(child, made, element(_TABLE[name], **spans))
    elif name in _STYLES:
        _within(child, made, element("content", styleCode=_STYLES[name]))
    else:
        _fill(child, made)


def _within(child: Element, made: Element, inner: Element) -> None:
    _fill(child, inner)
    if inner.tag.endswith(("}list", "}table", "}tr", "}thead", "}tbody")):
        # Between items and cells the schema wants no text.
        inner.text = None
        for item in inner:
            item.tail = None
    if not (inner.tag.endswith("}list") and not len(inner)):
        made.append(inner)


def _is_leaf(div: Element) -> bool:
    """Say whether a div holds only words: paragraphs do not nest."""
    blocks = {*_BLOCKS, *_HEADINGS, "table"}
    return not any(isinstance(one.tag, str) and one.tag.removeprefix(XHTML) in blocks for one in div.iterdescendants())


def _append(made: Element, text: str | None) -> None:
    if not text:
        return
    if len(made):
        made[-1].tail = (made[-1].tail or "") + text
    else:
        made.text = (made.text or "") + text
