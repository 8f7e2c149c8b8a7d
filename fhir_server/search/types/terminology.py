"""Terminology: what the modifiers of tokens ask about codes; a terminology service answers, or refuses.

Spec: search.html#token, terminologies.html
"""

from collections.abc import Collection, Mapping
from typing import Any, Final, Protocol

from fhir_server.foundation.definitions import CODE_SETS, table
from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.foundation.structure import code_set

SPECIFIED: Final = "http://hl7.org/fhir/ValueSet/"
MAXIMUM_CODES: Final = 20_000
"""Codes that one value may stand for."""


class Terminology(Protocol):
    """What a search asks of a terminology service. Answers are at hand: nothing is awaited."""

    def expand(self, value_set: str | Mapping[str, Any]) -> Mapping[str, Collection[str]]:
        """Return system -> codes of a value set, by canonical (a version after `|`) or as the ValueSet itself.

        Raises BadRequest when it is not known, TooCostly when it has too many codes.
        """
        ...

    def below(self, system: str, code: str) -> Collection[str]:
        """Return the code and those that it subsumes; raises BadRequest when the system's hierarchy is not known."""
        ...

    def above(self, system: str, code: str) -> Collection[str]:
        """Return the code and those that subsume it; raises BadRequest when the system's hierarchy is not known."""
        ...


class SpecifiedCodes:
    """The value sets that the specification binds as required and enumerates; it knows no hierarchy."""

    def expand(self, value_set: str | Mapping[str, Any]) -> Mapping[str, Collection[str]]:
        """See Terminology.expand."""
        if not isinstance(value_set, str):
            raise BadRequest("This server expands no stored value sets: name one that R4 enumerates.")
        name = value_set.partition("|")[0].removeprefix(SPECIFIED)
        if not value_set.startswith(SPECIFIED) or name not in table(CODE_SETS):
            raise BadRequest(
                f"The value set {value_set!r} is not known here: name one that R4 enumerates, "
                f"as {SPECIFIED}administrative-gender."
            )
        return code_set(name)

    def below(self, system: str, code: str) -> Collection[str]:
        """See Terminology.below."""
        raise _unknown_hierarchy(system)

    def above(self, system: str, code: str) -> Collection[str]:
        """See Terminology.above."""
        raise _unknown_hierarchy(system)


def _unknown_hierarchy(system: str) -> BadRequest:
    return BadRequest(f"The hierarchy of {system} is not known here: name the codes themselves.")


SPECIFIED_CODES: Final = SpecifiedCodes()


def expanded(terminology: Terminology, value_set: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return the systems of a value set with their codes, in order; raises what `expand` does."""
    found = sorted((system, tuple(sorted(codes))) for system, codes in terminology.expand(value_set).items())
    if sum(len(codes) for _, codes in found) > MAXIMUM_CODES:
        raise TooCostly(f"The value set {value_set!r} has more than {MAXIMUM_CODES} codes: choose a narrower one.")
    return found


def bounded(codes: Collection[str], code: str) -> tuple[str, ...]:
    """Return the codes of a hierarchy in order; raises TooCostly when there are too many."""
    if len(codes) > MAXIMUM_CODES:
        raise TooCostly(f"More than {MAXIMUM_CODES} codes are above or below {code!r}: choose a narrower one.")
    return tuple(sorted(codes))
