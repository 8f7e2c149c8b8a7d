"""The rules of contained resources: dom-2 to dom-5, and references that start with '#'.

Spec: references.html#contained, domainresource.html#invariants
"""

from collections.abc import Iterator
from typing import Any

from fhir_server.validation.problem import Problem, Problems


def check_contained(resource: dict[str, Any], problems: Problems) -> Problems | None:
    """Return what remains of `problems` once the fragments that resolve are gone, and what dom-2 to dom-5 forbid."""
    contained = resource.get("contained")
    items = [item for item in contained if isinstance(item, dict)] if isinstance(contained, list) else []
    ids = {f"#{item['id']}" for item in items if isinstance(item.get("id"), str)}
    found = [problem for problem in problems if not problem.fragment or not _resolves(problem, ids)]
    named = _fragments(resource) - {"#"} if items else set()
    for index, item in enumerate(items):
        path = f".contained[{index}]"
        found += [Problem(message_id, (), path) for message_id in _item(item)]
        if f"#{item.get('id', '')}" not in named and "#" not in _fragments(item):
            found.append(Problem("dom-3", (), path))
    return found or None


def _resolves(problem: Problem, ids: set[str]) -> bool:
    # '#' alone is the container, and has a meaning within a contained resource only.
    return problem.fragment in ids or (problem.fragment == "#" and problem.path.startswith(".contained"))


def _item(item: dict[str, Any]) -> Iterator[str]:
    if "contained" in item:
        yield "dom-2"
    meta = item.get("meta")
    if isinstance(meta, dict):
        if "versionId" in meta or "lastUpdated" in meta:
            yield "dom-4"
        if "security" in meta:
            yield "dom-5"


def _fragments(node: Any) -> set[str]:
    return {text for text in _texts(node) if text.startswith("#")}


def _texts(node: Any) -> Iterator[str]:
    """Yield every text, for canonicals and URIs refer to contained resources too."""
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict):
        for value in node.values():
            yield from _texts(value)
    elif isinstance(node, list):
        for value in node:
            yield from _texts(value)
