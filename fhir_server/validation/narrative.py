"""The rules of XHTML in narratives: well-formed, static, safe to show.

Spec: narrative.html#xhtml
"""

import re
from typing import Any, Final
from xml.parsers import expat

from fhir_server.validation.problem import Problem, Problems, kind

XHTML: Final = "http://www.w3.org/1999/xhtml}"
DIV: Final = XHTML + "div"
_ELEMENTS: Final = frozenset(
    f"{XHTML}{name}"
    for names in (
        "p br div h1 h2 h3 h4 h5 h6 a span b em i strong small big tt sup sub dfn code samp var kbd cite abbr acronym",
        "q ins del bdo img map area table caption colgroup col thead tfoot tbody tr th td ul ol li dl dt dd pre hr",
        "blockquote address u s strike font center label",
    )
    for name in names.split()
)
_LINKS: Final = frozenset({"href", "src", "cite", "longdesc", "usemap", "background"})
_IGNORED: Final = re.compile(r"[\x00-\x20]+")
_ACTIVE: Final = re.compile(r"(?:javascript|vbscript|data(?!:image/(?:png|gif|jpeg|webp)[;,])):", re.I)
_STYLE: Final = re.compile(r"expression\s*\(|javascript:|@import|behavior\s*:|-moz-binding", re.I)


def check_narrative(value: Any) -> Problems | None:
    """Check the div of a narrative; see `Problem`."""
    if value.__class__ is not str:
        return [Problem("narrative-kind", (kind(value),))]
    reader = _Reader()
    try:
        reader.read(value)
    except expat.ExpatError as error:
        return [Problem("narrative-form", (error,))]
    if not reader.problems and not reader.has_content:
        return [Problem("txt-2")]
    return reader.problems or None


class _Reader:
    """Walk a narrative without building it: a third of the time of a tree."""

    def __init__(self) -> None:
        self.problems: Problems = []
        self.has_content = False
        self._is_root = True

    def read(self, text: str) -> None:
        parser = expat.ParserCreate(namespace_separator="}")
        parser.StartElementHandler = self._start
        parser.CharacterDataHandler = self._characters
        parser.StartDoctypeDeclHandler = parser.ProcessingInstructionHandler = self._declaration
        parser.Parse(text, True)

    def _declaration(self, *_: Any) -> None:
        # Raised at once, so that no entity of a document type is ever expanded.
        raise expat.ExpatError("a document type or a processing instruction may not stand here")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        if self._is_root and tag != DIV:
            self.problems.append(Problem("txt-1-root"))
        elif tag not in _ELEMENTS:
            self.problems.append(Problem("txt-1-element", (tag.rpartition("}")[2],)))
        self._is_root = False
        if tag == XHTML + "img":
            self.has_content = True
        for name, text in attributes.items():
            if _is_active(name, text):
                self.problems.append(Problem("txt-1-attribute", (name,)))

    def _characters(self, text: str) -> None:
        if not self.has_content and not text.isspace():
            self.has_content = True


def _is_active(name: str, text: str) -> bool:
    local = name.rpartition("}")[2].lower()
    if local.startswith("on"):
        return True
    if local == "style":
        return _STYLE.search(text) is not None
    # Browsers skip white space and control characters within a scheme.
    return local in _LINKS and _ACTIVE.match(_IGNORED.sub("", text)) is not None
