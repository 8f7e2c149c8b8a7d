"""Boolean logic with three values, each side taken only when it matters.

Spec: https://hl7.org/fhirpath/N1/#boolean-logic
"""

from collections.abc import Callable
from typing import Final

from fhir_server.fhirpath.context import Frame, Items, Run
from fhir_server.fhirpath.operators.singleton import EMPTY, FALSE, TRUE, boolean, truth


def _and(left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Items:
        first = truth(left(frame))
        if first is False:
            return FALSE
        second = truth(right(frame))
        return FALSE if second is False else TRUE if first and second else EMPTY

    return run


def _or(left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Items:
        found = left(frame)
        if found is TRUE:
            return found
        first = found is not FALSE and truth(found)
        if first:
            return TRUE
        second = truth(right(frame))
        return TRUE if second else FALSE if first is False and second is False else EMPTY

    return run


def _xor(left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Items:
        first, second = truth(left(frame)), truth(right(frame))
        return EMPTY if first is None or second is None else boolean(first != second)

    return run


def _implies(left: Run, right: Run) -> Run:
    def run(frame: Frame) -> Items:
        first = truth(left(frame))
        if first is False:
            return TRUE
        second = truth(right(frame))
        if second:
            return TRUE
        return FALSE if first and second is False else EMPTY

    return run


LOGIC: Final[dict[str, Callable[[Run, Run], Run]]] = {"and": _and, "or": _or, "xor": _xor, "implies": _implies}
