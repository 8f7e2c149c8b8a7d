"""Resolving: what a search that names only other resources starts from: it asks for these first.

The observations of the patient with an identifier, the patients of a doctor: no key of an observation tells, and
looking up the patient of every observation would take as long as there are observations.
"""

from collections.abc import Sequence
from typing import Any, Final

from fhir_server.search.condition import Condition, Exists, Or, Related
from fhir_server.search.index_row import COMPARTMENT, REFERENCE
from fhir_server.storage.mongodb.fields import Document, key_of, row_field
from fhir_server.storage.mongodb.printing.condition import Printer, in_force, matching, split
from fhir_server.storage.mongodb.printing.start import start
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.rank import parts, rank

MAXIMUM: Final = 1_000
"""When more resources are named, each candidate is judged by lookups instead."""


async def resolved(scope: Scope, resource_type: str, condition: Condition) -> Document | None:
    """Return a query by keys that the condition implies, or None when it names keys itself, or too many others."""
    _, others = split(condition)
    if not others or start(resource_type, condition):
        return None
    return await _of_others(scope, resource_type, others)


async def _implied(scope: Scope, resource_type: str, condition: Condition) -> Document | None:
    """Return the query that the condition implies, whether it names keys itself or others do; None without any."""
    named = start(resource_type, condition)
    if named:
        return named
    return await _of_others(scope, resource_type, parts(condition))


async def _of_others(scope: Scope, resource_type: str, asked: Sequence[Condition]) -> Document | None:
    for part in sorted(asked, key=rank):
        if isinstance(part, Related):
            return await _of_patients(scope, part)
        if isinstance(part, Exists):
            return await (_named_by if part.is_reverse else _naming)(scope, part)
        if isinstance(part, Or) and _is_telling(resource_type, part):
            return await _of_any(scope, resource_type, part)
    return None


def _is_telling(resource_type: str, condition: Condition) -> bool:
    """Say whether keys can be found out that the condition implies, so that nobody is asked in vain."""
    if start(resource_type, condition):
        return True
    if isinstance(condition, Or):
        return bool(condition.conditions) and all(_is_telling(resource_type, part) for part in condition.conditions)
    return any(
        isinstance(part, Related | Exists) or (isinstance(part, Or) and _is_telling(resource_type, part))
        for part in parts(condition)
    )


async def _of_any(scope: Scope, resource_type: str, condition: Or) -> Document | None:
    """Return what holds for each alternative: a chain, say, means a stored resource or a contained one."""
    found: list[Document] = []
    for part in condition.conditions:
        implied = await _implied(scope, resource_type, part)
        if implied is None:
            return None
        found.append(implied)
    return _either(found)


def _either(queries: list[Document]) -> Document | None:
    """Return the query that one of these holds; by keys alone where each is, so that one index answers."""
    if not queries:
        return None
    if any(query.keys() != {"x"} or _listed(query["x"]) is None for query in queries):
        return {"$or": queries}
    return {"x": {"$in": sorted({key for query in queries for key in _listed(query["x"]) or ()})}}


def _listed(asked: Any) -> list[str] | None:
    """Return the keys that a query of `x` lists, None when it asks otherwise."""
    if isinstance(asked, str):
        return [asked]
    listed: list[str] | None = asked.get("$in")
    return listed


async def _of_patients(scope: Scope, condition: Related) -> Document | None:
    pipeline: list[Document] = [
        {"$match": in_force(condition, scope.now)},
        {"$group": {"_id": "$p"}},
        {"$limit": MAXIMUM + 1},
    ]
    patients = await scope.many(scope.connection.relation, pipeline)
    keys = [key_of(COMPARTMENT, "Patient", found["_id"]) for found in patients]
    return _keys(keys)


async def _naming(scope: Scope, condition: Exists) -> Document | None:
    pipeline = [*await _others(scope, condition), {"$limit": MAXIMUM + 1}, {"$project": {"_id": 1}}]
    found = await scope.many(scope.connection.resource, pipeline)
    return _keys([f"{REFERENCE}_{condition.parameter}>{other['_id']}" for other in found])


async def _named_by(scope: Scope, condition: Exists) -> Document | None:
    links = f"$r.{row_field(REFERENCE, condition.parameter)}.k"
    pipeline = [
        *await _others(scope, condition),
        {"$project": {"k": links}},
        {"$unwind": "$k"},
        {"$group": {"_id": "$k"}},
        {"$limit": MAXIMUM + 1},
    ]
    found = await scope.many(scope.connection.resource, pipeline)
    return None if len(found) > MAXIMUM else {"_id": {"$in": [other["_id"] for other in found]}}


async def _others(scope: Scope, condition: Exists) -> list[dict[str, Any]]:
    asked = {"t": condition.resource_type, "z": False}
    known = await _implied(scope, condition.resource_type, condition.condition)
    return matching(Printer(scope.now), condition.condition, asked, known or {})


def _keys(keys: list[str]) -> Document | None:
    return None if len(keys) > MAXIMUM else {"x": {"$in": keys}}
