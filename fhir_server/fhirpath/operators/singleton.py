"""One item where one is expected: singletons, and collections taken as booleans.

Spec: https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
"""

from decimal import Decimal
from typing import Any, Final

from fhir_server.fhirpath.context import Items
from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.node import Node, system
from fhir_server.fhirpath.types import type_of_value

TRUE: Final[Items] = [True]
FALSE: Final[Items] = [False]
EMPTY: Final[Items] = []
"""Answers that are never changed: no function may alter a list that it is given."""


def boolean(value: bool | None) -> Items:
    """Return the collection of a boolean; None is empty."""
    return EMPTY if value is None else TRUE if value else FALSE


def one(items: Items, what: str) -> Any:
    """Return the System value of the only item, None when there is none; raise EvaluationFailed when there are more."""
    if not items:
        return None
    if len(items) > 1:
        raise EvaluationFailed(f"{what} takes one item and was given {len(items)}: use first() or where().")
    return system(items[0])


def truth(items: Items) -> bool | None:
    """Return a collection as a boolean: empty is None, and any single item that is no boolean is true."""
    if not items:
        return None
    value = one(items, "A condition")
    if value is None or value.__class__ is bool:
        return value
    return True


def text(items: Items, what: str) -> str | None:
    """Return the only item, a string; None when there is none."""
    value = one(items, what)
    if value is None or value.__class__ is str:
        return value
    if items[0].__class__ is Node and isinstance(items[0].value, str):
        return items[0].value
    raise wrong(what, "a string", value)


def integer(items: Items, what: str) -> int | None:
    """Return the only item, an integer; None when there is none."""
    value = one(items, what)
    if value is None or (isinstance(value, int) and value.__class__ is not bool):
        return value
    if isinstance(value, Decimal) and value == value.to_integral_value() and value.adjusted() < 20:
        return int(value)
    raise wrong(what, "an integer", value)


def wrong(what: str, wanted: str, value: Any) -> EvaluationFailed:
    """Return the refusal of a value of the wrong type."""
    return EvaluationFailed(f"{what} takes {wanted} and was given {type_name(value)}.")


def type_name(value: Any) -> str:
    """Name the type of an item for a sentence."""
    return str(value.type.qualified if value.__class__ is Node else type_of_value(value).qualified)
