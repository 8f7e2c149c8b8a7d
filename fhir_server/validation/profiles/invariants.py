"""Invariants: the rules of R4 and of profiles, in FHIRPath, each compiled once.

Spec: conformance-rules.html#constraints, elementdefinition.html#ElementDefinition.constraint
"""

from functools import cache
from typing import Final

from msgspec.structs import replace

from fhir_server import fhirpath
from fhir_server.foundation.definitions import INVARIANTS, table
from fhir_server.foundation.operation_outcome import FhirError
from fhir_server.foundation.structure import Invariant, invariants
from fhir_server.validation.invariant_texts import FRENCH
from fhir_server.validation.profiles.place import Place, container_place, node_of, resource_place
from fhir_server.validation.profiles.run import Run
from fhir_server.validation.profiles.values import Check
from fhir_server.validation.texts import Words

AT_THE_DOOR: Final = frozenset(
    {"ele-1", "ext-1", "dom-2", "dom-3", "dom-4", "dom-5", "ref-1", "per-1", "txt-1", "txt-2"}
)
"""The rules that the structural check has seen to."""


@cache
def core_keys() -> frozenset[str]:
    """Return the keys of all rules of R4, which profiles repeat."""
    return frozenset(rule.key for path in table(INVARIANTS) for rule in invariants(path))


@cache
def class_checks(class_name: str, path: str) -> tuple[Check, ...]:
    """Return the checks of R4's own rules for a value of a class that stands at an element path."""
    rules = {rule.key: rule for name in (class_name, path) for rule in invariants(name)}
    return tuple(invariant_check(rule) for rule in rules.values() if rule.key not in AT_THE_DOOR)


def invariant_check(rule: Invariant, *, is_of_holder: bool = False) -> Check:
    """Return the check of one rule; a rule that cannot be evaluated is said to be unchecked.

    `is_of_holder`: the rule is of an element, so that when a resource stands there, %resource is the one that holds it.
    """
    try:
        expression = fhirpath.compile(rule.expression, is_as_filter=True)
    except FhirError as error:
        reason = str(error)
        return lambda place, run: run.add("invariant-unchecked", place, rule.key, reason)

    sentence = Words(rule.sentence, FRENCH.get(rule.key, rule.sentence))

    def check(place: Place, run: Run) -> None:
        doubts = len(run.doubts)
        try:
            holds = expression.is_true(node_of(place), _context(place, run) if is_of_holder else run.context)
        except FhirError as error:
            run.add("invariant-unchecked", place, rule.key, error)
            return
        # Choice: a rule that comes to nothing asks nothing of what is absent, such as `fullUrl.contains(...).not()`.
        if holds is not True and len(run.doubts) > doubts:
            run.add("invariant-unchecked", place, rule.key, run.doubts[-1])
        elif holds is False:
            run.add("invariant", place, rule.key, sentence, severity=rule.severity)

    return check


def _context(place: Place, run: Run) -> fhirpath.Context:
    is_resource = place.value.__class__ is dict and "resourceType" in place.value
    if not is_resource or place.parent is None:
        return run.context
    holder, root = node_of(resource_place(place.parent)), node_of(container_place(place.parent))
    return replace(run.context, variables={"resource": [holder], "rootResource": [root]})
