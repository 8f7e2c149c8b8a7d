"""Resolving: what a search that names only other resources starts from: it asks for these first.

The observations of the patient with an identifier, the patients of a doctor: no key of an observation tells, and
looking up the patient of every observation would take as long as there are observations.
"""

from typing import Any, Final

from fhir_server.search.condition import Condition, Exists, Related
from fhir_server.search.index_row import COMPARTMENT, REFERENCE
from fhir_server.storage.mongodb.fields import Document, key_of, row_field
from fhir_server.storage.mongodb.printing.condition import in_force, matching, split
from fhir_server.storage.mongodb.printing.start import start
from fhir_server.storage.mongodb.scope import Scope
from fhir_server.storage.rank import rank

MAXIMUM: Final = 1_000
"""When more resources are named, each candidate is judged by lookups instead."""


async def resolved(scope: Scope, resource_type: str, condition: Condition) -> Document | None:
    """Return a query by keys that the condition implies, or None when it names keys itself, or too many others."""
    _, others = split(condition)
    if not others or start(resource_type, condition):
        return None
    for part in sorted(others, key=rank):
        if isinstance(part, Related):
            return await _of_patients(scope, part)
        if isinstance(part, Exists):
            return await (_named_by if part.is_reverse else _naming)(scope, part)
    return None


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
    pipeline = [*_others(scope, condition), {"$limit": MAXIMUM + 1}, {"$project": {"_id": 1}}]
    found = await scope.many(scope.connection.resource, pipeline)
    return _keys([f"{REFERENCE}_{condition.parameter}>{other['_id']}" for other in found])


async def _named_by(scope: Scope, condition: Exists) -> Document | None:
    links = f"$r.{row_field(REFERENCE, condition.parameter)}.k"
    pipeline = [
        *_others(scope, condition),
        {"$project": {"k": links}},
        {"$unwind": "$k"},
        {"$group": {"_id": "$k"}},
        {"$limit": MAXIMUM + 1},
    ]
    found = await scope.many(scope.connection.resource, pipeline)
    return None if len(found) > MAXIMUM else {"_id": {"$in": [other["_id"] for other in found]}}


def _others(scope: Scope, condition: Exists) -> list[dict[str, Any]]:
    asked = {"t": condition.resource_type, "z": False}
    return matching(scope.now, condition.condition, asked, start(condition.resource_type, condition.condition))


def _keys(keys: list[str]) -> Document | None:
    return None if len(keys) > MAXIMUM else {"x": {"$in": keys}}
