"""Filtering, projection, subsets and combinations.

Spec: https://hl7.org/fhirpath/N1/#filtering-and-projection, #subsetting, #combining
"""

from functools import cmp_to_key
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function, each
from fhir_server.fhirpath.node import system
from fhir_server.fhirpath.operators.collection import Index, distinct
from fhir_server.fhirpath.operators.comparison import order
from fhir_server.fhirpath.operators.singleton import EMPTY, integer, one, truth
from fhir_server.fhirpath.operators.typing import Names, of_type

Row = tuple[Any, tuple[Any, ...]]
"""An item and its sort keys."""


def _where(frame: Frame, items: Items, criterion: Run) -> Items:
    return [item for item, answer in each(frame, items, criterion) if truth(answer)]


def _select(frame: Frame, items: Items, projection: Run) -> Items:
    found: Items = []
    for _, answer in each(frame, items, projection):
        found.extend(answer)
        frame.charge(len(answer))
    return found


def _repeat(frame: Frame, items: Items, projection: Run) -> Items:
    index, found, latest = Index(frame), [], items
    while latest:
        latest = [item for item in _select(frame, latest, projection) if index.add(item)]
        found.extend(latest)
    return found


def _repeat_all(frame: Frame, items: Items, projection: Run) -> Items:
    found: Items = []
    latest = items
    while latest:
        latest = _select(frame, latest, projection)
        frame.charge(len(latest))
        found.extend(latest)
    return found


def _of_type(frame: Frame, items: Items, names: Names) -> Items:
    return of_type(items, names)


def _single(frame: Frame, items: Items) -> Items:
    if len(items) > 1:
        raise EvaluationFailed(f"single() found {len(items)} items.")
    return items if items and one(items, "single()") is not None else EMPTY


def _first(frame: Frame, items: Items) -> Items:
    return items[:1]


def _last(frame: Frame, items: Items) -> Items:
    return items[-1:]


def _tail(frame: Frame, items: Items) -> Items:
    return items[1:]


def _skip(frame: Frame, items: Items, number: Items) -> Items:
    return items[max(integer(number, "skip()") or 0, 0) :]


def _take(frame: Frame, items: Items, number: Items) -> Items:
    return items[: max(integer(number, "take()") or 0, 0)]


def _intersect(frame: Frame, items: Items, other: Items) -> Items:
    index = Index(frame, other)
    return distinct(frame, [item for item in items if index.has(item)])


def _exclude(frame: Frame, items: Items, other: Items) -> Items:
    index = Index(frame, other)
    return [item for item in items if not index.has(item)]


def _union(frame: Frame, items: Items, other: Items) -> Items:
    return distinct(frame, items + other)


def _combine(frame: Frame, items: Items, other: Items) -> Items:
    frame.charge(len(items) + len(other))
    return items + other


def _sort(frame: Frame, items: Items, *keys: tuple[Run, int]) -> Items:
    """Sort by the keys, smaller first, or larger first for `-key`; Choice: what has no key comes first either way."""
    frame.charge(len(items) * 20)
    signs = [sign for _, sign in keys] or [1]
    columns = [[one(answer, "sort()") for _, answer in each(frame, items, key)] for key, _ in keys]
    columns = columns or [[system(item) for item in items]]
    rows: list[Row] = list(zip(items, zip(*columns, strict=True), strict=True))

    def compare(left: Row, right: Row) -> int:
        return _before(left, right, signs)

    rows.sort(key=cmp_to_key(compare))
    return [item for item, _ in rows]


def _before(left: Row, right: Row, signs: list[int]) -> int:
    for one_key, other, sign in zip(left[1], right[1], signs, strict=True):
        if one_key is None or other is None:
            found = (one_key is not None) - (other is not None)
        else:
            found = (order(one_key, other) or 0) * sign
        if found:
            return found
    return 0


FILTERING: Final = {
    "where": Function(_where, "e", 1, "input"),
    "select": Function(_select, "e", 1, "argument"),
    "repeat": Function(_repeat, "e", 1),
    "repeatAll": Function(_repeat_all, "e", 1),
    "ofType": Function(_of_type, "t", 1, "type"),
    "single": Function(_single, answers="input"),
    "first": Function(_first, answers="input"),
    "last": Function(_last, answers="input"),
    "tail": Function(_tail, answers="input"),
    "skip": Function(_skip, "v", 1, "input"),
    "take": Function(_take, "v", 1, "input"),
    "intersect": Function(_intersect, "v", 1, "input"),
    "exclude": Function(_exclude, "v", 1, "input"),
    "union": Function(_union, "v", 1),
    "combine": Function(_combine, "v", 1),
    "sort": Function(_sort, "sssss", 0, "input"),
}
