"""Referenced: what resources refer to, as far as the caller may see it.

Spec: patient-operation-everything.html, documents.html#content
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from fhir_server.access.decision import decide
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.resource import Version
from fhir_server.interactions.request import Request
from fhir_server.storage.store import Reader


def references_of(content: bytes, base_url: str) -> list[str]:
    """Return the `Type/id` that a resource refers to on this server, each once, in the order of the text."""
    named = (parse_reference(text, (base_url,)) for text in _texts(msgspec.json.decode(content)))
    return list(dict.fromkeys(f"{one.target_type}/{one.target_id}" for one in named if one.kind == "relative"))


def _texts(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for item in node:
            yield from _texts(item)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "reference" and isinstance(value, str):
                yield value
            else:
                yield from _texts(value)


async def read_referenced(request: Request, reader: Reader, reference: str) -> Version | None:
    """Return what a reference names; None for what is unknown, deleted, or not for the caller."""
    resource_type, _, resource_id = reference.partition("/")
    try:
        within = decide(request.grant, "read", resource_type)
    except Forbidden:
        return None
    version = await reader.read(resource_type, resource_id, within=within)
    return None if version is None or version.is_deleted else version


async def referenced(
    request: Request, reader: Reader, versions: Iterable[Version], is_wanted: Callable[[str], bool], most: int
) -> list[Version]:
    """Return what versions refer to and is not among them, of the types wanted: at most so many, in order."""
    listed = list(versions)
    known = {version.reference for version in listed}
    found: list[Version] = []
    for version in listed:
        for reference in references_of(version.content, request.base_url):
            if len(found) == most:
                return found
            if reference in known or not is_wanted(reference.partition("/")[0]):
                continue
            known.add(reference)
            target = await read_referenced(request, reader, reference)
            if target is not None:
                found.append(target)
    return found
