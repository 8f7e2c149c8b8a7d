"""Page: the pipelines of a search: one page of hits, their total, and what is included with them.

Spec: search.html, http.html#search
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from fhir_server.search.condition import ALWAYS, Condition
from fhir_server.search.index_row import REFERENCE
from fhir_server.storage.mongodb.fields import SHOWN, Document, row_field
from fhir_server.storage.mongodb.printing.comparison import NOTHING, both
from fhir_server.storage.mongodb.printing.condition import Printer, holds, matching
from fhir_server.storage.mongodb.printing.ordering import follows, key_names, key_stages, order
from fhir_server.storage.mongodb.printing.start import index_of, start
from fhir_server.storage.patients import patient_of
from fhir_server.storage.store import Include, Sort


class Plan(msgspec.Struct, frozen=True):
    """What a page is printed from: all that is asked and allowed, the order, and the instant in microseconds.

    `known` is what was found out before: a query by keys that the condition implies.
    """

    resource_type: str
    condition: Condition
    now: int
    sorts: tuple[Sort, ...] = ()
    known: Document = msgspec.field(default_factory=dict)

    @property
    def start(self) -> Document:
        """Return the query that the search starts from."""
        return self.known or start(self.resource_type, self.condition)

    @property
    def index(self) -> str | None:
        """Return the name of the index that answers it."""
        return index_of(self.start)


def page(plan: Plan, values: Sequence[Any] | None, limit: int, fields: Iterable[str]) -> list[Document]:
    """Return the pipeline of one page, from the place with these sort values on; `fields` are shown as well.

    What others tell is looked up last, in order, so that it is asked of no more resources than fill the page.
    """
    after = [] if values is None else [{"$match": follows(plan.sorts, values)}]
    shown = {**SHOWN, "o": 1, **dict.fromkeys(key_names(plan.sorts), 1), **dict.fromkeys(fields, 1)}
    own, *lookups = _found(plan)
    return [
        own,
        *key_stages(plan.sorts),
        *after,
        {"$sort": order(plan.sorts)},
        *lookups,
        {"$limit": limit},
        {"$project": shown},
    ]


def total(plan: Plan) -> list[Document]:
    """Return the pipeline that counts what all pages hold, as `n`; no document means none."""
    return [*_found(plan), {"$count": "n"}]


def _found(plan: Plan) -> list[Document]:
    asked = {"t": plan.resource_type} if plan.resource_type else {}
    printer = Printer(plan.now, patient_of(plan.resource_type, plan.condition))
    return matching(printer, plan.condition, {**asked, "z": False}, plan.start)


def link_fields(includes: Iterable[Include]) -> list[str]:
    """Return the fields of a match that tell what it refers to through the includes' parameters."""
    forward = (include.parameter for include in includes if not include.is_reverse)
    return [f"r.{row_field(REFERENCE, parameter)}.k" for parameter in dict.fromkeys(forward)]


def inclusion(
    includes: Sequence[Include], latest: Sequence[Document], known: Sequence[str], now: int
) -> list[Document]:
    """Return the stages that find what is included from the documents `latest`, without those of the ids `known`."""
    printer = Printer(now)
    branches = [branch for include in includes for branch in _branches(printer, include, latest)]
    asked = {"$or": branches} if branches else NOTHING
    first = {"z": False, "_id": {"$nin": list(known)}}
    if not printer.stages:
        return [{"$match": both(first, asked)}]
    begun = [_start(include, latest) for include in includes]
    return [{"$match": both(first, {"$or": begun})}, *printer.stages, {"$match": asked}]


def _branches(printer: Printer, include: Include, latest: Sequence[Document]) -> list[Document]:
    return [
        both(_start(include, latest), {"t": resource_type}, _asked(printer, condition))
        for resource_type, condition in include.within
    ]


def _asked(printer: Printer, condition: Condition) -> Document:
    return {} if condition == ALWAYS else holds(printer, condition)


def _start(include: Include, latest: Sequence[Document]) -> Document:
    if include.is_reverse:
        return {"x": {"$in": [f"{REFERENCE}_{include.parameter}>{found['t']}/{found['i']}" for found in latest]}}
    field = row_field(REFERENCE, include.parameter)
    sources = [found for found in latest if include.source_type in ("", found["t"])]
    rows = (row for found in sources for row in found.get("r", {}).get(field, ()))
    return {"_id": {"$in": list(dict.fromkeys(row["k"] for row in rows if "k" in row))}}
