"""Decision: which resources a grant reaches with an interaction, as a Condition that every query carries.

Spec: security.html#authorization, http.html#security
"""

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Final

from fhir_server.access import labels
from fhir_server.access.callers import deposited
from fhir_server.access.directory import DIRECTORY_TYPES
from fhir_server.access.grant import Grant, Scope
from fhir_server.access.granular import condition_of
from fhir_server.access.matrix.cells import Matrix
from fhir_server.access.matrix.load import install_matrix
from fhir_server.access.rows import in_record
from fhir_server.access.rule import Rule
from fhir_server.access.rules import app, matrix, modes, notice, patient, professional, record, secrecy, system
from fhir_server.foundation.operation_outcome import Forbidden, InsufficientScope
from fhir_server.search.condition import ALWAYS, NEVER, Condition, OfType, Related, all_of, any_of, none_of

SOURCES: Final[tuple[Callable[[Grant], Iterable[Rule]], ...]] = (
    record.rules,
    professional.rules,
    modes.rules,
    matrix.rules,
    labels.rules,
    secrecy.rules,
    patient.rules,
    app.rules,
    system.rules,
    notice.rules,
)
"""Whoever may allow or deny; each yields nothing for the grants it does not know. In the order in which
decisions are explained (Mon espace santé): the record, the professional, the mode, the matrix, labels, minors, apps."""

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

_CONTEXTS: Final = {
    "system": ("system",),
    **dict.fromkeys(("patient", "representative", "professional"), ("patient", "user")),
}
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
        raise InsufficientScope(
            f"The scopes of the token do not cover {interaction} on {resource_type or 'all types'}."
        )
    rules = rules_of(grant, letter)
    allowed = any_of(*_merged(dict.fromkeys(_part(rule, resource_type) for rule in rules if not rule.is_denial)))
    denied = [rule for rule in rules if rule.is_denial]
    within = all_of(*dict.fromkeys((reach, allowed)), *_walls(denied, resource_type))
    if within == NEVER:
        raise Forbidden(f"A caller of this kind ({grant.kind}) may not {interaction} {resource_type or 'all types'}.")
    return within


def use_matrix(matrix: Matrix) -> None:
    """Decide by another edition of the matrix from now on, in this process: once, before the first request."""
    install_matrix(matrix)
    decide.cache_clear()


def rules_of(grant: Grant, letter: str) -> list[Rule]:
    """Return the rules that speak of the interactions of a letter to the caller, in the order of the sources."""
    return [rule for source in SOURCES for rule in source(grant) if letter in rule.interactions]


def scope_reach(grant: Grant, letter: str, resource_type: str) -> Condition:
    """Return what the scopes alone reach; `patient/` reaches the launch patient's record and the directory."""
    if grant.kind == "open":
        return ALWAYS if letter else NEVER
    contexts = _CONTEXTS.get(grant.kind, ())
    used = [scope for scope in grant.scopes if letter and letter in scope.interactions and scope.context in contexts]
    return any_of(*dict.fromkeys(_scope_reach(grant, scope, resource_type) for scope in used))


def _scope_reach(grant: Grant, scope: Scope, resource_type: str) -> Condition:
    types = frozenset() if scope.resource_type == "*" else frozenset({scope.resource_type})
    constraint = condition_of(scope)
    if scope.context != "patient":
        return _of_types(constraint, resource_type, types)
    record = any_of(
        in_record(grant.patient_id),
        _of_types(ALWAYS, resource_type, DIRECTORY_TYPES),
        _of_types(deposited(grant), resource_type, _BY_REFERENCE),
    )
    return _of_types(all_of(record, constraint), resource_type, types)


def _part(rule: Rule, resource_type: str) -> Condition:
    return _of_types(applies(rule), resource_type, rule.types, rule.except_types)


def applies(rule: Rule) -> Condition:
    """Return the condition under which a rule says what it says, on a resource of its types."""
    return all_of(rule.condition, none_of(rule.unless))


def _walls(denials: Iterable[Rule], resource_type: str) -> Iterator[Condition]:
    """Return the conditions that no denial holds; those that spare the same are told once of it."""
    by_exemption: dict[Condition, list[Condition]] = {}
    for rule in denials:
        part = _of_types(rule.condition, resource_type, rule.types, rule.except_types)
        by_exemption.setdefault(rule.unless, []).append(part)
    for exemption, parts in by_exemption.items():
        merged = _merged(dict.fromkeys(parts))
        if exemption == NEVER:
            yield from (none_of(part) for part in merged)
        else:
            yield none_of(all_of(any_of(*merged), none_of(exemption)))


def _merged(parts: Iterable[Condition]) -> list[Condition]:
    """Return the parts, with one question for all grounds on which the same actors are related."""
    grounds: dict[tuple[str, ...], tuple[str, ...]] = {}
    others: list[Condition] = []
    for part in parts:
        if isinstance(part, Related):
            grounds[part.actors] = (*grounds.get(part.actors, ()), *part.grounds)
        else:
            others.append(part)
    # A relation is what opens most records: asked first, it spares the other questions.
    return [*(Related(actors, found) for actors, found in grounds.items()), *others]


def _of_types(
    condition: Condition, resource_type: str, types: frozenset[str], except_types: frozenset[str] = frozenset()
) -> Condition:
    """Return the condition as it stands for one type, or bound to its types when all are asked at once."""
    if resource_type:
        return condition if (not types or resource_type in types) and resource_type not in except_types else NEVER
    included = OfType(tuple(sorted(types))) if types else ALWAYS
    excluded = OfType(tuple(sorted(except_types))) if except_types else NEVER
    return all_of(condition, included, none_of(excluded))
