"""Condition: printed as a query on one document, and the lookups that must come before it.

What a resource's own document tells is a plain query. What other resources tell (chains, `_has`, relations) is looked
up into a field of the document first, and the query asks whether something is there.
Spec: search.html
"""

from collections.abc import Callable, Iterator
from typing import Any, Final

from fhir_server.search.condition import (
    Always,
    And,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    Near,
    Never,
    Not,
    OfType,
    Or,
    Related,
    Same,
    Updated,
)
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, TEXT
from fhir_server.storage.mongodb.fields import Document, row_field
from fhir_server.storage.mongodb.printing.comparison import (
    EVERYTHING,
    NOTHING,
    both,
    has_words,
    operation,
    passing_row,
    tests_of,
)
from fhir_server.storage.mongodb.printing.nearness import is_near
from fhir_server.storage.rank import parts

_PATIENTS: Final = f"r.{row_field(COMPARTMENT, 'Patient')}.p"
_RELATIONS: Final = "q0"
_KNOWN: Final = "q00"
"""The fields of the relations in force that some condition of a pipeline asks for; `q00` those of the known patient."""

_FOUND: Final[list[Document]] = [{"$limit": 1}, {"$project": {"_id": 1}}]


class Printer:
    """Collects the lookups of one pipeline while its conditions are printed; `now` in microseconds.

    `is_contained`: the documents of the pipeline are contained resources, to which nothing refers from outside.
    `patient_id` is a guess: whose resources most of the documents are, "" when nothing tells. It decides nothing.
    `relations` is the query for the relations of a document's patients that its conditions ask for, empty for none.
    """

    def __init__(self, now: int, patient_id: str = "", is_contained: bool = False) -> None:
        self.now = now
        self.patient_id = patient_id
        self.is_contained = is_contained
        self.stages: list[Document] = []
        self.relations: Document = {}
        self._names = 0

    def name(self) -> str:
        """Return a name for a field that no document has."""
        self._names += 1
        return f"q{self._names}"


def holds(printer: Printer, condition: Condition) -> Document:
    """Return the query that the condition holds, once the printer's stages are done."""
    return _PRINTERS[type(condition)](printer, condition)


def matching(printer: Printer, condition: Condition, *start: Document) -> list[Document]:
    """Return the stages that keep the documents for which the condition holds, and the queries `start`.

    What a document tells itself comes first, so that lookups are made for few. The printer is that of a new pipeline.
    """
    own, other = split(condition)
    first = both(*start, *(holds(printer, part) for part in own))
    stages = [{"$match": first}] if first else []
    if other:
        asked = both(*(holds(printer, part) for part in other))
        stages += [*printer.stages, {"$match": asked}]
    return stages


def split(condition: Condition) -> tuple[list[Condition], list[Condition]]:
    """Return the parts that a document tells itself, and those that others tell."""
    asked = [part for part in parts(condition) if not isinstance(part, Always)]
    return [part for part in asked if is_local(part)], [part for part in asked if not is_local(part)]


def is_local(condition: Condition) -> bool:
    """Say whether the document alone tells if the condition holds."""
    return not any(isinstance(part, Exists | Related | Contains) for part in leaves(condition))


def leaves(condition: Condition) -> Iterator[Condition]:
    """Yield the conditions below And, Or and Not."""
    if isinstance(condition, And | Or):
        for part in condition.conditions:
            yield from leaves(part)
    elif isinstance(condition, Not):
        yield from leaves(condition.condition)
    else:
        yield condition


def _always(printer: Printer, condition: Always) -> Document:
    return EVERYTHING


def _never(printer: Printer, condition: Never) -> Document:
    return NOTHING


def _and(printer: Printer, condition: And) -> Document:
    return both(*(holds(printer, part) for part in condition.conditions))


def _or(printer: Printer, condition: Or) -> Document:
    asked = [holds(printer, part) for part in condition.conditions]
    return {"$or": asked} if asked else NOTHING


def _not(printer: Printer, condition: Not) -> Document:
    return {"$nor": [holds(printer, condition.condition)]}


def _compare(printer: Printer, condition: Compare) -> Document:
    if condition.family == TEXT:
        return has_words(condition)
    ((name, asked),) = passing_row(condition).items()
    return {f"r.{name}": asked}


def _same(printer: Printer, condition: Same) -> Document:
    if not condition.comparisons or any(compare.family == TEXT for compare in condition.comparisons):
        return NOTHING
    return {"g": {"$elemMatch": both(*(passing_row(compare) for compare in condition.comparisons))}}


def _identity(printer: Printer, condition: Identity) -> Document:
    return {"i": {"$in": list(condition.resource_ids)}}


def _updated(printer: Printer, condition: Updated) -> Document:
    return tests_of(condition.tests, "u")


def _of_type(printer: Printer, condition: OfType) -> Document:
    return {"t": {"$in": list(condition.resource_types)}}


