"""Change: what a patch, once read, does to a resource.

Spec: http.html#patch, RFC 5789 (2.2 Error Handling)
"""

from collections.abc import Callable
from typing import Any, Final

from fhir_server.foundation.operation_outcome import Conflict, TooCostly

Resource = dict[str, Any]
Change = Callable[[Resource], Any]
"""Takes a resource, which it may change in place, and returns what it became. Raises Inapplicable."""

COPIES_MAXIMUM: Final = 100_000
LOOKS_MAXIMUM: Final = 200_000


class Inapplicable(Conflict):
    """The patch is well formed, and what it takes for granted is not so in the resource: 409, as RFC 5789 says."""


class Looks:
    """Counts the nodes that a patch looks at to find what it names: it runs while other writers wait."""

    def __init__(self) -> None:
        self._left = LOOKS_MAXIMUM

    def spend(self, count: int) -> None:
        """Note that so many nodes are looked at. Raises TooCostly."""
        self._left -= count
        if self._left < 0:
            raise TooCostly(f"To find what it names, the patch looks at more than {LOOKS_MAXIMUM} elements: split it.")


class Copies:
    """Copies what a patch inserts, and counts: a patch that copies copies grows beyond any bound."""

    def __init__(self) -> None:
        self._left = COPIES_MAXIMUM

    def copy(self, value: Any) -> Any:
        """Return a copy that shares nothing with the value. Raises TooCostly."""
        self._left -= 1
        if self._left < 0:
            raise TooCostly(f"The patch copies more than {COPIES_MAXIMUM} values.")
        if isinstance(value, dict):
            return {name: self.copy(item) for name, item in value.items()}
        if isinstance(value, list):
            return [self.copy(item) for item in value]
        return value
