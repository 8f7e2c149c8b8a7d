"""What a check finds: problems with a path that grows as they travel up.

Spec: operationoutcome.html
"""

from collections.abc import Callable
from typing import Any

import msgspec

from fhir_server.foundation.operation_outcome import Issue
from fhir_server.validation.texts import KINDS, NUMBER, STRUCTURE, Words, say


class Problem(msgspec.Struct):
    """Hold one problem: `message_id` and `values` make its sentence; `path` is relative to the value that was checked.

    `is_gap` marks a null in a list of primitives: right where the list of extensions has an entry. `fragment` marks a
    reference such as `#org`: right where a resource contains it.
    """

    message_id: str
    values: tuple[object, ...] = ()
    path: str = ""
    is_gap: bool = False
    fragment: str = ""

    @property
    def code(self) -> str:
        """Return the issue type."""
        return STRUCTURE[self.message_id].code

    def sentence(self, language: str = "en") -> str:
        """Return what is wrong and how to mend it."""
        return say(STRUCTURE[self.message_id], language, self.values)

    def issue(self, start: str, language: str = "en") -> Issue:
        """Return the issue of a problem below a place."""
        sentence = self.sentence(language)
        return Issue("error", self.code, sentence, (start + self.path,), message_id=self.message_id)


Problems = list[Problem]
Check = Callable[[Any], Problems | None]
"""A check returns None for what is right, so that right values cost no allocation."""


def below(step: str, problems: Problems) -> Problems:
    """Prefix the paths of problems with the step that leads to them."""
    for problem in problems:
        problem.path = step + problem.path
    return problems


def kind(value: Any) -> Words:
    """Name a JSON type the way a sentence does."""
    return KINDS.get(type(value), NUMBER)


def quote(value: Any) -> object:
    """Quote a value for a sentence, cut to what one can read."""
    if not isinstance(value, str):
        return kind(value)
    text = value if len(value) <= 64 else value[:61] + "..."
    return f"'{text}'"
