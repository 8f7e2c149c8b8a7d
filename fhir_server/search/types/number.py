"""Number: values compared within the precision of what is asked.

Spec: search.html#number, search.html#prefix
"""

import math
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from fhir_server.search.condition import Compare, Condition, Test, any_of
from fhir_server.search.index_row import NUMBER
from fhir_server.search.types.value import PREFIXES, Emit, Leaf, Use, prefixed, unescape

FAMILY: Final = NUMBER
MODIFIERS: Final[frozenset[str]] = frozenset()

_NUMBER: Final = re.compile(r"[+-]?\d{1,40}(\.\d{1,40})?([eE][+-]?\d{1,3})?")


def number(emit: Emit, parameter: str, element: int, value: Decimal | int | float) -> None:
    """Write the row of a number."""
    point = float(value)
    emit((NUMBER, parameter, element, point, point))


def number_range(emit: Emit, parameter: str, element: int, value: dict[str, Any]) -> None:
    """Write the ends of a Range, whatever its unit."""
    low, high = (value.get(end, {}).get("value") for end in ("low", "high"))
    if low is not None or high is not None:
        ends = (-math.inf if low is None else float(low), math.inf if high is None else float(high))
        emit((NUMBER, parameter, element, *ends))


LEAVES: Final = {
    **dict.fromkeys(("integer", "decimal", "positiveInt", "unsignedInt"), (Leaf("", number),)),
    "Range": (Leaf("", number_range),),
}


def condition(value: str, use: Use) -> Condition:
    """Return what one value asks of the rows of a parameter."""
    prefix, text = prefixed(unescape(value))
    if not _NUMBER.fullmatch(text):
        raise use.refusal(value, f"write [{'|'.join(PREFIXES)}]number, as in ge5.40 or 1e2")
    return any_of(*(Compare(NUMBER, use.parameter, tests) for tests in alternatives(prefix, Decimal(text))))


def is_number(text: str) -> bool:
    """Tell whether a text is a number that can be asked for."""
    return bool(_NUMBER.fullmatch(text))


def alternatives(
    prefix: str, asked: Decimal, to_float: Callable[[Decimal], float] = float
) -> tuple[tuple[Test, ...], ...]:
    """Return the ways to meet a prefix and a number, each a conjunction of tests on `low` and `high`.

    Only eq, ne and ap look at the interval that the digits imply; the others take the number as exact. `to_float`
    brings numbers to the unit of the rows.
    """
    least, most = _implied(asked)
    margin = abs(asked) / 10
    point = to_float(asked)
    # More digits than rows have still name the number itself.
    low, high = min(to_float(least), point), max(to_float(most), math.nextafter(point, math.inf))
    meanings: dict[str, tuple[tuple[Test, ...], ...]] = {
        "eq": ((("low", "ge", low), ("high", "lt", high)),),
        "ne": ((("low", "lt", low),), (("high", "ge", high),)),
        "gt": ((("high", "gt", point),),),
        "lt": ((("low", "lt", point),),),
        "ge": ((("high", "ge", point),),),
        "le": ((("low", "le", point),),),
        "sa": ((("low", "gt", point),),),
        "eb": ((("high", "lt", point),),),
        "ap": (
            (("low", "le", to_float(max(most, asked + margin))), ("high", "ge", to_float(min(least, asked - margin)))),
        ),
    }
    return meanings[prefix]


def _implied(asked: Decimal) -> tuple[Decimal, Decimal]:
    """Return the half-open interval that the significant digits imply: 100 is 99.5 to 100.5, and 1e2 is 95 to 105."""
    exponent = int(asked.as_tuple().exponent)
    # The specification reads 1e2 as [95, 105): one digit more than the mantissa has.
    half = Decimal((0, (5,), exponent - (2 if exponent > 0 else 1)))
    return asked - half, asked + half
