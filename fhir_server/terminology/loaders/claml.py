"""CIM-10 in ClaML, the XML in which WHO and ATIH publish classifications.

Spec: ClaML (EN 14463:2007), https://www.atih.sante.fr (CIM-10 FR à usage PMSI)

Choice: ClaML and not ATIH's table of labels (LIBCIM10), because ClaML alone tells the hierarchy.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from lxml import etree

from fhir_server.foundation.operation_outcome import Unprocessable
from fhir_server.terminology.tables.write import Fact

URL: Final = "http://hl7.org/fhir/sid/icd-10"
_LANG: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_DOCTYPE: Final = re.compile(rb"<!ENTITY|<!DOCTYPE[^>\[]*\[", re.IGNORECASE)
_HEAD: Final = 65_536
_TEXTS: Final = {"definition": "definition", "preferred": "display"}


class Claml:
    """Read one ClaML file as the code system `url`; a version comes from its title when it is not told."""

    def __init__(self, path: Path, version: str = "", url: str = URL) -> None:
        self._path = path
        self._url = url
        with path.open("rb") as file:
            if _DOCTYPE.search(file.read(_HEAD)):
                raise Unprocessable(f"{path.name} declares entities: remove the declaration.")
        self._title, told = self._head()
        self._version = version or told

    def _head(self) -> tuple[str, str]:
        found = "", ""
        for node in self._nodes("Title"):
            found = "".join(node.itertext()).strip() or (node.get("name") or ""), node.get("version") or ""
        return found

    def system(self) -> dict[str, Any]:
        """See Source.system."""
        return {
            "resourceType": "CodeSystem",
            "url": self._url,
            "name": "CIM10" if self._url == URL else "ClaML",
            "title": self._title or "CIM-10",
            "status": "active",
            "content": "complete",
            "hierarchyMeaning": "is-a",
            "language": "fr",
        } | ({"version": self._version} if self._version else {})

    def codes(self) -> Iterator[str]:
        """See Source.codes."""
        return (node.get("code") or "" for node in self._nodes("Class"))

    def facts(self) -> Iterator[Fact]:
        """See Source.facts."""
        for node in self._nodes("Class"):
            code = node.get("code") or ""
            yield code, "property", ("kind", "valueCode", node.get("kind") or "category")
            if node.get("kind") in ("chapter", "block"):
                yield code, "property", ("notSelectable", "valueBoolean", True)
            for above in node.iterchildren("SuperClass"):
                yield code, "parent", above.get("code") or ""
            for rubric in node.iterchildren("Rubric"):
                yield from _rubric(code, rubric)

    def _nodes(self, tag: str) -> Iterator[Any]:
        """Yield each element of a name; what was read is let go."""
        try:
            for _, node in etree.iterparse(
                self._path, tag=tag, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False
            ):
                yield node
                node.clear()
                while node.getprevious() is not None:
                    del node.getparent()[0]
        except etree.XMLSyntaxError as error:
            raise Unprocessable(f"{self._path.name} is no XML: {error.msg or 'syntax error'}.") from None


def _rubric(code: str, rubric: Any) -> Iterator[Fact]:
    kind = rubric.get("kind") or ""
    for label in rubric.iterchildren("Label"):
        text = " ".join("".join(label.itertext()).split())
        if not text:
            continue
        if kind in _TEXTS:
            yield code, _TEXTS[kind], text
        elif kind in ("inclusion", "preferredLong"):
            yield code, "designation", (text, label.get(_LANG) or "fr", None)
