"""Ordering: sort keys, and the place in their order where a page goes on.

Choice: resources without any sort key come in order of creation, as this server's clocks tell it.
Spec: search.html#sort
"""

from collections.abc import Sequence
from typing import Any, Final

from fhir_server.search.index_row import COMPARTMENT, DATE, NUMBER, QUANTITY, REFERENCE, RELATION, STRING, TOKEN, URI
from fhir_server.storage.mongodb.fields import SHORT, Document, row_field
from fhir_server.storage.mongodb.printing.comparison import both
from fhir_server.storage.store import Sort

_INTERVALS: Final = frozenset((DATE, NUMBER, QUANTITY))
_COLUMNS: Final = {
    TOKEN: "code",
    STRING: "folded",
    URI: "value",
    REFERENCE: "target_id",
    COMPARTMENT: "compartment_id",
    RELATION: "actor",
}
_FIELDS: Final = {"_id": "i", "_lastUpdated": "u"}


def key_names(sorts: Sequence[Sort]) -> list[str]:
    """Return the field of each sort key, once `key_stages` are done."""
    return [f"k{position}" if sort.family else _FIELDS[sort.parameter] for position, sort in enumerate(sorts)]


def key_stages(sorts: Sequence[Sort]) -> list[Document]:
    """Return the stages that compute the keys: `k0` the extreme value of the rows, `m0` whether there is none."""
    keys = {f"k{position}": _extreme(sort) for position, sort in enumerate(sorts) if sort.family}
    if not keys:
        return []
    return [{"$set": keys}, {"$set": {f"m{name[1:]}": {"$eq": [f"${name}", None]} for name in keys}}]


def order(sorts: Sequence[Sort]) -> Document:
    """Return the order: what lacks a key comes last, equal ones in order of creation."""
    ordered: Document = {}
    for name, sort in zip(key_names(sorts), sorts, strict=True):
        if sort.family:
            ordered[f"m{name[1:]}"] = 1
        if name not in ordered:
            ordered[name] = -1 if sort.is_descending else 1
    return {**ordered, "o": 1}


def follows(sorts: Sequence[Sort], values: Sequence[Any]) -> Document:
    """Return the query for what comes after the last resource of a page: its keys (None for none) and its place."""
    query: Document = {"o": {"$gt": values[-1]}}
    for name, sort, value in reversed(list(zip(key_names(sorts), sorts, values[:-1], strict=True))):
        if value is None:
            query = both({f"m{name[1:]}": True}, query)
            continue
        better = {name: {"$lt" if sort.is_descending else "$gt": value}}
        last = [{f"m{name[1:]}": True}] if sort.family else []
        query = {"$or": [better, *last, both({name: value}, query)]}
    return query


def _extreme(sort: Sort) -> Document:
    column = _COLUMNS.get(sort.family, "")
    if sort.family in _INTERVALS:
        column = "high" if sort.is_descending else "low"
    rows = f"$r.{row_field(sort.family, sort.parameter)}.{SHORT[column]}"
    return {"$max" if sort.is_descending else "$min": rows}
