"""Index rows: the values that search and access read, extracted from one resource.

A row is a plain tuple `(family, parameter, element, *columns)`. `family` says which columns follow (COLUMNS);
`element` is 0, but for composite parameters, where rows of one element share a number from 1 on, and the parameter
of a component's rows is the composite's code, `$` and the component's position: `code-value-quantity$1`.
A parameter with a suffix holds what a modifier asks: `code:text`, `identifier:of-type`, `subject:identifier`,
`value-quantity:canonical`.
Parameters that start with `_` and are no search parameter serve access: see `access/`.
"""

from typing import Any, Final

IndexRow = tuple[Any, ...]

TOKEN: Final = 1
STRING: Final = 2
DATE: Final = 3
NUMBER: Final = 4
QUANTITY: Final = 5
REFERENCE: Final = 6
URI: Final = 7
COMPARTMENT: Final = 8
RELATION: Final = 9
POSITION: Final = 10
TEXT: Final = 11
CONTAINED: Final = 12

COLUMNS: Final[dict[int, tuple[str, ...]]] = {
    # `system` is "" when there is none.
    TOKEN: ("system", "code"),
    # `folded` is lower case without accents, white space collapsed; `exact` the text as it stands.
    STRING: ("folded", "exact"),
    # Half-open interval in microseconds since 1970 UTC; MIN_INSTANT and MAX_INSTANT where it is open.
    DATE: ("low", "high"),
    # Floats: the value twice, or the ends of a Range, infinite where it is open. The digits of the value imply no
    # interval: the precision of what is asked decides, and `gt100` must not find 100 (search.html#number).
    NUMBER: ("low", "high"),
    # As NUMBER; `code` is the unit's code, or with system "" its text.
    QUANTITY: ("low", "high", "system", "code"),
    # A resource of this server: type and id. Anything else: "" and the literal reference or canonical URL.
    REFERENCE: ("target_type", "target_id", "version"),
    URI: ("value",),
    # parameter = compartment type ("Patient"); the resource is in the compartment of this id.
    COMPARTMENT: ("compartment_id",),
    # parameter = ground ("care-team", "consent", "block" ...): actor reference, patient id, in force low <= now < high.
    RELATION: ("actor", "patient_id", "low", "high"),
    # Degrees; asked by the condition Near, or for presence.
    POSITION: ("latitude", "longitude"),
    # The distinct folded words of a text, parted by spaces; one row a parameter (`_text`, `_content`), of element 0,
    # asked with the operator `words`, or for presence.
    TEXT: ("words",),
    # parameter = type of a contained resource; its id in the resource ("" for none), and its own rows of the families
    # in CONTAINED_FAMILIES, a tuple. Asked by the condition Contains alone.
    CONTAINED: ("contained_id", "rows"),
}

CONTAINED_FAMILIES: Final = frozenset({TOKEN, STRING, DATE, NUMBER, QUANTITY, REFERENCE, URI, POSITION})
"""What a contained resource is asked by; compartments, relations and words are those of its container."""

MIN_INSTANT: Final = -(2**62)
MAX_INSTANT: Final = 2**62
