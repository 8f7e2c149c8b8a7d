"""Printer: collects the arguments and names of one statement while its text is put together.

Arguments are numbered, so that equal shapes give equal texts, which the engine prepares once.
"""

# ruff: noqa: S608 - texts are put together from our own names; every value is bound.

from typing import Any

import msgspec

from fhir_server.storage.sqlite.names import ACROSS_TYPES, Names, contained_type
from fhir_server.storage.sqlite.session import NOW, Printed, Slot


class Subject(msgspec.Struct, frozen=True):
    """The resource that a condition speaks of: a row of table `resource`; `resource_type` "" when it may be any.

    `found_by` is another alias whose `rid` is the same: what needs no more is judged before the row is read.
    `held` is the alias of a row of the resource's index rows: the subject is what that row tells to be contained.
    `patient_id` is a guess: whose resources most of the subjects are, "" when nothing tells. It decides nothing.
    """

    alias: str
    resource_type: str
    found_by: str = ""
    held: str = ""
    patient_id: str | Slot = ""

    @property
    def rid(self) -> str:
        """Return the expression of its number, or of its container's."""
        return f"{self.found_by or self.alias}.rid"

    @property
    def id(self) -> str:
        """Return the expression of its id."""
        return f"({self.held}.value ->> 0)" if self.held else f"{self.alias}.id"

    @property
    def rows(self) -> str:
        """Return the expression of its index rows, as JSON."""
        return f"({self.held}.value ->> 1)" if self.held else f"(SELECT content FROM index_rows WHERE rid = {self.rid})"

    @property
    def owner(self) -> str:
        """Return the resource type that its parameters are known by."""
        return contained_type(self.resource_type) if self.held else self.resource_type


class Printer:
    """Numbers the arguments and the aliases of one statement; the aliases begin with a letter of their own."""

    def __init__(self, names: Names, letter: str = "t") -> None:
        self.names = names
        self._letter = letter
        self._arguments: list[Any] = []
        self._slots: dict[str, int] = {}
        self._aliases = 0

    def printed(self, text: str) -> Printed:
        """Return the statement with its arguments."""
        slots = tuple((position, name) for name, position in self._slots.items())
        return Printed(text, tuple(self._arguments), slots, NOW.name in self._slots)

    def bind(self, value: Any) -> str:
        """Return the mark of an argument."""
        if isinstance(value, Slot):
            if value.name not in self._slots:
                self._slots[value.name] = len(self._arguments)
                self._arguments.append(None)
            return f"?{self._slots[value.name] + 1}"
        self._arguments.append(value)
        return f"?{len(self._arguments)}"

    def alias(self) -> str:
        """Return a new table alias."""
        self._aliases += 1
        return f"{self._letter}{self._aliases}"

    def resource_type(self, name: str) -> str:
        """Return the number of a resource type, or the expression that finds it."""
        number = self.names.resource_types.get(name)
        if number is not None:
            return str(number)
        return f"(SELECT id FROM resource_type WHERE name = {self.bind(name)})"

    def parameter(self, name: str, family: int, subject: Subject) -> str:
        """Return the number of a subject's parameter, or the expression that finds it."""
        resource_type = "" if family in ACROSS_TYPES else subject.owner
        number = self.names.parameters.get((name, family, resource_type))
        if number is not None:
            return str(number)
        if resource_type or family in ACROSS_TYPES:
            owner = self.bind(resource_type)
        else:
            owner = f"(SELECT name FROM resource_type WHERE id = {subject.alias}.type)"
        return (
            f"(SELECT id FROM parameter WHERE name = {self.bind(name)} AND family = {family}"
            f" AND resource_type = {owner})"
        )
