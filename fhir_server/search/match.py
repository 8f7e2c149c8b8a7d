"""Match: judge a condition in Python on the index rows of one resource; the oracle of every backend.

Spec: search.html
"""

import math
import operator
from collections.abc import Callable, Iterable, Sequence
from functools import singledispatch
from typing import Any, Final, Protocol

import msgspec

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
    Test,
    Updated,
)
from fhir_server.search.index_row import COLUMNS, COMPARTMENT, CONTAINED, POSITION, REFERENCE, IndexRow


class Subject(msgspec.Struct, frozen=True):
    """One current resource as search sees it; `last_updated` in microseconds since 1970 UTC."""

    resource_type: str
    resource_id: str
    last_updated: int
    rows: Sequence[IndexRow]
    container: "Subject | None" = None
    """The resource that contains this one."""


class World(Protocol):
    """The other current resources, asked for by chains, `_has` and relations only."""

    @property
    def now(self) -> int:
        """Return the instant, in microseconds since 1970 UTC, at which relations must be in force."""
        ...

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        """Return the current resource, or None when it is unknown or deleted."""
        ...

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        """Return the current resources of a type."""
        ...

    def relations(self) -> Iterable[IndexRow]:
        """Return the RELATION rows of all current resources."""
        ...


class Alone(msgspec.Struct, frozen=True):
    """A world without other resources; `relation_rows` are the RELATION rows that the caller knows of."""

    now: int = 0
    relation_rows: tuple[IndexRow, ...] = ()

    def find(self, resource_type: str, resource_id: str) -> Subject | None:
        """Return None: there is no other resource."""
        return None

    def all_of_type(self, resource_type: str) -> Iterable[Subject]:
        """Return nothing."""
        return ()

    def relations(self) -> Iterable[IndexRow]:
        """Return the rows given."""
        return self.relation_rows


ALONE: Final = Alone()


def match(condition: Condition, subject: Subject, world: World = ALONE) -> bool:
    """Say whether the condition holds for the resource.

    Without a world, chains and `_has` find nothing and no relation is in force.
    """
    return _holds(condition, subject, world)


EARTH_METRES: Final = 6_371_008.8
"""The mean radius; the Earth being no sphere, distances are right to half a percent."""


def distance_metres(latitude: float, longitude: float, other_latitude: float, other_longitude: float) -> float:
    """Return how far two points, in degrees, are apart along the surface of the Earth."""
    north, other_north = math.radians(latitude), math.radians(other_latitude)
    east = math.radians(other_longitude - longitude)
    chord = math.sin((other_north - north) / 2) ** 2 + math.cos(north) * math.cos(other_north) * math.sin(east / 2) ** 2
    return 2 * EARTH_METRES * math.asin(min(1.0, math.sqrt(chord)))


def has_words(text: str, words: Sequence[str]) -> bool:
    """Say whether a text, words parted by spaces, has all these words; `w*` stands for any that starts with w."""
    own = text.split()
    return all(any(one.startswith(word[:-1]) for one in own) if word.endswith("*") else word in own for word in words)


OPERATORS: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "lt": operator.lt,
    "le": operator.le,
    "gt": operator.gt,
    "ge": operator.ge,
    "prefix": str.startswith,
    "suffix": str.endswith,
    "contains": operator.contains,
    "in": lambda column, value: column in value,
    "words": has_words,
}

_POSITIONS: Final = {
    (family, name): index for family, names in COLUMNS.items() for index, name in enumerate(names, start=3)
}


def _passes(row: IndexRow, compare: Compare) -> bool:
    if row[0] != compare.family or row[1] != compare.parameter:
        return False
    return all(_test(row[_POSITIONS[row[0], test[0]]], test) for test in compare.tests)


def _test(column: Any, test: Test) -> bool:
    return bool(OPERATORS[test[1]](column, test[2]))


@singledispatch
def _holds(condition: Any, subject: Subject, world: World) -> bool:
    raise TypeError(f"no condition: {condition!r}")


@_holds.register
def _(condition: Always, subject: Subject, world: World) -> bool:
    return True


@_holds.register
def _(condition: Never, subject: Subject, world: World) -> bool:
    return False


@_holds.register
def _(condition: And, subject: Subject, world: World) -> bool:
    return all(_holds(part, subject, world) for part in condition.conditions)


@_holds.register
def _(condition: Or, subject: Subject, world: World) -> bool:
    return any(_holds(part, subject, world) for part in condition.conditions)


@_holds.register
def _(condition: Not, subject: Subject, world: World) -> bool:
    return not _holds(condition.condition, subject, world)


@_holds.register
def _(condition: Compare, subject: Subject, world: World) -> bool:
    return any(_passes(row, condition) for row in subject.rows)


@_holds.register
def _(condition: Same, subject: Subject, world: World) -> bool:
    elements = [
        {row[2] for row in subject.rows if row[2] > 0 and _passes(row, compare)} for compare in condition.comparisons
    ]
    return bool(elements and set.intersection(*elements))


@_holds.register
def _(condition: Identity, subject: Subject, world: World) -> bool:
    return subject.resource_id in condition.resource_ids


@_holds.register
def _(condition: Updated, subject: Subject, world: World) -> bool:
    return all(_test(subject.last_updated, test) for test in condition.tests)


@_holds.register
def _(condition: OfType, subject: Subject, world: World) -> bool:
    return subject.resource_type in condition.resource_types


@_holds.register
def _(condition: Exists, subject: Subject, world: World) -> bool:
    if condition.is_reverse:
        if subject.container is not None:
            return False
        names_subject = Compare(
            REFERENCE,
            condition.parameter,
            (("target_type", "eq", subject.resource_type), ("target_id", "eq", subject.resource_id)),
        )
        return any(
            any(_passes(row, names_subject) for row in other.rows) and _holds(condition.condition, other, world)
            for other in world.all_of_type(condition.resource_type)
        )
    names_type = Compare(REFERENCE, condition.parameter, (("target_type", "eq", condition.resource_type),))
    targets = (world.find(row[3], row[4]) for row in subject.rows if _passes(row, names_type))
    return any(target is not None and _holds(condition.condition, target, world) for target in targets)


@_holds.register
def _(condition: Related, subject: Subject, world: World) -> bool:
    patients = {row[3] for row in subject.rows if row[0] == COMPARTMENT and row[1] == "Patient"}
    return any(
        ground in condition.grounds and actor in condition.actors and patient in patients and low <= world.now < high
        for _, ground, _, actor, patient, low, high in world.relations()
    )


@_holds.register
def _(condition: Near, subject: Subject, world: World) -> bool:
    return any(
        distance_metres(condition.latitude, condition.longitude, row[3], row[4]) <= condition.metres
        for row in subject.rows
        if row[0] == POSITION and row[1] == condition.parameter
    )


@_holds.register
def _(condition: Contains, subject: Subject, world: World) -> bool:
    container = subject.container or subject
    named = {row[4] for row in subject.rows if row[:2] == (REFERENCE, condition.parameter) and row[3] == ""}
    return any(
        _holds(condition.condition, _within(container, row), world)
        for row in container.rows
        if row[:2] == (CONTAINED, condition.resource_type) and (not condition.parameter or f"#{row[3]}" in named)
    )


def _within(container: Subject, row: IndexRow) -> Subject:
    """Return the contained resource of a row."""
    return Subject(row[1], row[3], container.last_updated, row[4], container)
