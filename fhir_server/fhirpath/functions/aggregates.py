"""Aggregates: aggregate, sum, min, max, avg.

Spec: https://hl7.org/fhirpath/N1/#aggregates
"""

from typing import Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.node import system
from fhir_server.fhirpath.operators.arithmetic import ARITHMETIC
from fhir_server.fhirpath.operators.comparison import order
from fhir_server.fhirpath.operators.singleton import EMPTY


def _aggregate(frame: Frame, items: Items, step: Run, start: Run | None = None) -> Items:
    this, index, total = frame.this, frame.index, frame.total
    found = start(frame) if start else EMPTY
    frame.charge(len(items))
    for place, item in enumerate(items):
        frame.this, frame.index, frame.total = [item], place, found
        found = step(frame)
        frame.charge(len(found))
    frame.this, frame.index, frame.total = this, index, total
    return found


def _sum(frame: Frame, items: Items) -> Items:
    found = items[:1]
    for item in items[1:]:
        frame.charge(1)
        found = ARITHMETIC["+"](frame, found, [item])
    return found if all(system(item) is not None for item in found) else EMPTY


def _average(frame: Frame, items: Items) -> Items:
    return ARITHMETIC["/"](frame, _sum(frame, items), [len(items)]) if items else EMPTY


def _extreme(sign: int) -> Function:
    def call(frame: Frame, items: Items) -> Items:
        frame.charge(len(items))
        values = [system(item) for item in items]
        if not values or None in values:
            return EMPTY
        best = values[0]
        for value in values[1:]:
            found = order(value, best)
            if found is None:
                return EMPTY
            if found == sign:
                best = value
        return [best]

    return Function(call, answers="input")


AGGREGATES: Final = {
    "aggregate": Function(_aggregate, "ee", 1),
    "sum": Function(_sum, answers="input"),
    "avg": Function(_average),
    "min": _extreme(-1),
    "max": _extreme(1),
}
