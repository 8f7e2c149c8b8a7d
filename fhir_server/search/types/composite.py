"""Composite: several values that one element must have together.

Spec: search.html#composite
"""

from collections.abc import Callable, Sequence

from fhir_server.search.condition import Compare, Condition, Or, Same, any_of
from fhir_server.search.types.value import Use, split

MODIFIERS: frozenset[str] = frozenset()


def component(code: str, position: int) -> str:
    """Return the parameter that the rows of a component carry; positions count from 1."""
    return f"{code}${position}"


def condition(value: str, use: Use, components: Sequence[Callable[[str], Condition]]) -> Condition:
    """Return what `value$value` asks; each component gives the condition of its own value."""
    parts = split(value, "$")
    if len(parts) != len(components) or not all(parts):
        raise use.refusal(value, f"write {'$'.join('value' for _ in components)}, one value for each component")
    ways: list[tuple[Compare, ...]] = [()]
    for part, ask in zip(parts, components, strict=True):
        ways = [(*way, choice) for way in ways for choice in _choices(ask(part))]
    return any_of(*(Same(way) for way in ways))


def _choices(condition: Condition) -> tuple[Compare, ...]:
    """Return the comparisons any of which will do: a prefix such as `ne` or `ge` may have two."""
    parts = condition.conditions if isinstance(condition, Or) else (condition,)
    return tuple(part for part in parts if isinstance(part, Compare))
