"""Rule: one sentence of an access policy, with the reason it gives.

Spec: security.html#authorization
"""

from typing import Final

import msgspec

from fhir_server.search.condition import NEVER, Condition

CREATE: Final = frozenset("c")
READING: Final = frozenset("rs")
UPDATE: Final = frozenset("u")
DELETE: Final = frozenset("d")
WRITING: Final = frozenset("cud")
ALL: Final = frozenset("cruds")
CONSULTING: Final = frozenset("ruds")
"""Everything that needs to see what is already there: all but create."""

EVERY_TYPE: Final[frozenset[str]] = frozenset()


class Rule(msgspec.Struct, frozen=True):
    """Allow, or deny, interactions on the resources of some types that meet a condition, unless they meet another.

    `reason` is the code that traces and explanations show. `interactions` are letters of "cruds", as in a scope.
    `types` EVERY_TYPE means all; `except_types` are taken away from them.
    """

    reason: str
    interactions: frozenset[str]
    condition: Condition
    types: frozenset[str] = EVERY_TYPE
    except_types: frozenset[str] = frozenset()
    is_denial: bool = False
    unless: Condition = NEVER
