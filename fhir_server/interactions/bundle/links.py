"""Links: make the resources of a transaction point at each other by the ids that the server gives.

Spec: http.html#trules, bundle.html#references
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.structure import RESOURCE_TYPES, Structure, structure

IN_NARRATIVE: Final = re.compile(r"""(\b(?:href|src)\s*=\s*)(["'])(.*?)\2""", re.DOTALL)
IN_MARKDOWN: Final = re.compile(r"(\]\(\s*<?)([^\s<>()]+)")
LINKING: Final = frozenset({"uri", "url", "oid", "uuid"})
"""Types whose whole value may be a link. Canonicals never are: they name what a resource says it is."""
TEXTS: Final = frozenset({"value", "id", "display", "title", "text", "data"})
"""Choice: in a JSON Patch, which tells no types, a text equal to a fullUrl is a link in every member but these."""
VERSION_SPECIFIC: Final = "http://hl7.org/fhir/StructureDefinition/resolve-as-version-specific"


class Links:
    """Replaces what `table` knows (a fullUrl, or a reference) and gathers the conditional references it meets.

    `has_version_specific` tells that a reference was met that asks for the version which the transaction makes.
    Resources are never changed: `relink` returns a copy that shares what stays the same.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table
        self.conditional: set[str] = set()
        self.has_version_specific = False
        self._root = ""

    def relink(self, resource: dict[str, Any], full_url: str = "") -> dict[str, Any]:
        """Return the resource with its links replaced; relative ones are resolved against its fullUrl's root."""
        self._root = root_of(full_url)
        return self._resource(resource)

    def _resource(self, resource: dict[str, Any]) -> dict[str, Any]:
        resource_type = resource.get("resourceType")
        is_known = isinstance(resource_type, str) and resource_type in RESOURCE_TYPES
        return self._node(resource, structure(str(resource_type)) if is_known else None)

    def _node(self, node: dict[str, Any], known: Structure | None) -> dict[str, Any]:
        if "extension" in node and asks_version(node):
            self.has_version_specific = True
        changed: dict[str, Any] = {}
        for name, value in node.items():
            new = self._member(name, value, known)
            if new is not value:
                changed[name] = new
        return {**node, **changed} if changed else node

    def _member(self, name: str, value: Any, known: Structure | None) -> Any:
        if known is None:
            return self._value(name, value, "", None)
        element = known.elements.get(name.removeprefix("_"))
        if element is None:
            return value
        if name == "url" and known.kind == "resource":
            # Choice: the canonical URL of a definition is its name, also when the fullUrl is the same.
            return value
        if name[0] == "_":
            return self._value(name, value, "", structure("Element"))
        if isinstance(value, str) or element.is_primitive:
            return self._value(name, value, element.type_code, known)
        return self._value(name, value, "", structure(element.class_name))

    def _value(self, name: str, value: Any, type_code: str, known: Structure | None) -> Any:
        if isinstance(value, dict):
            return self._resource(value) if "resourceType" in value else self._node(value, known)
        if isinstance(value, list):
            items = [self._value(name, item, type_code, known) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        if not isinstance(value, str):
            return value
        return self._untyped(name, value) if known is None else self._text(name, value, type_code, known)

    def _text(self, name: str, text: str, type_code: str, known: Structure) -> str:
        if name == "reference" and known.name == "Reference":
            return self._reference(text)
        if type_code in LINKING:
            return self._link(text)
        if type_code == "xhtml":
            return IN_NARRATIVE.sub(self._attribute, text)
        return IN_MARKDOWN.sub(self._destination, text) if type_code == "markdown" else text

    def _untyped(self, name: str, text: str) -> str:
        if name == "reference":
            return self._reference(text)
        if name == "div":
            return IN_NARRATIVE.sub(self._attribute, text)
        return text if name in TEXTS else self._link(text)

    def _link(self, text: str) -> str:
        """Return where a link leads, or rather the part of it before its fragment."""
        found = self.table.get(text)
        if found is None and "#" in text:
            start, mark, fragment = text.partition("#")
            found = f"{self.table[start]}{mark}{fragment}" if start in self.table else None
        return text if found is None else found

    def _reference(self, text: str) -> str:
        if is_conditional(text):
            self.conditional.add(text)
        # Choice: a link to a version of what the bundle writes becomes one to what is current: the versions are ours.
        plain = text.partition("/_history/")[0]
        found = self.table.get(text) or self.table.get(plain)
        if found is None and self._root and not text.startswith(("#", "urn:")) and "://" not in text:
            found = self.table.get(f"{self._root}/{plain}")
        return self._link(text) if found is None else found

    def _attribute(self, found: re.Match[str]) -> str:
        start, quote, url = found.groups()
        return f"{start}{quote}{self._link(url)}{quote}"

    def _destination(self, found: re.Match[str]) -> str:
        start, url = found.groups()
        return f"{start}{self._link(url)}"


def is_conditional(reference: str) -> bool:
    """Say whether a reference is a search, `Patient?identifier=...`, that a transaction resolves."""
    return "?" in reference and parse_reference(reference).kind == "conditional"


def asks_version(node: dict[str, Any]) -> bool:
    """Say whether a Reference asks to become one to the version that the transaction makes of its target."""
    extensions = node["extension"]
    return (
        "reference" in node
        and isinstance(extensions, list)
        and any(isinstance(one, dict) and one.get("url") == VERSION_SPECIFIC for one in extensions)
    )


def root_of(full_url: str) -> str:
    """Return the base of a RESTful fullUrl, `http://x/fhir` of `http://x/fhir/Patient/1`; "" of any other."""
    if not full_url.startswith(("http://", "https://")):
        return ""
    parts = full_url.rsplit("/", 2)
    return parts[0] if len(parts) == 3 else ""
