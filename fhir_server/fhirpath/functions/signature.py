"""What a function takes: the shape of the rows in the tables of functions.

Spec: https://hl7.org/fhirpath/N1/#functions-2
"""

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from fhir_server.fhirpath.context import Frame, Items, Run

Call = Callable[..., Items]


class Function(msgspec.Struct, frozen=True):
    """Hold a function: `call` takes the frame, the input items, and an argument for each letter of `parameters`.

    The letters: v a collection, evaluated before the call; e an expression, which the function evaluates itself; t
    the qualified names of a type; s a sort key, an expression with 1, or with -1 when it was written `-key`. The first
    `required` ones must be given. `answers` is the type of the answer for the check before evaluation: a System type,
    "input" for the types of the input, "argument" for those of the argument, "type" for the type that is named,
    "Extension", or "" when it is unknown.
    """

    call: Call
    parameters: str = ""
    required: int = 0
    answers: str = ""


def each(frame: Frame, items: Items, body: Run) -> Iterable[tuple[Any, Items]]:
    """Yield each item with the answer of an expression whose `$this` is the item and whose `$index` is its place."""
    frame.charge(len(items))
    this, index, variables = frame.this, frame.index, frame.variables
    for place, item in enumerate(items):
        frame.this, frame.index = [item], place
        answer = body(frame)
        frame.this, frame.index, frame.variables = this, index, variables
        yield item, answer
