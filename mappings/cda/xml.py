"""From bytes to a bounded ClinicalDocument tree: no DTD, no entity, no network.

Source: www.w3.org/TR/xml (2.8 prolog, 4.3.3 encodings); HL7 CDA R2 (namespace urn:hl7-org:v3).
"""

import codecs
import re
from dataclasses import dataclass

from lxml import etree

from mappings.conversion import CdaRefused

Element = etree._Element

HL7 = "{urn:hl7-org:v3}"
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
ACTS = tuple(
    HL7 + name
    for name in (
        "observation",
        "act",
        "organizer",
        "procedure",
        "substanceAdministration",
        "supply",
        "encounter",
        "observationMedia",
        "regionOfInterest",
    )
)
CI_SIS_ENTRIES = "1.2.250.1.213.1.1.3."
_MODEL_DOTS = CI_SIS_ENTRIES.count(".")
MAX_BYTES = 50_000_000
MAX_DEPTH = 100
MAX_TAGS = 2_000_000
LIBXML_TEXT_BYTES = 10_000_000

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"^\s*<\?xml[^>]{0,200}?encoding\s*=\s*[\"']([A-Za-z0-9._-]{1,40})[\"']")
_STYLE_SHEETS = ("{http://www.w3.org/1999/XSL/Transform}stylesheet", "{http://www.w3.org/1999/XSL/Transform}transform")


@dataclass(frozen=True, slots=True)
class ParsedCda:
    """A ClinicalDocument, and how it came."""

    document: Element
    has_style_sheet: bool
    is_reencoded: bool


def parse(content: bytes, max_bytes: int = MAX_BYTES, max_depth: int = MAX_DEPTH) -> ParsedCda:
    """Parse a CDA document; raise CdaRefused for what is unsafe, broken, too large or not a ClinicalDocument."""
    if len(content) > max_bytes:
        raise CdaRefused("too-long", f"The document has {len(content)} bytes; at most {max_bytes} are accepted.")
    text, is_reencoded = _decode(content)
    _refuse_document_type(text)
    if text.count("<") > MAX_TAGS:
        raise CdaRefused("too-costly", f"The document has more than {MAX_TAGS} tags.")
    root = _parse_text(text)
    _refuse_depth(root, max_depth)
    return ParsedCda(_clinical_document(root), root.tag in _STYLE_SHEETS, is_reencoded)


def location(element: Element) -> str:
    """Give the XPath-like place of an element, by local names from ClinicalDocument down."""
    steps: list[str] = []
    node: Element | None = element
    while node is not None:
        name = etree.QName(node).localname
        twins = [] if (parent := node.getparent()) is None else parent.findall(str(node.tag))
        steps.append(f"{name}[{twins.index(node) + 1}]" if len(twins) > 1 else name)
        if name == "ClinicalDocument":
            break
        node = parent
    return "/" + "/".join(reversed(steps))


def child(element: Element, name: str) -> Element | None:
    """Give the first CDA child of that name."""
    return next(element.iterchildren(HL7 + name), None)


def children(element: Element, name: str) -> list[Element]:
    """Give every CDA child of that name."""
    return list(element.iterchildren(HL7 + name))


def local_name(element: Element) -> str:
    """Give the name of an element without its namespace."""
    return str(element.tag).rpartition("}")[2]


def template_ids(element: Element) -> list[str]:
    """List the roots of an element's templateIds, in document order."""
    return [root for template in element.iterchildren(HL7 + "templateId") if (root := template.get("root"))]


def model_ids(element: Element) -> list[str]:
    """List the templates that tell what an act is: the CI-SIS models alone when it names any, with what they refine.

    A CI-SIS model often names the IHE or CCD template that it borrows its shape from, and means something else: an
    adverse effect borrows the allergy's. The parents count only where there is no CI-SIS model.
    """
    found = template_ids(element)
    models = [template_id for template_id in found if template_id.startswith(CI_SIS_ENTRIES)]
    general = [template_id.rpartition(".")[0] for template_id in models if template_id.count(".") > _MODEL_DOTS]
    return [*models, *general] if models else found


def _decode(content: bytes) -> tuple[str, bool]:
    """Decode by byte order mark, then by declaration, then by what the bytes are; say whether the declaration lied."""
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decode_as(content, encoding), False
    if content[:2] in (b"<\0", b"\0<"):
        return _decode_as(content, "utf-16-le" if content[:1] == b"<" else "utf-16-be"), False
    declared = _DECLARED.match(content)
    encodings = [declared.group(1).decode("ascii")] if declared else ["utf-8"]
    for encoding in [*encodings, "utf-8", "windows-1252"]:
        try:
            return content.decode(encoding), encoding not in encodings
        except (UnicodeDecodeError, LookupError):
            continue
    return content.decode("latin-1"), True


def _decode_as(content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise CdaRefused("structure", f"The bytes are not valid {encoding}: {error.reason}.") from error


def _refuse_document_type(text: str) -> None:
    """Refuse a DOCTYPE, wherever the prolog hides it; without one no entity can be declared."""
    position = 0
    while (position := text.find("<", position)) >= 0:
        if text.startswith("<!--", position):
            end = text.find("-->", position + 4)
        elif text.startswith("<?", position):
            end = text.find("?>", position + 2)
        elif text.startswith("<!", position):
            line = text.count("\n", 0, position) + 1
            raise CdaRefused(
                "security",
                "The document declares a DOCTYPE. Remove it: document types and entities are never read.",
                f"line {line}",
            )
        else:
            return
        if end < 0:
            return
        position = end


def _parse_text(text: str) -> Element:
    """Parse decoded text; huge_tree is on only when one text node could exceed the parser's own bound."""
    content = text.encode("utf-8", "surrogatepass")
    parser = etree.XMLParser(
        encoding="utf-8",
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        remove_comments=True,
        remove_pis=True,
        huge_tree=len(content) > LIBXML_TEXT_BYTES,
    )
    try:
        return etree.fromstring(content, parser)
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise CdaRefused(
            "structure",
            f"The document is not well-formed XML at line {line}, column {column}: {error.msg}.",
            f"line {line}, column {column}",
        ) from error


def _refuse_depth(root: Element, max_depth: int) -> None:
    path = "/" + "/".join(["*"] * (max_depth + 1))
    if root.xpath(f"boolean({path})"):
        raise CdaRefused("too-costly", f"The elements are nested deeper than {max_depth} levels.")


def _clinical_document(root: Element) -> Element:
    if root.tag == HL7 + "ClinicalDocument":
        return root
    if root.tag in _STYLE_SHEETS:
        inside = next(root.iterchildren(HL7 + "ClinicalDocument"), None)
        inside = inside if inside is not None else next(root.iter(HL7 + "ClinicalDocument"), None)
        if inside is not None:
            return inside
        raise CdaRefused("structure", "The style sheet holds no ClinicalDocument in the namespace urn:hl7-org:v3.", "/")
    raise CdaRefused(
        "structure",
        f"The root element is {root.tag}; it must be ClinicalDocument in the namespace urn:hl7-org:v3.",
        "/",
    )
