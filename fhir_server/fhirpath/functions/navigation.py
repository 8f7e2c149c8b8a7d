"""The tree below, types, tracing and the clock.

Spec: https://hl7.org/fhirpath/N1/#tree-navigation, https://hl7.org/fhirpath/N1/#utility-functions
"""

from typing import Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.functions.signature import Function, each
from fhir_server.fhirpath.node import Node, children
from fhir_server.fhirpath.operators.equality import as_quantity
from fhir_server.fhirpath.operators.singleton import EMPTY, boolean, one, text
from fhir_server.fhirpath.operators.typing import Names, as_type, info, is_type
from fhir_server.fhirpath.values.quantity import factors
from fhir_server.fhirpath.values.temporal import DAY, Temporal, from_datetime

_SYSTEM_VARIABLES: Final = frozenset({"context", "resource", "rootResource", "ucum", "sct", "loinc"})


def _children(frame: Frame, items: Items) -> Items:
    found = [child for item in items if item.__class__ is Node for child in children(item)]
    frame.charge(len(found) + 1)
    return found


def _descendants(frame: Frame, items: Items) -> Items:
    found: Items = []
    latest = items
    while latest:
        latest = _children(frame, latest)
        found.extend(latest)
    return found


def _type(frame: Frame, items: Items) -> Items:
    return [info(item) for item in items]


def _is(frame: Frame, items: Items, names: Names) -> Items:
    return is_type(items, names)


def _as(frame: Frame, items: Items, names: Names) -> Items:
    return as_type(items, names)


def _trace(frame: Frame, items: Items, name: Items, projection: Run | None = None) -> Items:
    trace = frame.context.trace
    if trace is not None:
        shown = items if projection is None else [one for _, found in each(frame, items, projection) for one in found]
        trace(text(name, "trace()") or "", shown)
    return items


def _now(frame: Frame, items: Items) -> Items:
    return [from_datetime(frame.now())]


def _today(frame: Frame, items: Items) -> Items:
    return [Temporal("Date", from_datetime(frame.now()).parts[:DAY])]


def _time_of_day(frame: Frame, items: Items) -> Items:
    return [Temporal("Time", from_datetime(frame.now()).parts[DAY:])]


def _define_variable(frame: Frame, items: Items, name: Items, value: Run | None = None) -> Items:
    variable = text(name, "defineVariable()") or ""
    taken = variable in _SYSTEM_VARIABLES or variable in frame.variables or variable in frame.context.variables
    if not variable or taken:
        raise EvaluationFailed(f"%{variable} is already defined, or has no name: choose another.")
    this = frame.this
    frame.this = items
    found = items if value is None else value(frame)
    frame.this = this
    frame.variables = {**frame.variables, variable: found}
    return items


def _coalesce(frame: Frame, items: Items, *expressions: Run) -> Items:
    return next((found for expression in expressions if (found := expression(frame))), EMPTY)


def _comparable(frame: Frame, items: Items, other: Items) -> Items:
    left, right = as_quantity(one(items, "comparable()")), as_quantity(one(other, "comparable()"))
    if left is None or right is None:
        return EMPTY
    return boolean(factors(left, right) is not None)


NAVIGATION: Final = {
    "children": Function(_children),
    "descendants": Function(_descendants),
    "type": Function(_type),
    "is": Function(_is, "t", 1, "Boolean"),
    "as": Function(_as, "t", 1, "type"),
    "trace": Function(_trace, "ve", 1, "input"),
    "now": Function(_now, answers="DateTime"),
    "today": Function(_today, answers="Date"),
    "timeOfDay": Function(_time_of_day, answers="Time"),
    "defineVariable": Function(_define_variable, "ve", 1, "input"),
    "coalesce": Function(_coalesce, "eeeeeeee", 1),
    "comparable": Function(_comparable, "v", 1, "Boolean"),
}
