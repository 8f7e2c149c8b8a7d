"""Decision: which resources a grant reaches with an interaction, as a Condition that every query carries.

Spec: security.html#authorization, http.html#security
"""

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Final

from fhir_server.access import labels
from fhir_server.access.callers import deposited
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant, Scope
from fhir_server.access.rows import in_record
from fhir_server.access.rule import Rule
from fhir_server.access.rules import patient, professional, system
from fhir_server.foundation.operation_outcome import Forbidden
from fhir_server.search.condition import ALWAYS, NEVER, Condition, OfType, all_of, any_of, none_of

SOURCES: Final[tuple[Callable[[Grant], Iterable[Rule]], ...]] = (
    system.rules,
    patient.rules,
    professional.rules,
    labels.rules,
)
"""Whoever may allow or deny; each yields nothing for the grants it does not know."""

LETTERS: Final = {
    "read": "r",
    "vread": "r",
    "history": "r",
    "history-instance": "r",
    "history-type": "s",
    "history-system": "s",
    "search": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
}
"""The SMART letter of each interaction; an update that creates is an update."""

_CONTEXTS: Final = {"system": ("system",), "patient": ("patient", "user"), "professional": ("patient", "user")}
_BY_REFERENCE: Final = frozenset({"Binary", "Bundle", "Device", "Provenance"})
"""They enter a record through what refers to them: within `patient/` the caller's own deposits count."""


@lru_cache(maxsize=16_384)
def decide(grant: Grant, interaction: str, resource_type: str) -> Condition:
    """Return what the grant reaches: resources outside it do not exist for the caller.

    `resource_type` "" asks for all types at once. On create and update the condition is judged on the rows of the new
    content too. Raises Forbidden (403) when the grant reaches nothing of the type with that interaction.
    """
    letter = LETTERS.get(interaction, "")
    if resource_type == "" and interaction == "history":
        letter = "s"
    reach = scope_reach(grant, letter, resource_type)
    if reach == NEVER:
        raise Forbidden(f"The scopes of the token do not cover {interaction} on {resource_type or 'all types'}.")
    rules = [rule for source in SOURCES for rule in source(grant) if letter in rule.interactions]
    allowed = any_of(*_parts(rules, resource_type, is_denial=False))
    denied = _parts(rules, resource_type, is_denial=True)
    within = all_of(*dict.fromkeys((reach, allowed)), *(none_of(condition) for condition in denied))
    if within == NEVER:
        raise Forbidden(f"A caller of this kind ({grant.kind}) may not {interaction} {resource_type or 'all types'}.")
    return within


def scope_reach(grant: Grant, letter: str, resource_type: str) -> Condition:
    """Return what the scopes alone reach; `patient/` reaches the launch patient's record and the directory."""
    if grant.kind == "open":
        return ALWAYS if letter else NEVER
    contexts = _CONTEXTS.get(grant.kind, ())
    used = [scope for scope in grant.scopes if letter and letter in scope.interactions and scope.context in contexts]
    return any_of(*dict.fromkeys(_scope_reach(grant, scope, resource_type) for scope in used))


def _scope_reach(grant: Grant, scope: Scope, resource_type: str) -> Condition:
    types = frozenset() if scope.resource_type == "*" else frozenset({scope.resource_type})
    if scope.context != "patient":
        return _of_types(ALWAYS, resource_type, types)
    record = any_of(
        in_record(grant.patient_id),
        _of_types(ALWAYS, resource_type, DIRECTORY_TYPES),
        _of_types(deposited(grant), resource_type, _BY_REFERENCE),
    )
    return _of_types(record, resource_type, types)


def _parts(rules: Iterable[Rule], resource_type: str, is_denial: bool) -> Iterable[Condition]:
    parts = (
        _of_types(rule.condition, resource_type, rule.types, rule.except_types)
        for rule in rules
        if rule.is_denial == is_denial
    )
    return dict.fromkeys(parts)


def _of_types(
    condition: Condition, resource_type: str, types: frozenset[str], except_types: frozenset[str] = frozenset()
) -> Condition:
    """Return the condition as it stands for one type, or bound to its types when all are asked at once."""
    if resource_type:
        return condition if (not types or resource_type in types) and resource_type not in except_types else NEVER
    included = OfType(tuple(sorted(types))) if types else ALWAYS
    excluded = OfType(tuple(sorted(except_types))) if except_types else NEVER
    return all_of(condition, included, none_of(excluded))
