"""The CDA narrative block to the XHTML of a FHIR Narrative: every word kept, nothing active.

Spec: narrative.html (allowed elements and attributes). Source: HL7 CDA R2, 4.3.5 and NarrativeBlock.xsd.
"""

import re
from html import escape

from mappings.cda.text import plain_text
from mappings.cda.xml import HL7, Element, child, local_name
from mappings.context import Context
from mappings.fhir import Json

XHTML = "http://www.w3.org/1999/xhtml"

_ELEMENTS = {
    "content": "span",
    "paragraph": "p",
    "sub": "sub",
    "sup": "sup",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tfoot": "tfoot",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "col": "col",
    "colgroup": "colgroup",
    "br": "br",
    "item": "li",
    "footnote": "span",
}
_VOID = ("br", "col")
_BLOCKS = ("paragraph", "table", "list")
_ONLY_CHILDREN: dict[str, tuple[str, ...]] = {
    "table": ("tr", "td"),
    "thead": ("tr", "td"),
    "tbody": ("tr", "td"),
    "tfoot": ("tr", "td"),
}
_ONLY_CHILDREN |= {"tr": ("td",), "list": ("li",)}
_STYLES = {
    "bold": "font-weight: bold",
    "italics": "font-style: italic",
    "emphasis": "font-style: italic",
    "bolditalics": "font-weight: bold; font-style: italic",
    "underline": "text-decoration: underline",
    "lrule": "border-left: 1px solid",
    "rrule": "border-right: 1px solid",
    "toprule": "border-top: 1px solid",
    "botrule": "border-bottom: 1px solid",
}
_NUMBERINGS = {
    "arabic": "list-style-type: decimal",
    "littleroman": "list-style-type: lower-roman",
    "bigroman": "list-style-type: upper-roman",
    "littlealpha": "list-style-type: lower-alpha",
    "bigalpha": "list-style-type: upper-alpha",
    "disc": "list-style-type: disc",
    "circle": "list-style-type: circle",
    "square": "list-style-type: square",
}
_CELL = ("align", "valign", "char", "charoff", "rowspan", "colspan", "abbr", "axis", "headers", "scope")
_ROW = ("align", "valign", "char", "charoff")
_ATTRIBUTES = {
    "table": ("summary", "width", "border", "frame", "rules", "cellspacing", "cellpadding"),
    "td": _CELL,
    "th": _CELL,
    "tr": _ROW,
    "thead": _ROW,
    "tbody": _ROW,
    "tfoot": _ROW,
    "col": (*_ROW, "span", "width"),
    "colgroup": (*_ROW, "span", "width"),
}
_PLAIN_VALUE = re.compile(r"[\w .,:;%*+-]{1,200}")
_NAME = re.compile(r"[^\s\"'<>&]{1,200}")
_SAFE_LINK = re.compile(r"(https?://|mailto:|tel:|#|urn:(uuid|oid):)[^\s<>\"']*", re.IGNORECASE)
_ACTIVE = ("script", "style", "object", "embed", "iframe", "applet", "form")


def narrative(text: Element | None, context: Context) -> Json:
    """Convert a section text to a Narrative; empty when it holds no word and no image."""
    if text is None:
        return {}
    writer = _Writer(context)
    writer.content(text, ())
    body = "".join(writer.parts)
    if not plain_text(text) and not writer.has_media:
        return {}
    identity = writer.identity(text)
    # Choice: additional, because the words were attested as a whole and the entries may say less than they do.
    return {"status": "additional", "div": f'<div xmlns="{XHTML}"{identity}>{body}</div>'}


def empty_narrative(title: str) -> Json:
    """Build the Narrative of a section that holds nothing, which cmp-1 still wants to say something."""
    return {"status": "empty", "div": f'<div xmlns="{XHTML}">{escape(title)}</div>'}


