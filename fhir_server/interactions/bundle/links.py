"""Links: make the resources of a transaction point at each other by the ids that the server gives.

Spec: http.html#trules, bundle.html#references
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from fhir_server.foundation.references import parse_reference

IN_NARRATIVE: Final = re.compile(r"""(\b(?:href|src)\s*=\s*)(["'])(.*?)\2""", re.DOTALL)
TEXTS: Final = frozenset({"value", "id", "display", "title", "text", "data"})
"""Choice: a text equal to a fullUrl is a link in every element but these; Identifier.value above all is no link."""


class Links:
    """Replaces what `table` knows (a fullUrl, or a reference) and gathers the conditional references it meets.

    Resources are never changed: `relink` returns a copy that shares what stays the same.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        self.table = table
        self.conditional: set[str] = set()
        self._root = ""

    def relink(self, resource: dict[str, Any], full_url: str = "") -> dict[str, Any]:
        """Return the resource with its links replaced; relative ones are resolved against its fullUrl's root."""
        self._root = root_of(full_url)
        result: dict[str, Any] = self._node(resource)
        return result

    def _node(self, node: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, value in node.items():
            new = self._value(name, value)
            if new is not value:
                changed[name] = new
        return {**node, **changed} if changed else node

    def _value(self, name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return self._node(value)
        if isinstance(value, list):
            items = [self._value(name, item) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        return self._text(name, value) if isinstance(value, str) else value

    def _text(self, name: str, text: str) -> str:
        if name == "reference":
            return self._reference(text)
        if name == "div":
            return IN_NARRATIVE.sub(self._attribute, text)
        return text if name in TEXTS else self.table.get(text, text)

    def _reference(self, text: str) -> str:
        if is_conditional(text):
            self.conditional.add(text)
        # Choice: a link to a version of what the bundle writes becomes one to what is current: the versions are ours.
        plain = text.partition("/_history/")[0]
        found = self.table.get(text) or self.table.get(plain)
        if found is None and self._root and not text.startswith(("#", "urn:")) and "://" not in text:
            found = self.table.get(f"{self._root}/{plain}")
        return text if found is None else found

    def _attribute(self, found: re.Match[str]) -> str:
        start, quote, url = found.groups()
        return f"{start}{quote}{self.table.get(url, url)}{quote}"


def is_conditional(reference: str) -> bool:
    """Say whether a reference is a search, `Patient?identifier=...`, that a transaction resolves."""
    return "?" in reference and parse_reference(reference).kind == "conditional"


def root_of(full_url: str) -> str:
    """Return the base of a RESTful fullUrl, `http://x/fhir` of `http://x/fhir/Patient/1`; "" of any other."""
    if not full_url.startswith(("http://", "https://")):
        return ""
    parts = full_url.rsplit("/", 2)
    return parts[0] if len(parts) == 3 else ""
