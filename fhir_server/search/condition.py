"""Condition: what a search or an access decision means, as a small algebra over index rows.

A backend prints it in its own language, `match` evaluates it in Python: both must give the same answer.
Spec: search.html
"""

from typing import Any, Final

import msgspec

Test = tuple[str, str, Any]
"""(column, operator, value); operators: eq ne lt le gt ge prefix suffix contains in words. A test on a row's column.

`in` takes a tuple; so does `words`, which a text passes that has all of them: `w*` stands for what starts with w.
"""


class Always(msgspec.Struct, frozen=True):
    """Hold for every resource."""


class Never(msgspec.Struct, frozen=True):
    """Hold for no resource."""


class And(msgspec.Struct, frozen=True):
    """Hold when every part holds."""

    conditions: tuple["Condition", ...]


class Or(msgspec.Struct, frozen=True):
    """Hold when some part holds."""

    conditions: tuple["Condition", ...]


class Not(msgspec.Struct, frozen=True):
    """Hold when the part does not."""

    condition: "Condition"


class Compare(msgspec.Struct, frozen=True):
    """Hold when some row of the family and parameter passes every test; with no test, when there is a row."""

    family: int
    parameter: str
    tests: tuple[Test, ...] = ()


class Same(msgspec.Struct, frozen=True):
    """Hold when one element (number > 0) of a composite has a passing row for every comparison."""

    comparisons: tuple[Compare, ...]


class Identity(msgspec.Struct, frozen=True):
    """Hold for the resources of these logical ids."""

    resource_ids: tuple[str, ...]


class Updated(msgspec.Struct, frozen=True):
    """Hold when the current version's instant (microseconds) passes every test on column `last_updated`."""

    tests: tuple[Test, ...]


class OfType(msgspec.Struct, frozen=True):
    """Hold for resources of these types; serves searches over all types."""

    resource_types: tuple[str, ...]


class Exists(msgspec.Struct, frozen=True):
    """Hold when some current resource of the type, linked by the reference parameter, meets the condition.

    Forward (a chain): a reference row of this resource names a resource of `resource_type` that meets `condition`.
    Reverse (`_has`): a resource of `resource_type` that meets `condition` has a reference row that names this one.
    `condition` includes the access decision on that other type.
    """

    parameter: str
    resource_type: str
    condition: "Condition"
    is_reverse: bool = False


class Related(msgspec.Struct, frozen=True):
    """Hold when a relation in force now joins one of the actors, on one of the grounds, to a patient of the resource.

    The patients of a resource are its COMPARTMENT rows of parameter "Patient". Relation rows belong to other
    resources (CareTeam, Consent, Encounter), so `match` asks its caller for them.
    """

    actors: tuple[str, ...]
    grounds: tuple[str, ...]


class Near(msgspec.Struct, frozen=True):
    """Hold when some POSITION row of the parameter is not further than `metres` from a point, in degrees."""

    parameter: str
    latitude: float
    longitude: float
    metres: float


class Contains(msgspec.Struct, frozen=True):
    """Hold when a contained resource of the type meets the condition; with a parameter, one that it names as `#id`.

    `condition` is judged on the rows within the CONTAINED row, on its id in the container and on the container's
    instant; no `_has` holds of it, and it has no words, compartment and relations. Within it, Contains asks the
    container for its siblings. No decision is part of it: whoever sees the container sees what it contains.
    """

    resource_type: str
    condition: "Condition"
    parameter: str = ""


Condition = (
    Always | Never | And | Or | Not | Compare | Same | Identity | Updated | OfType | Exists | Related | Near | Contains
)

ALWAYS: Final = Always()
NEVER: Final = Never()


def all_of(*conditions: Condition) -> Condition:
    """Return the simplest condition that holds when all parts hold."""
    parts: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, Never):
            return NEVER
        if isinstance(condition, And):
            parts.extend(condition.conditions)
        elif not isinstance(condition, Always):
            parts.append(condition)
    if not parts:
        return ALWAYS
    return parts[0] if len(parts) == 1 else And(tuple(parts))


def any_of(*conditions: Condition) -> Condition:
    """Return the simplest condition that holds when some part holds."""
    parts: list[Condition] = []
    for condition in conditions:
        if isinstance(condition, Always):
            return ALWAYS
        if isinstance(condition, Or):
            parts.extend(condition.conditions)
        elif not isinstance(condition, Never):
            parts.append(condition)
    if not parts:
        return NEVER
    return parts[0] if len(parts) == 1 else Or(tuple(parts))


def none_of(condition: Condition) -> Condition:
    """Return the simplest condition that holds when the part does not."""
    if isinstance(condition, Always):
        return NEVER
    if isinstance(condition, Never):
        return ALWAYS
    return condition.condition if isinstance(condition, Not) else Not(condition)
