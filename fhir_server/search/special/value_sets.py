"""Value sets that a query asks for: whoever must fetch or expand them can do so before the query is planned.

Spec: search.html#token
"""

from collections.abc import Iterator

from fhir_server.search.parse import FILTER
from fhir_server.search.query import Query
from fhir_server.search.special.filter_grammar import Comparison, Expression, Joined, parse_filter
from fhir_server.search.types.value import unescape


def value_sets(query: Query) -> tuple[str, ...]:
    """Return what `Terminology.expand` will be asked, each once: canonicals, and `ValueSet/id`.

    Raises BadRequest for a `_filter` that breaks the grammar.
    """
    found: list[str] = []
    for clause in query.clauses:
        if clause.parameter == FILTER:
            for text in clause.values:
                found += _within(parse_filter(text))
        elif clause.modifier in ("in", "not-in"):
            found += map(unescape, clause.values)
    return tuple(dict.fromkeys(found))


def _within(expression: Expression) -> Iterator[str]:
    if isinstance(expression, Comparison):
        for step in expression.path:
            if step.within is not None:
                yield from _within(step.within)
        if expression.operator in ("in", "ni"):
            yield expression.value
    elif isinstance(expression, Joined):
        yield from _within(expression.first)
        yield from _within(expression.second)
    else:
        yield from _within(expression.expression)
