"""Asking: what a special parameter may ask of the query that it is part of."""

from collections.abc import Callable
from typing import Protocol

from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.search.condition import Condition
from fhir_server.search.parameters import Parameters
from fhir_server.search.query import ChainLink, Clause
from fhir_server.search.types.value import Use


class Asking(Protocol):
    """The meaning of one query, under the decision on each type."""

    @property
    def parameters(self) -> Parameters:
        """Return the search parameters of the server."""
        ...

    def clause(self, resource_type: str, clause: Clause) -> Condition:
        """Return what one clause asks of a resource of a type."""
        ...

    def use(self, resource_type: str, parameter: SearchParameter, modifier: str = "") -> Use:
        """Return how a parameter is used."""
        ...

    def linked_to(
        self, resource_type: str, link: ChainLink, following: str, ask: Callable[[str], Condition]
    ) -> Condition:
        """Return that a reference leads to a resource that meets what `ask` asks of its type.

        When the link does not say the type, those that have the parameter `following` ("" for any) are meant.
        """
        ...

    def exists(self, link: tuple[str, str], ask: Callable[[], Condition], *, is_reverse: bool = False) -> Condition:
        """Return that a resource of the type in `link`, a pair (parameter, type), meets what `ask` asks."""
        ...
