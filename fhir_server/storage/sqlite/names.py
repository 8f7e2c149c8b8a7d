"""Names: the small integers that stand for resource types, parameters and systems in the tables.

They are only ever added, by any process. What a reader does not know yet, its statement looks up itself, so that
knowing fewer names is slower but never wrong.
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from collections.abc import Hashable, Sequence
from typing import Any, Final

from fhir_server.search.index_row import COMPARTMENT, CONTAINED, RELATION
from fhir_server.storage.sqlite.connection import Connection
from fhir_server.storage.sqlite.fragment import Fragment

ACROSS_TYPES: Final = frozenset((COMPARTMENT, RELATION, CONTAINED))
"""Families whose parameters are the same for all resource types."""


def contained_type(resource_type: str) -> str:
    """Return the name under which the parameters of contained resources of a type are known."""
    return f"#{resource_type}"


_SYSTEMS_KEPT: Final = 50_000


class Names:
    """The names that are known to be committed."""

    def __init__(self) -> None:
        self.resource_types: dict[str, int] = {}
        self.parameters: dict[tuple[str, int, str], int] = {}
        self.systems: dict[str, int] = {}
        self.fragments: dict[Hashable, Fragment] = {}
        """What was printed with these names: see `printing.kept`."""

    def load(self, connection: Connection) -> None:
        """Learn the resource types and parameters that are stored."""
        for number, name in connection.rows("SELECT id, name FROM resource_type"):
            self.resource_types[name] = number
        for number, name, family, resource_type in connection.rows(
            "SELECT id, name, family, resource_type FROM parameter"
        ):
            self.parameters[name, family, resource_type] = number

    @property
    def size(self) -> int:
        """Return how many resource types and parameters are known: a statement printed at one size is stale later."""
        return len(self.resource_types) + len(self.parameters)


class Naming:
    """Finds the numbers of names within a write transaction, and adds what is missing.

    New numbers are shared when the transaction is committed, and must be forgotten when anything is rolled back.
    """

    def __init__(self, connection: Connection, names: Names) -> None:
        self._connection = connection
        self._names = names
        self.forget()

    def forget(self) -> None:
        """Forget what was added since the last commit."""
        self._resource_types: dict[str, int] = {}
        self._parameters: dict[tuple[str, int, str], int] = {}
        self._systems: dict[str, int] = {}

    def share(self) -> None:
        """Make known what was added: the transaction is committed."""
        if self._resource_types or self._parameters or self._systems:
            if len(self._names.systems) > _SYSTEMS_KEPT:
                self._names.systems.clear()
            self._names.systems.update(self._systems)
            self._names.resource_types.update(self._resource_types)
            self._names.parameters.update(self._parameters)
            self.forget()

    def resource_type(self, name: str) -> int:
        """Return the number of a resource type; "" is one too, that of references to elsewhere."""
        number = self._names.resource_types.get(name)
        if number is not None:
            return number
        number = self._resource_types.get(name)
        if number is None:
            number = self._resource_types[name] = self._number("resource_type", ("name",), (name,))
        return number

    def parameter(self, name: str, family: int, resource_type: str) -> int:
        """Return the number of the parameter of a family and resource type."""
        key = (name, family, "" if family in ACROSS_TYPES else resource_type)
        number = self._names.parameters.get(key)
        if number is not None:
            return number
        number = self._parameters.get(key)
        if number is None:
            number = self._parameters[key] = self._number("parameter", ("name", "family", "resource_type"), key)
        return number

    def system(self, uri: str) -> int:
        """Return the number of a system; "" is one too."""
        number = self._names.systems.get(uri)
        if number is not None:
            return number
        number = self._systems.get(uri)
        if number is None:
            number = self._systems[uri] = self._number("system", ("uri",), (uri,))
        return number

    def _number(self, table: str, columns: tuple[str, ...], values: Sequence[Any]) -> int:
        where = " AND ".join(f"{column} = ?" for column in columns)
        found = self._connection.rows(f"SELECT id FROM {table} WHERE {where}", values)
        if not found:
            marks = ", ".join("?" * len(columns))
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks}) RETURNING id"
            found = self._connection.rows(insert, values)
        return int(found[0][0])
