"""Judging: whether a condition holds for a resource that waits to be written, without writing it first."""

from collections.abc import Sequence

from fhir_server.search.condition import ALWAYS, Condition, Contains, Exists, Related
from fhir_server.search.index_row import COMPARTMENT, RELATION, IndexRow
from fhir_server.search.match import Alone, Subject, match
from fhir_server.storage.mongodb.fields import Document
from fhir_server.storage.mongodb.printing.condition import in_force, leaves
from fhir_server.storage.mongodb.scope import Scope


def is_judged_alone(condition: Condition) -> bool:
    """Say whether the resource's rows and the relations of its patients tell."""
    return not any(isinstance(part, Exists | Contains) for part in leaves(condition))


async def judge(scope: Scope, document: Document, rows: Sequence[IndexRow], within: Condition) -> bool:
    """Say whether the condition holds for a document that waits; asks for relations when it needs them."""
    if within == ALWAYS:
        return True
    now = scope.now
    relations = [row for row in rows if row[0] == RELATION]
    patients = sorted({row[3] for row in rows if row[0] == COMPARTMENT and row[1] == "Patient"})
    for part in leaves(within):
        if isinstance(part, Related) and patients:
            asked = {"p": {"$in": patients}, **in_force(part, now)}
            cursor = scope.connection.relation.find(asked, session=scope.session)
            found = await cursor.to_list()
            relations += [(RELATION, one["g"], 0, one["a"], one["p"], one["l"], one["h"]) for one in found]
    subject = Subject(document["t"], document["i"], document["u"], rows)
    return match(within, subject, Alone(now, tuple(relations)))
