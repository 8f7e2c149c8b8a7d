"""Index rows: the values that search and access read, extracted from one resource.

A row is a plain tuple `(family, parameter, element, *columns)`. `family` says which columns follow (COLUMNS);
`element` is 0, but for composite parameters, where rows of one element share a number from 1 on.
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

COLUMNS: Final[dict[int, tuple[str, ...]]] = {
    # `system` is "" when there is none.
    TOKEN: ("system", "code"),
    # `folded` is lower case without accents, white space collapsed; `exact` the text as it stands.
    STRING: ("folded", "exact"),
    # Half-open interval in microseconds since 1970 UTC; MIN_INSTANT and MAX_INSTANT where it is open.
    DATE: ("low", "high"),
    # Half-open interval that the significant digits imply; floats, infinite where it is open.
    NUMBER: ("low", "high"),
    QUANTITY: ("low", "high", "system", "code"),
    # A resource of this server: type and id. Anything else: "" and the literal reference or canonical URL.
    REFERENCE: ("target_type", "target_id", "version"),
    URI: ("value",),
    # parameter = compartment type ("Patient"); the resource is in the compartment of this id.
    COMPARTMENT: ("compartment_id",),
    # parameter = ground ("care-team", "consent", "block" ...): actor reference, patient id, in force low <= now < high.
    RELATION: ("actor", "patient_id", "low", "high"),
}

MIN_INSTANT: Final = -(2**62)
MAX_INSTANT: Final = 2**62
