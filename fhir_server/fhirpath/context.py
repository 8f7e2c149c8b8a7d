"""What an evaluation may ask of its surroundings, and what it keeps while it runs.

Spec: https://hl7.org/fhirpath/N1/#environment-variables, fhirpath.html#variables
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from fhir_server.fhirpath.errors import EvaluationFailed
from fhir_server.fhirpath.node import Node
from fhir_server.foundation.operation_outcome import TooCostly

MAX_STEPS: Final = 1_000_000
MAX_TEXT: Final = 1_000_000

_Lent = TypeVar("_Lent")
Items = list[Any]
Run = Callable[["Frame"], Items]


class Context(msgspec.Struct, frozen=True):
    """Hold what the caller lends to an expression; what is None raises EvaluationFailed when asked for.

    `now` gives an aware datetime. `resolve` takes the text of a reference and gives a resource, or None. `member_of`
    takes a node or text and the url of a value set; None means unknown. `conforms_to` takes a node and the url of a
    profile. `subsumes` takes two nodes of codes: whether the first is the second or above it. `checks_html` takes a
    narrative's text. `element_definition` takes a node and gives the ElementDefinition of its element. `is_in_slice`
    takes a node, the url of a profile and the name of a slice in it. `trace` takes a name and items. `variables` are
    those of `%name`, each a list of items, a resource or a value. `steps` bounds the work: TooCostly beyond.
    """

    now: Callable[[], datetime] | None = None
    resolve: Callable[[str], Mapping[str, Any] | None] | None = None
    member_of: Callable[[Any, str], bool | None] | None = None
    conforms_to: Callable[[Node, str], bool | None] | None = None
    subsumes: Callable[[Any, Any], bool | None] | None = None
    checks_html: Callable[[str], bool] | None = None
    element_definition: Callable[[Node], Mapping[str, Any] | None] | None = None
    is_in_slice: Callable[[Node, str, str], bool] | None = None
    trace: Callable[[str, Items], None] | None = None
    variables: Mapping[str, Any] = {}
    steps: int = MAX_STEPS


class Frame(msgspec.Struct, eq=False, gc=False):
    """Hold one evaluation: `this` is the list that `$this` gives, `start` is `%context`."""

    this: Items
    start: Items
    context: Context
    steps: int
    index: int = 0
    total: Items | None = None
    variables: Mapping[str, Items] = {}
    moment: datetime | None = None

    def charge(self, count: int) -> None:
        """Count work; raise TooCostly (403) when the expression takes more than it is given."""
        self.steps -= count
        if self.steps < 0:
            raise TooCostly("The FHIRPath takes too many steps for this input: narrow it down.")

    def charged(self, items: Items) -> Items:
        """Return items after counting them."""
        self.charge(len(items))
        return items

    def text(self, value: str) -> Items:
        """Return a text as the only item; raise TooCostly when it grew too long."""
        if len(value) > MAX_TEXT:
            raise TooCostly(f"The FHIRPath builds a text of more than {MAX_TEXT} characters.")
        self.charge(1 + len(value) // 100)
        return [value]

    def now(self) -> datetime:
        """Return the moment of this evaluation: the same each time."""
        if self.moment is None:
            self.moment = lent(self.context.now, "now")()
        return self.moment


def lent(callback: _Lent | None, name: str) -> _Lent:
    """Return what the caller lent; raise EvaluationFailed when it lent nothing."""
    if callback is None:
        raise EvaluationFailed(f"This FHIRPath needs '{name}', which nothing here can answer.")
    return callback
