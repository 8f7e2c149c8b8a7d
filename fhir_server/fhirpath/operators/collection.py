"""Sets of items by equality: distinct, union, intersection, membership.

Spec: https://hl7.org/fhirpath/N1/#combining, https://hl7.org/fhirpath/N1/#collections-2
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.node import system
from fhir_server.fhirpath.operators.equality import equals
from fhir_server.fhirpath.operators.singleton import EMPTY, boolean
from fhir_server.fhirpath.values.long import Long

_HASHED: Final = {str: 0, bool: 1, int: 2, Long: 2, Decimal: 2}


class Index:
    """Find items by equality: texts, numbers and booleans by hash, all others one by one."""

    def __init__(self, frame: Frame, items: Iterable[Any] = ()) -> None:
        self.frame = frame
        self.hashed: set[tuple[int, Any]] = set()
        self.others: Items = []
        for item in items:
            self.add(item)

    def add(self, item: Any) -> bool:
        """Add an item; tell whether it is new."""
        value = system(item)
        group = _HASHED.get(value.__class__)
        if group is None:
            if self._has_other(item):
                return False
            self.others.append(item)
            return True
        before = len(self.hashed)
        self.hashed.add((group, value))
        return len(self.hashed) > before

    def has(self, item: Any) -> bool:
        """Tell whether an equal item was added."""
        value = system(item)
        group = _HASHED.get(value.__class__)
        if group is not None and (group, value) in self.hashed:
            return True
        return self._has_other(item)

    def _has_other(self, item: Any) -> bool:
        self.frame.charge(1 + len(self.others))
        return any(equals(item, other) for other in self.others)


def distinct(frame: Frame, items: Items) -> Items:
    """Return the items without those that equal an earlier one."""
    if len(items) < 2:
        return items
    frame.charge(len(items))
    index = Index(frame)
    return [item for item in items if index.add(item)]


def union(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `|`."""
    return distinct(frame, left + right)


def contains(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `contains`."""
    return within(frame, right, left)


def within(frame: Frame, left: Items, right: Items) -> Items:
    """Answer `in`."""
    if not left:
        return EMPTY
    if len(left) > 1:
        raise EvaluationFailed("'in' and 'contains' seek one item, and were given several: use all() or subsetOf().")
    frame.charge(len(right))
    return boolean(any(equals(left[0], other) for other in right))
