"""What a check finds: problems with a path that grows as they travel up.

Spec: operationoutcome.html
"""

from collections.abc import Callable
from typing import Any

import msgspec


class Problem(msgspec.Struct):
    """Hold one problem; `path` is relative to the value that was checked, `code` an issue type.

    `is_gap` marks a null in a list of primitives: right where the list of extensions has an entry. `fragment` marks a
    reference such as `#org`: right where a resource contains it.
    """

    code: str
    sentence: str
    path: str = ""
    is_gap: bool = False
    fragment: str = ""


Problems = list[Problem]
Check = Callable[[Any], Problems | None]
"""A check returns None for what is right, so that right values cost no allocation."""


def below(step: str, problems: Problems) -> Problems:
    """Prefix the paths of problems with the step that leads to them."""
    for problem in problems:
        problem.path = step + problem.path
    return problems


def kind(value: Any) -> str:
    """Name a JSON type the way a sentence does."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {dict: "an object", list: "an array", str: "a string"}
    return names.get(type(value), "a number")


def quote(value: Any) -> str:
    """Quote a value for a sentence, cut to what one can read."""
    text = str(value) if isinstance(value, str) else kind(value)
    text = text if len(text) <= 64 else text[:61] + "..."
    return f"'{text}'" if isinstance(value, str) else text
