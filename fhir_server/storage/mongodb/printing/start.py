"""Start: what an index can tell of a condition: the shard, and the keys that a search starts from.

A start is always implied by the condition, which is asked as well: it finds no less, and decides nothing.
Choice: one start, of the part that is expected to find least (see `rank`): the engine has no wrong index to take.
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition, Contains, Identity, Near, Or, Same
from fhir_server.search.index_row import POSITION, REFERENCE, TEXT
from fhir_server.storage.mongodb.fields import (
    INTERVALS,
    KEY_CHARACTERS,
    KEYED,
    SHARED,
    SHORT,
    Document,
    contained_key,
    key_of,
    row_field,
    shard_key,
)
from fhir_server.storage.mongodb.printing.comparison import all_words, both, operation
from fhir_server.storage.mongodb.printing.nearness import latitudes
from fhir_server.storage.patients import named, patients_of
from fhir_server.storage.rank import NEVER, parts, rank, within_contained

PATIENTS_MAXIMUM: Final = 100
"""Of more patients, the shards are not named: all are asked."""

_INDEXES: Final = {"_id": "_id_", "p": "p_t_o", "x": "x_t_o", "n": "n.k_n.l_n.h", "w": "w_t"}
"""The index of each field that a start asks; the engine, left alone, may walk all resources of a type in order."""


def start(resource_type: str, condition: Condition) -> Document:
    """Return the query that an index answers, empty when the condition names nothing that is indexed."""
    patients = patients_of(resource_type, condition)
    if patients is None or len(patients) > PATIENTS_MAXIMUM:
        return _of_best(resource_type, condition)
    best = min(parts(condition), key=rank)
    return {**of_patients(patients), **(_of_best(resource_type, best) if isinstance(best, Identity) else {})}


def index_of(query: Document) -> str | None:
    """Return the name of the index that a start is answered from, None when that is left to the engine."""
    return next((name for field, name in _INDEXES.items() if field in query), None)


def of_patients(patients: frozenset[str]) -> Document:
    """Return the query for all that refers to one of the patients: `c` names the shards, `p` the place within them."""
    keys = sorted(shard_key(f"Patient/{patient}") for patient in patients)
    return {"c": {"$in": [*keys, SHARED]}, "p": keys[0] if len(keys) == 1 else {"$in": keys}}


def _of_best(resource_type: str, condition: Condition) -> Document:
    best = min(parts(condition), key=rank)
    return _STARTS.get(type(best), _nothing)(resource_type, best) if rank(best) < NEVER else {}


def _nothing(resource_type: str, condition: Condition) -> Document:
    return {}


def _identity(resource_type: str, condition: Identity) -> Document:
    if not resource_type:
        return {}
    return {"_id": {"$in": [f"{resource_type}/{resource_id}" for resource_id in condition.resource_ids]}}


def _compare(resource_type: str, condition: Compare) -> Document:
    if condition.family == TEXT:
        words = [word for _, _, listed in condition.tests for word in listed]
        return all_words([max(words, key=len)] if words else [], condition.parameter)
    if condition.family in INTERVALS:
        return _interval(condition)
    keys = keys_of(condition)
    if keys is not None:
        return {"x": keys[0] if len(keys) == 1 else {"$in": keys}}
    return _beginning(condition)


def keys_of(condition: Compare) -> list[str] | None:
    """Return the keys of which a resource has one when the comparison holds, or None."""
    column = KEYED.get(condition.family)
    values = None if column is None else named(condition.tests, column)
    if values is None:
        return None
    if condition.family != REFERENCE:
        return sorted({key_of(condition.family, condition.parameter, value) for value in values})
    types = named(condition.tests, "target_type")
    if types is None:
        return None
    return sorted({key_of(REFERENCE, condition.parameter, value, of_type) for value in values for of_type in types})


def _beginning(condition: Compare) -> Document:
    column = KEYED.get(condition.family)
    prefixes = [value for name, operator, value in condition.tests if name == column and operator == "prefix"]
    if not prefixes or condition.family == REFERENCE:
        return {}
    prefix = key_of(condition.family, condition.parameter, prefixes[0][:KEY_CHARACTERS])
    return {"x": {"$elemMatch": operation("prefix", prefix)}}


def _interval(condition: Compare) -> Document:
    tests = [
        {SHORT[column]: operation(operator, value)}
        for column, operator, value in condition.tests
        if column in ("low", "high") and operator not in ("ne",)
    ]
    return {"n": {"$elemMatch": both({"k": row_field(condition.family, condition.parameter)}, *tests)}}


def _near(resource_type: str, condition: Near) -> Document:
    low, high = latitudes(condition)
    return {"n": {"$elemMatch": {"k": row_field(POSITION, condition.parameter), "l": {"$gte": low, "$lte": high}}}}


def _same(resource_type: str, condition: Same) -> Document:
    return _of_best(resource_type, min(condition.comparisons, key=rank))


def _contains(resource_type: str, condition: Contains) -> Document:
    best = within_contained(condition)
    keys = keys_of(best) if isinstance(best, Compare) else None
    return {"x": {"$in": [contained_key(condition.resource_type, key) for key in keys or ("",)]}}


def _or(resource_type: str, condition: Or) -> Document:
    branches = [_of_best(resource_type, part) for part in condition.conditions]
    return {"$or": branches} if branches and all(branches) else {}


_STARTS: Final[dict[type, Callable[[str, Any], Document]]] = {
    Identity: _identity,
    Compare: _compare,
    Same: _same,
    Or: _or,
    Near: _near,
    Contains: _contains,
}
