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

_FOUND: Final[list[Document]] = [{"$limit": 1}, {"$project": {"_id": 1}}]


class Printer:
    """Collects the lookups of one pipeline while its conditions are printed; `now` in microseconds.

    `is_contained`: the documents of the pipeline are contained resources, to which nothing refers from outside.
    """

    def __init__(self, now: int, is_contained: bool = False) -> None:
        self.now = now
        self.is_contained = is_contained
        self.stages: list[Document] = []
        self._names = 0

    def name(self) -> str:
        """Return a name for a field that no document has."""
        self._names += 1
        return f"q{self._names}"


def holds(printer: Printer, condition: Condition) -> Document:
    """Return the query that the condition holds, once the printer's stages are done."""
    return _PRINTERS[type(condition)](printer, condition)


def matching(now: int, condition: Condition, *start: Document) -> list[Document]:
    """Return the stages that keep the documents for which the condition holds, and the queries `start`.

    What a document tells itself comes first, so that lookups are made for few.
    """
    return _matching(Printer(now), condition, *start)


def _matching(printer: Printer, condition: Condition, *start: Document) -> list[Document]:
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
    asked = matching(printer.now, condition.condition, {"t": condition.resource_type, "z": False})
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
    asked += _matching(Printer(printer.now, is_contained=True), condition.condition)
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
    asked = [{"$match": in_force(condition, printer.now)}]
    field = f"r.{row_field(COMPARTMENT, 'Patient')}.p"
    return _looked_up(printer, printer.name(), ("relation", field, "p"), asked)


def in_force(condition: Related, now: int) -> Document:
    """Return the query on `relation` of what joins the actors to patients on the grounds, now."""
    return {
        "a": operation("in", condition.actors),
        "g": operation("in", condition.grounds),
        "l": {"$lte": now},
        "h": {"$gt": now},
    }


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
