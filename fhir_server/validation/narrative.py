"""The rules of XHTML in narratives: well-formed, static, safe to show.

Spec: narrative.html#xhtml
"""

import re
from typing import Any, Final

from lxml import etree

from fhir_server.validation.problem import Problem, Problems, kind

XHTML: Final = "{http://www.w3.org/1999/xhtml}"
DIV: Final = XHTML + "div"
_ELEMENTS: Final = frozenset(
    f"{XHTML}{name}"
    for names in (
        "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt sup sub dfn code samp var kbd cite abbr acronym",
        "q ins del bdo img map area table caption colgroup col thead tfoot tbody tr th td ul ol li dl dt dd pre hr",
        "blockquote address u s strike font center label style",
    )
    for name in names.split()
)
_LINKS: Final = frozenset({"href", "src", "cite", "longdesc", "usemap", "background"})
_IGNORED: Final = re.compile(r"[\x00-\x20]+")
_ACTIVE: Final = re.compile(r"(?:javascript|vbscript|data(?!:image/(?:png|gif|jpeg|webp)[;,])):", re.I)
_STYLE: Final = re.compile(r"expression\s*\(|javascript:|@import|behavior\s*:|-moz-binding", re.I)
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)


def check_narrative(value: Any) -> Problems | None:
    """Check the div of a narrative; see `Problem`."""
    if value.__class__ is not str:
        return [Problem("structure", f"This is {kind(value)}: write the div element as a string.")]
    if "<!" in value.replace("<!--", "") or "<?" in value:
        return [Problem("structure", "The narrative declares a document type or a processing instruction: remove it.")]
    try:
        root = etree.fromstring(value, _PARSER)
    except (etree.XMLSyntaxError, ValueError) as error:
        sentence = f"The narrative is no well-formed XHTML ({error}): close what is open, use numeric entities."
        return [Problem("structure", sentence)]
    if root.tag != DIV:
        sentence = "The narrative is no div of the namespace http://www.w3.org/1999/xhtml: wrap it in one."
        return [Problem("invariant", "txt-1: " + sentence)]
    problems = [problem for element in root.iter() for problem in _element(element)]
    if not _has_content(root):
        problems.append(Problem("invariant", "txt-2: The narrative shows nothing: write text, or leave it out."))
    return problems or None


def _element(element: etree._Element) -> Problems:
    if callable(element.tag):  # A comment.
        return []
    tag = str(element.tag)
    if tag not in _ELEMENTS:
        name = tag.rpartition("}")[2]
        return [Problem("invariant", f"txt-1: The element '{name}' may not stand in a narrative: remove it.")]
    problems = [
        Problem("invariant", f"txt-1: The attribute '{name}' carries active content: remove it.")
        for name, text in map(_texts, element.attrib.items())
        if _is_active(name, text)
    ]
    if tag == XHTML + "style" and _STYLE.search("".join(map(str, element.itertext()))):
        problems.append(Problem("invariant", "txt-1: The style sheet refers to something outside: remove that."))
    return problems


def _texts(attribute: tuple[str | bytes, str | bytes]) -> tuple[str, str]:
    return str(attribute[0]), str(attribute[1])


def _is_active(name: str, text: str) -> bool:
    local = name.rpartition("}")[2].lower()
    if local.startswith("on"):
        return True
    if local == "style":
        return _STYLE.search(text) is not None
    # Browsers skip white space and control characters within a scheme.
    return local in _LINKS and _ACTIVE.match(_IGNORED.sub("", text)) is not None


def _has_content(root: etree._Element) -> bool:
    return any(str(text).strip() for text in root.itertext()) or root.find(f".//{XHTML}img") is not None
