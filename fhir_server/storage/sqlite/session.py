"""Session: what a statement needs to be printed and run: a connection, the names, the clock."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from fhir_server.storage.sqlite.connection import Connection
from fhir_server.storage.sqlite.instants import microseconds
from fhir_server.storage.sqlite.names import Names

_STATEMENTS_KEPT: Final = 2_000


class Slot(msgspec.Struct, frozen=True):
    """An argument that is known only when the statement is run."""

    name: str


NOW: Final = Slot("now")


class Printed(msgspec.Struct, frozen=True):
    """A statement and its arguments; `slots` are those that wait for a value, `is_timed` that one is the instant."""

    text: str
    arguments: tuple[Any, ...] = ()
    slots: tuple[tuple[int, str], ...] = ()
    is_timed: bool = False

    def filled(self, values: dict[str, Any]) -> Sequence[Any]:
        """Return the arguments, with a value in every slot."""
        if not self.slots:
            return self.arguments
        arguments = list(self.arguments)
        for position, name in self.slots:
            arguments[position] = values[name]
        return arguments


class Session(msgspec.Struct):
    """What a statement needs; sessions of one store share all but the connection.

    `statements` keeps what was printed, so that an access decision that is met again costs nothing: by what it was
    printed from, and by how many names were known then. A statement with fewer names is right, but slower.
    """

    connection: Connection
    names: Names
    now: Callable[[], datetime]
    secret: bytes
    statements: dict[Hashable, Printed]
    search_seconds: float
    walk_factors: tuple[int, int]

    def printed(self, key: Hashable, printing: Callable[[], Printed]) -> Printed:
        """Return the statement printed from `key`, printing it when it is new."""
        known = (self.names.size, key)
        try:
            printed = self.statements.get(known)
        except TypeError:  # a condition that holds a list cannot be a key
            return printing()
        if printed is None:
            if len(self.statements) >= _STATEMENTS_KEPT:
                self.statements.clear()
            printed = self.statements[known] = printing()
        return printed

    def run(self, printed: Printed, **values: Any) -> list[tuple[Any, ...]]:
        """Run a short statement."""
        return self.connection.rows(printed.text, printed.filled(self.with_now(printed, values)))

    def run_within(self, seconds: float, printed: Printed, values: dict[str, Any]) -> list[tuple[Any, ...]]:
        """Run a statement that may be long; raises TooCostly after so many seconds."""
        return self.connection.rows_within(seconds, printed.text, printed.filled(self.with_now(printed, values)))

    def with_now(self, printed: Printed, values: dict[str, Any]) -> dict[str, Any]:
        """Return the values, the instant among them when the statement waits for it."""
        if printed.is_timed:
            values["now"] = microseconds(self.now())
        return values
