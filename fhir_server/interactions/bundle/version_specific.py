"""Version-specific references: links of a transaction to the very versions that it makes.

Spec: http.html#trules, extension-resolve-as-version-specific.html
"""

from collections.abc import Iterator, Mapping
from typing import Any

from fhir_server.interactions.bundle.links import VERSION_SPECIFIC, asks_version


def version_specific(node: Any) -> Iterator[str]:
    """Yield the references, within a resource, that ask for the version which the transaction makes."""
    if isinstance(node, list):
        for item in node:
            yield from version_specific(item)
    elif isinstance(node, dict):
        if "extension" in node and asks_version(node) and isinstance(node["reference"], str):
            yield node["reference"]
        for value in node.values():
            yield from version_specific(value)


def with_versions(node: Any, version_ids: Mapping[str, int]) -> Any:
    """Return a copy whose references lead to versions, without the extension that asked for it.

    A reference to what the transaction does not write stays as it is: it may be meant for another server.
    """
    if isinstance(node, list):
        return [with_versions(item, version_ids) for item in node]
    if not isinstance(node, dict):
        return node
    copy = {name: with_versions(value, version_ids) for name, value in node.items()}
    if "extension" in node and asks_version(node) and node["reference"] in version_ids:
        copy["reference"] = f"{node['reference']}/_history/{version_ids[node['reference']]}"
        copy["extension"] = [one for one in copy["extension"] if one.get("url") != VERSION_SPECIFIC]
        if not copy["extension"]:
            del copy["extension"]
    return copy