def _exists(printer: Printer, condition: Exists) -> Document:
    if condition.is_reverse and printer.is_contained:
        return NOTHING
    name = printer.name()
    field, other = f"r.{row_field(REFERENCE, condition.parameter)}.k", "_id"
    if condition.is_reverse:
        field, other = f"{name}k", "x"
        printer.stages.append({"$set": {field: {"$concat": [f"{REFERENCE}_{condition.parameter}>", "$_id"]}}})
    asked = matching(Printer(printer.now), condition.condition, {"t": condition.resource_type, "z": False})
    return _looked_up(printer, name, ("resource", field, other), asked)


def _contains(printer: Printer, condition: Contains) -> Document:
    """Look the document up once more, a document for each resource that it contains."""
    name, named = printer.name(), f"$r.{row_field(REFERENCE, condition.parameter)}"
    to_contained = {"$filter": {"input": {"$ifNull": [named, []]}, "cond": {"$eq": ["$$this.t", ""]}}}
    of_type = {"$match": {"q.t": condition.resource_type}}
    asked: list[Document] = [of_type, {"$set": {"s": "$q"}}, {"$unwind": "$q"}, of_type]
    if condition.parameter:
        asked.append({"$match": {"$expr": {"$in": [{"$concat": ["#", "$q.i"]}, "$$names"]}}})
    asked.append({"$replaceWith": {"$mergeObjects": ["$q", {"_id": "$_id", "u": "$u", "q": "$s"}]}})
    asked += matching(Printer(printer.now, is_contained=True), condition.condition)
    lookup = {
        "from": "resource",
        "localField": "_id",
        "foreignField": "_id",
        "let": {"names": {"$map": {"input": to_contained, "in": "$$this.i"}}},
        "pipeline": [*asked, *_FOUND],
        "as": name,
    }
    printer.stages.append({"$lookup": lookup})
    return {name: {"$ne": []}}


def _related(printer: Printer, condition: Related) -> Document:
    """Ask for the relations of the resource's patients once, for all conditions that need some of them."""
    if not printer.relations:
        printer.stages += _relations(printer)
    wanted = {"a": condition.actors, "g": condition.grounds}
    for name, values in wanted.items():
        known = printer.relations.get(name, {}).get("$in", ())
        printer.relations[name] = {"$in": [*dict.fromkeys((*known, *values))]}
    printer.relations.update(_now(printer.now))
    found = {"$elemMatch": {name: operation("in", values) for name, values in wanted.items()}}
    if not printer.patient_id:
        return {_RELATIONS: found}
    return {"$or": [{_PATIENTS: printer.patient_id, _KNOWN: found}, {_RELATIONS: found}]}


def _relations(printer: Printer) -> list[Document]:
    """Return the stages that look the relations up: those of the known patient once for all documents."""
    shown = {"$project": {"_id": 0, "a": 1, "g": 1}}
    if not printer.patient_id:
        join = {"localField": _PATIENTS, "foreignField": "p", "pipeline": [{"$match": printer.relations}, shown]}
        return [{"$lookup": {"from": "relation", **join, "as": _RELATIONS}}]
    known = [{"$match": {"p": printer.patient_id}}, {"$match": printer.relations}, shown]
    others = {"$setDifference": [{"$ifNull": [f"${_PATIENTS}", []]}, [printer.patient_id]]}
    # One step that starts from nobody asks nothing, which a lookup of nobody would.
    step = {"startWith": others, "connectFromField": "a", "connectToField": "p", "maxDepth": 0}
    return [
        {"$lookup": {"from": "relation", "pipeline": known, "as": _KNOWN}},
        {"$graphLookup": {"from": "relation", **step, "restrictSearchWithMatch": printer.relations, "as": _RELATIONS}},
    ]


def in_force(condition: Related, now: int) -> Document:
    """Return the query on `relation` of what joins the actors to patients on the grounds, now."""
    return {
        "a": operation("in", condition.actors),
        "g": operation("in", condition.grounds),
        **_now(now),
    }


def _now(now: int) -> Document:
    return {"l": {"$lte": now}, "h": {"$gt": now}}


def _looked_up(printer: Printer, name: str, join: tuple[str, str, str], asked: list[Document]) -> Document:
    collection, local, foreign = join
    printer.stages.append(
        {
            "$lookup": {
                "from": collection,
                "localField": local,
                "foreignField": foreign,
                "pipeline": [*asked, *_FOUND],
                "as": name,
            }
        }
    )
    return {name: {"$ne": []}}


def _near(printer: Printer, condition: Near) -> Document:
    return is_near(condition)


_PRINTERS: Final[dict[type, Callable[[Printer, Any], Document]]] = {
    Always: _always,
    Never: _never,
    And: _and,
    Or: _or,
    Not: _not,
    Compare: _compare,
    Same: _same,
    Identity: _identity,
    Updated: _updated,
    OfType: _of_type,
    Exists: _exists,
    Related: _related,
    Near: _near,
    Contains: _contains,
}
