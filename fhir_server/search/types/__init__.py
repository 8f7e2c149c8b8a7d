"""The search types: each file says all about one, its rows, its extraction and its condition."""

from collections.abc import Mapping
from typing import Final, Protocol

from fhir_server.search.condition import Condition
from fhir_server.search.types import date, number, quantity, reference, special, string, token, uri
from fhir_server.search.types.value import Leaf, Use


class SearchType(Protocol):
    """What each module of a search type offers."""

    @property
    def FAMILY(self) -> int:  # noqa: N802 - modules say it as a constant
        """Return the family of the type's rows."""
        ...

    @property
    def MODIFIERS(self) -> frozenset[str]:  # noqa: N802
        """Return the modifiers that the type understands, beside `missing`."""
        ...

    @property
    def LEAVES(self) -> Mapping[str, tuple[Leaf, ...]]:  # noqa: N802
        """Return how each FHIR data type gives rows."""
        ...

    def condition(self, value: str, use: Use) -> Condition:
        """Return what one value asks; raises BadRequest when the value is not understood."""
        ...


SEARCH_TYPES: Final[dict[str, SearchType]] = {
    "string": string,
    "token": token,
    "date": date,
    "number": number,
    "quantity": quantity,
    "reference": reference,
    "uri": uri,
    "special": special,
}
"""Composite stands apart: it has no rows of its own, only those of its components."""
