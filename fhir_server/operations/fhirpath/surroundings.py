"""Surroundings: what an expression that is asked of the server may ask in turn.

Spec: fhirpath.html#functions, fhirpath.html#variables
"""

from collections.abc import Mapping
from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.fhirpath.functions.fhir import CORE_PROFILES
from fhir_server.foundation.parameters import Part, parts
from fhir_server.foundation.structure import ABSTRACT_TYPES, DATA_TYPES, RESOURCE_TYPES
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.interactions.request import Runtime
from fhir_server.operations.terminology.answering import terminology_of
from fhir_server.validation.narrative import check_narrative

_TYPES: Final = RESOURCE_TYPES | DATA_TYPES | ABSTRACT_TYPES


def surroundings(variables: Part, runtime: Runtime, steps: int) -> fhirpath.Context:
    """Return the clock, the terminology and the profiles of the server, and the variables that were given."""
    asked = _Asked(runtime)
    return fhirpath.Context(
        now=runtime.now,
        resolve=lambda reference: None,
        member_of=asked.member_of,
        conforms_to=asked.conforms_to,
        subsumes=asked.subsumes,
        element_definition=asked.element_definition,
        is_in_slice=asked.is_in_slice,
        checks_html=lambda text: check_narrative(text) is None,
        variables={part["name"]: _variable(part) for part in parts(variables)},
        steps=steps,
    )


class _Asked:
    """Answer for one request; None means that nobody knows."""

    def __init__(self, runtime: Runtime) -> None:
        self._terminology = terminology_of(runtime)
        self._profiling = Profiling(_nothing) if runtime.profiling is None else runtime.profiling

    def member_of(self, item: Any, value_set: str) -> bool | None:
        found = _value(item)
        return self._terminology.member_of(value_set, found) if isinstance(found, str | Mapping) else None

    def subsumes(self, above: Any, below: Any) -> bool | None:
        first, second = _value(above), _value(below)
        if not (isinstance(first, Mapping) and isinstance(second, Mapping)):
            return None
        system, codes = first.get("system"), (first.get("code"), second.get("code"))
        if not isinstance(system, str) or system != second.get("system") or not all(codes):
            return None
        return self._terminology.subsumes(system, str(codes[0]), str(codes[1]))

    def conforms_to(self, node: fhirpath.Node, profile: str) -> bool | None:
        name = profile.removeprefix(CORE_PROFILES)
        if name != profile and name in _TYPES:
            return f"FHIR.{name}" in node.type.ancestors
        if not node.type.is_resource or self._profiling.unknown([profile]):
            return None
        issues = self._profiling.judge(node.value, (profile,), hints=False)
        return all(issue.severity not in ("error", "fatal") for issue in issues)

    def element_definition(self, node: fhirpath.Node) -> Mapping[str, Any] | None:
        return self._profiling.element_definition(node)

    def is_in_slice(self, node: fhirpath.Node, structure: str, name: str) -> bool:
        if self._profiling.unknown([structure]):
            raise fhirpath.EvaluationFailed(f"The profile '{structure[:200]}' is not known here.")
        return self._profiling.is_in_slice(node, structure, name)


def _nothing(canonical: str, resource_type: str) -> None:
    return None


def _value(item: Any) -> Any:
    return item.value if isinstance(item, fhirpath.Node) else item


def _variable(part: Part) -> Any:
    """Return the value of a variable as the engine takes it: a node of its type, a resource, or nothing."""
    if "resource" in part:
        return part["resource"]
    name = next((name for name in part if name.startswith("value")), "")
    return fhirpath.typed(part[name], name.removeprefix("value")) if name else None
