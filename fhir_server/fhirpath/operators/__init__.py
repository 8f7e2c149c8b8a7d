"""The operators by their symbols: each takes the frame and the two sides."""

from collections.abc import Callable
from typing import Final

from fhir_server.fhirpath.context import Frame, Items
from fhir_server.fhirpath.operators.arithmetic import ARITHMETIC
from fhir_server.fhirpath.operators.collection import contains, union, within
from fhir_server.fhirpath.operators.comparison import COMPARISONS
from fhir_server.fhirpath.operators.equality import equal, equivalent, not_equivalent, unequal

OPERATORS: Final[dict[str, Callable[[Frame, Items, Items], Items]]] = {
    **ARITHMETIC,
    **COMPARISONS,
    "=": equal,
    "!=": unequal,
    "~": equivalent,
    "!~": not_equivalent,
    "|": union,
    "in": within,
    "contains": contains,
}
