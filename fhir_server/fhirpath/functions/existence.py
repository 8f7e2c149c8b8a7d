"""Existence: empty, exists, all, and the booleans of a collection.

Spec: https://hl7.org/fhirpath/N1/#existence
"""

from collections.abc import Callable, Iterable
from typing import Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function, each
from fhir_server.fhirpath.node import system
from fhir_server.fhirpath.operators.collection import Index, distinct
from fhir_server.fhirpath.operators.singleton import EMPTY, FALSE, TRUE, boolean, truth


def _empty(frame: Frame, items: Items) -> Items:
    return FALSE if items else TRUE


def _exists(frame: Frame, items: Items, criterion: Run | None = None) -> Items:
    if criterion is None:
        return TRUE if items else FALSE
    return boolean(any(truth(answer) for _, answer in each(frame, items, criterion)))


def _all(frame: Frame, items: Items, criterion: Run) -> Items:
    return boolean(all(truth(answer) for _, answer in each(frame, items, criterion)))


def _not(frame: Frame, items: Items) -> Items:
    found = truth(items)
    return EMPTY if found is None else FALSE if found else TRUE


def _booleans(name: str, decide: Callable[[Iterable[bool]], bool]) -> Function:
    def call(frame: Frame, items: Items) -> Items:
        frame.charge(len(items))
        values = [system(item) for item in items]
        if any(value.__class__ is not bool for value in values):
            raise EvaluationFailed(f"{name}() takes booleans, and was given something else.")
        return boolean(decide(values))

    return Function(call, answers="Boolean")


def _subset_of(frame: Frame, items: Items, other: Items) -> Items:
    index = Index(frame, other)
    return boolean(all(index.has(item) for item in items))


def _superset_of(frame: Frame, items: Items, other: Items) -> Items:
    return _subset_of(frame, other, items)


def _count(frame: Frame, items: Items) -> Items:
    return [len(items)]


def _is_distinct(frame: Frame, items: Items) -> Items:
    return boolean(len(distinct(frame, items)) == len(items))


EXISTENCE: Final = {
    "empty": Function(_empty, answers="Boolean"),
    "exists": Function(_exists, "e", answers="Boolean"),
    "all": Function(_all, "e", 1, "Boolean"),
    "not": Function(_not, answers="Boolean"),
    "allTrue": _booleans("allTrue", all),
    "anyTrue": _booleans("anyTrue", any),
    "allFalse": _booleans("allFalse", lambda values: not any(values)),
    "anyFalse": _booleans("anyFalse", lambda values: not all(values)),
    "subsetOf": Function(_subset_of, "v", 1, "Boolean"),
    "supersetOf": Function(_superset_of, "v", 1, "Boolean"),
    "count": Function(_count, answers="Integer"),
    "distinct": Function(distinct, answers="input"),
    "isDistinct": Function(_is_distinct, answers="Boolean"),
}