class _Writer:
    """Writes XHTML for one narrative block."""

    def __init__(self, context: Context) -> None:
        self.parts: list[str] = []
        self.has_media = False
        self._context = context
        self._identities: set[str] = set()

    def content(self, element: Element, wrappers: tuple[str, ...]) -> None:
        """Write the words and the children; stray words of a table or list are wrapped so that they stay valid."""
        self._words(element.text, wrappers)
        for node in element:
            self._element(node)
            self._words(node.tail, wrappers)

    def identity(self, element: Element) -> str:
        """Keep an ID that is a valid and new XHTML id."""
        identity = (element.get("ID") or "").strip()
        if not _NAME.fullmatch(identity) or identity in self._identities:
            return ""
        self._identities.add(identity)
        return f' id="{escape(identity)}"'

    def _words(self, text: str | None, wrappers: tuple[str, ...]) -> None:
        if not text:
            return
        if wrappers and not text.strip():
            return
        opening = "".join(f"<{name}>" for name in wrappers)
        closing = "".join(f"</{name}>" for name in reversed(wrappers))
        self.parts.append(f"{opening}{escape(text, quote=False)}{closing}")

    def _element(self, element: Element) -> None:
        name = local_name(element)
        special = getattr(self, f"_write_{name}", None) if element.tag == HL7 + name else None
        if special is not None:
            special(element)
        elif name.lower() in _ACTIVE:
            self._context.report("warning", "not-supported", f"Active content <{name}> was removed.", element)
        else:
            self._plain(element, name)

    def _plain(self, element: Element, name: str) -> None:
        tag = _ELEMENTS.get(name)
        if tag is None:
            self._context.report(
                "information",
                "not-supported",
                f"The markup <{name}> is no CDA narrative: its words were kept.",
                element,
            )
        if tag in (None, "p", "span") and _holds_block(element):
            tag = "div"
        tag = tag or "span"
        opening = f"<{tag}{self._attributes(element, name)}"
        if tag in _VOID:
            self.parts.append(f"{opening}/>")
            if tag == "br":
                self.content(element, ())
            return
        self.parts.append(f"{opening}>")
        self.content(element, _ONLY_CHILDREN.get(name, ()))
        self.parts.append(f"</{tag}>")

    def _attributes(self, element: Element, name: str) -> str:
        if not element.attrib:
            return ""
        written = [self.identity(element), _style(element, _STYLES)]
        for attribute in _ATTRIBUTES.get(name, ()):
            value = element.get(attribute)
            if value and _PLAIN_VALUE.fullmatch(value):
                written.append(f' {attribute}="{escape(value)}"')
        if (language := element.get("language")) and re.fullmatch(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", language):
            written.append(f' lang="{language}"')
        return "".join(written)

    def _write_list(self, element: Element) -> None:
        caption = child(element, "caption")
        if caption is not None:
            self._inline(caption, "p")
        tag = "ol" if element.get("listType") == "ordered" else "ul"
        self.parts.append(f"<{tag}{self.identity(element)}{_style(element, _NUMBERINGS | _STYLES)}>")
        self._words(element.text, ("li",))
        for node in element:
            if node is not caption:
                self._in_list(node)
            self._words(node.tail, ("li",))
        self.parts.append(f"</{tag}>")

    def _in_list(self, node: Element) -> None:
        if local_name(node) == "item":
            self._element(node)
            return
        self.parts.append("<li>")
        self._element(node)
        self.parts.append("</li>")

    def _write_caption(self, element: Element) -> None:
        parent = element.getparent()
        in_table = parent is not None and local_name(parent) == "table"
        self._inline(element, "caption" if in_table else "span")

    def _inline(self, element: Element, tag: str) -> None:
        self.parts.append(f"<{tag}{self._attributes(element, 'caption')}>")
        self.content(element, ())
        self.parts.append(f"</{tag}>")

    def _write_linkHtml(self, element: Element) -> None:  # noqa: N802 - the CDA name
        href = (element.get("href") or "").strip()
        identity, title = self.identity(element), (element.get("title") or "").strip()
        title = f' title="{escape(title)}"' if title else ""
        if _SAFE_LINK.fullmatch(href):
            self.parts.append(f'<a{identity} href="{escape(href)}"{title}>')
            self._words(element.text or (None if len(element) else href), ())
        else:
            if href:
                self._context.report("warning", "not-supported", "A link that is not http or mailto was cut.", element)
            self.parts.append(f"<a{identity}{title}>")
            self._words(element.text, ())
        for node in element:
            self._element(node)
            self._words(node.tail, ())
        self.parts.append("</a>")

    def _write_footnoteRef(self, element: Element) -> None:  # noqa: N802 - the CDA name
        target = (element.get("IDREF") or "").strip()
        link = f' href="#{escape(target)}"' if _NAME.fullmatch(target) else ""
        self.parts.append(f"<sup><a{self.identity(element)}{link}>")
        self.content(element, ())
        self.parts.append("</a></sup>")

    def _write_renderMultiMedia(self, element: Element) -> None:  # noqa: N802 - the CDA name
        """Link to the resources that hold the images: a Narrative may not embed what it would fetch."""
        self.has_media = True
        caption = child(element, "caption")
        for target in (element.get("referencedObject") or "").split() or [""]:
            full_url = self._context.media_full_url(target)
            link = f' href="{full_url}"' if full_url else ""
            if target and not full_url:
                self._context.report("warning", "not-found", "renderMultiMedia points to no media here.", element)
            self.parts.append(f"<a{self.identity(element)}{link}>")
            if caption is not None:
                self.content(caption, ())
            else:
                self.parts.append(escape(target, quote=False))
            self.parts.append("</a>")
        self._words(element.text, ())
        for node in element:
            if node is not caption:
                self._element(node)
            self._words(node.tail, ())


def _style(element: Element, styles: dict[str, str]) -> str:
    codes = (element.get("styleCode") or "").split()
    known = [styles[code.lower()] for code in codes if code.lower() in styles]
    return f' style="{"; ".join(known)}"' if known else ""


def _holds_block(element: Element) -> bool:
    return any(next(element.iter(HL7 + name), element) is not element for name in _BLOCKS)
