"""Rank: how much the index of a condition is expected to find; in every backend, a search starts from the least.

Choice: a static order, because counting first would cost a statement. What is known to be large (a status, a
category, the documents of an author) comes late.
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.search.condition import (
    And,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    Near,
    Or,
    Related,
    Same,
    Updated,
)
from fhir_server.search.index_row import (
    COMPARTMENT,
    DATE,
    NUMBER,
    POSITION,
    QUANTITY,
    REFERENCE,
    RELATION,
    STRING,
    TEXT,
    TOKEN,
    URI,
)

FREQUENT: Final = 35
"""From this rank on, an index may find a large part of all resources."""

INTERVAL: Final = 60
WORDS: Final = 30
NEARNESS: Final = 32
CONTAINERS: Final = 45
NEVER: Final = 1000
"""The rank of what no index answers."""

LEADING: Final = {
    TOKEN: "code",
    STRING: "folded",
    URI: "value",
    REFERENCE: "target_id",
    COMPARTMENT: "compartment_id",
}
"""The column that follows the parameter (or the target type) in a table by value."""

_COMPARES: Final = {COMPARTMENT: 10, REFERENCE: 12, URI: 20, STRING: 22, TOKEN: 40}
_FEW: Final = frozenset(("identifier", "masterIdentifier", "value"))
_MANY: Final = frozenset(("_security", "_tag", "active", "category", "class", "deceased", "gender", "intent", "status"))
_LARGE_TARGETS: Final = frozenset(("Device", "Location", "Organization", "Practitioner", "PractitionerRole"))


def rank(condition: Condition) -> int:
    """Return how much the condition's index is expected to find: NEVER when it has none."""
    ranking = _RANKS.get(type(condition))
    return NEVER if ranking is None else ranking(condition)


def parts(condition: Condition) -> tuple[Condition, ...]:
    """Return the conditions that must all hold."""
    if isinstance(condition, And):
        return tuple(part for inner in condition.conditions for part in parts(inner))
    return (condition,)


def within_contained(condition: Contains) -> Condition | None:
    """Return the part, of what is asked of a contained resource, that is expected to find the fewest containers."""
    best = min(filter(_is_of_rows, parts(condition.condition)), key=rank, default=None)
    return None if best is None or rank(best) >= NEVER else best


def _is_of_rows(condition: Condition) -> bool:
    """Say whether the tables by value answer for contained resources, as they do for their containers."""
    if isinstance(condition, And | Or):
        return bool(condition.conditions) and all(map(_is_of_rows, condition.conditions))
    if isinstance(condition, Compare):
        return condition.family not in (COMPARTMENT, TEXT)
    return isinstance(condition, Same | Near) or (isinstance(condition, Exists) and not condition.is_reverse)


def _contains(condition: Contains) -> int:
    best = within_contained(condition)
    return CONTAINERS if best is None else rank(best) + 5


def _and(condition: And) -> int:
    return min(map(rank, parts(condition)), default=NEVER)


def _or(condition: Or) -> int:
    return max(map(rank, condition.conditions), default=NEVER)


def _exists(condition: Exists) -> int:
    inner = rank(condition.condition)
    return NEVER if inner == NEVER else inner + 5


def _same(condition: Same) -> int:
    return min(map(rank, condition.comparisons), default=NEVER)


def _compare(condition: Compare) -> int:
    operators = {column: operator for column, operator, _ in condition.tests}
    if condition.family in (DATE, NUMBER, QUANTITY):
        is_bounded = "low" in operators or "high" in operators
        return INTERVAL if is_bounded else NEVER
    if condition.family == TEXT:
        return WORDS if condition.tests else NEVER
    if condition.family in (RELATION, POSITION):
        return NEVER
    leading = operators.get(LEADING[condition.family])
    if leading not in ("eq", "in", "prefix") or (condition.family == REFERENCE and "target_type" not in operators):
        return NEVER
    return _COMPARES[condition.family] + _spread(condition) + {"eq": 0, "in": 1, "prefix": 2}[leading]


def _spread(condition: Compare) -> int:
    if condition.family == TOKEN:
        return -32 if condition.parameter in _FEW else 15 if condition.parameter in _MANY else 0
    if condition.family == REFERENCE and any(
        column == "target_type" and value in _LARGE_TARGETS for column, _, value in condition.tests
    ):
        return 24
    return 0


_RANKS: Final[dict[type, Callable[[Any], int]]] = {
    And: _and,
    Or: _or,
    Identity: lambda _: 0,
    Compare: _compare,
    Same: _same,
    Exists: _exists,
    Related: lambda _: 38,
    Near: lambda _: NEARNESS,
    Updated: lambda _: 70,
    Contains: _contains,
}
