"""Environment variables: `%resource`, `%context`, the code systems' urls, and what the caller adds.

Spec: https://hl7.org/fhirpath/N1/#environment-variables, fhirpath.html#variables
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.fhir import CORE_PROFILES, container_of, resource_of
from fhir_server.fhirpath.node import UCUM_URL, Node, root
from fhir_server.fhirpath.types import UNTYPED

_URLS: Final = {"sct": "http://snomed.info/sct", "loinc": "http://loinc.org", "ucum": UCUM_URL}
_PREFIXES: Final = {"vs-": "http://hl7.org/fhir/ValueSet/", "ext-": CORE_PROFILES}


def variable(name: str) -> Run:
    """Return the closure of `%name`."""
    fixed = _fixed(name)

    def run(frame: Frame) -> Items:
        if name in frame.variables:
            return frame.variables[name]
        if name in frame.context.variables:
            return _items(frame.context.variables[name])
        if fixed is not None:
            return fixed
        if name not in _LIVE:
            raise EvaluationFailed(f"%{name} is not known here: give its value, or mend its name.")
        return _LIVE[name](frame)

    return run


def _fixed(name: str) -> Items | None:
    if name in _URLS:
        return [_URLS[name]]
    for prefix, url in _PREFIXES.items():
        if name.startswith(prefix):
            return [url + name.removeprefix(prefix)]
    return None


def _items(value: Any) -> Items:
    """Return what the caller gave as items: a dict is a resource or untyped JSON."""
    if value is None:
        return []
    values = value if isinstance(value, list) else [value]
    return [_item(one) for one in values]


def _item(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return root(value) if "resourceType" in value else Node(value, UNTYPED)


def _context(frame: Frame) -> Items:
    return frame.start


def _nodes(find: Callable[[Node], Node]) -> Run:
    def run(frame: Frame) -> Items:
        return [find(item) for item in frame.start[:1] if item.__class__ is Node]

    return run


_LIVE: Final[dict[str, Run]] = {
    "context": _context,
    "resource": _nodes(resource_of),
    "rootResource": _nodes(container_of),
}
