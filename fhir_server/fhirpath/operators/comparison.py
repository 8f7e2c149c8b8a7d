"""Which of two values comes first.

Spec: https://hl7.org/fhirpath/N1/#comparison
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.node import Node
from fhir_server.fhirpath.operators.equality import as_quantity
from fhir_server.fhirpath.operators.singleton import EMPTY, boolean, one, type_name
from fhir_server.fhirpath.values import quantity, temporal
from fhir_server.fhirpath.values.long import Long
from fhir_server.fhirpath.values.quantity import Quantity
from fhir_server.fhirpath.values.temporal import Temporal

_NUMBERS: Final = frozenset({int, Long, Decimal})


def order(left: Any, right: Any) -> int | None:
    """Return -1, 0 or 1 of two values; None when that cannot be known; raise EvaluationFailed for types that differ."""
    kind, second = left.__class__, right.__class__
    if (kind is str and second is str) or (kind in _NUMBERS and second in _NUMBERS):
        return int(left > right) - int(left < right)
    if kind is Temporal and second is Temporal and (left.kind == "Time") == (right.kind == "Time"):
        return temporal.compare(left, right)
    if kind is Quantity or second is Quantity:
        first, other = as_quantity(left), as_quantity(right)
        if first is not None and other is not None:
            return quantity.compare(first, other)
    if _is_valueless(left) or _is_valueless(right):
        return None
    raise EvaluationFailed(f"{type_name(left)} and {type_name(right)} have no order between them: convert one.")


def _is_valueless(value: Any) -> bool:
    """Tell whether it is a FHIR Quantity without a value, or with a comparator, so that its order is not known."""
    return value.__class__ is Node and value.type.is_quantity


def _comparer(symbol: str, accepts: Callable[[int], bool]) -> Callable[[Frame, Items, Items], Items]:
    def compare(frame: Frame, left: Items, right: Items) -> Items:
        first, second = one(left, f"'{symbol}'"), one(right, f"'{symbol}'")
        if first is None or second is None:
            return EMPTY
        found = order(first, second)
        return EMPTY if found is None else boolean(accepts(found))

    return compare


COMPARISONS: Final = {
    "<": _comparer("<", lambda found: found < 0),
    "<=": _comparer("<=", lambda found: found <= 0),
    ">": _comparer(">", lambda found: found > 0),
    ">=": _comparer(">=", lambda found: found >= 0),
}
