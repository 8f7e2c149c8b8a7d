"""The meaning of `_filter`: its tree to a condition.

Spec: search_filter.html
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from fhir_server.foundation.dates import interval
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.search.condition import Compare, Condition, all_of, any_of, none_of
from fhir_server.search.index_row import DATE, STRING, TOKEN, URI
from fhir_server.search.parameters import WHOLE
from fhir_server.search.query import Clause
from fhir_server.search.special.asking import Asking
from fhir_server.search.special.filter_grammar import NAME, Comparison, Expression, Joined, Negation, parse_filter
from fhir_server.search.types import SEARCH_TYPES, string, token
from fhir_server.search.types.value import PREFIXES, Use

TEXT_OPERATORS: Final = {"eq": "eq", "ne": "ne", "co": "contains", "sw": "prefix", "ew": "suffix"}
TOKEN_MODIFIERS: Final = {"eq": "", "in": "in", "ni": "not-in", "ss": "below", "sb": "above"}
"""`ss`: the value subsumes a code of the resource, which is thus below the value."""
IDENTITY: Final = ("_id", "_lastUpdated")


def in_filter(asking: Asking, resource_type: str, clause: Clause) -> Condition:
    """Return what all expressions ask, the resources that they lead to being under the decision on their types."""
    return any_of(*(_meant(asking, resource_type, parse_filter(text)) for text in clause.values))


def _meant(asking: Asking, resource_type: str, expression: Expression) -> Condition:
    if isinstance(expression, Negation):
        return none_of(_meant(asking, resource_type, expression.expression))
    if isinstance(expression, Joined):
        both = (_meant(asking, resource_type, part) for part in (expression.first, expression.second))
        return all_of(*both) if expression.is_and else any_of(*both)
    return _followed(asking, resource_type, expression)


def _followed(asking: Asking, resource_type: str, comparison: Comparison) -> Condition:
    step, rest = comparison.path[0], comparison.path[1:]
    if not rest:
        return _compared(asking, resource_type, comparison)
    asking.parameters.check_followed(resource_type, step.link.parameter)
    targets = asking.parameters.targets(resource_type, step.link.parameter)
    following = rest[0].link.parameter
    if not any(following in asking.parameters.of_type(target) for target in targets):
        asking.parameters.named(targets[0], following)

    def ask(target: str) -> Condition:
        inner = () if step.within is None else (_meant(asking, target, step.within),)
        return all_of(*inner, _followed(asking, target, Comparison(rest, *_asked(comparison))))

    return asking.linked_to(resource_type, step.link, following, ask)


def _asked(comparison: Comparison) -> tuple[str, str, int]:
    return comparison.operator, comparison.value, comparison.position


def _compared(asking: Asking, resource_type: str, comparison: Comparison) -> Condition:
    parameter = asking.parameters.named(resource_type, comparison.path[0].link.parameter)
    if parameter.code in WHOLE:
        return _of_whole(asking, resource_type, comparison)
    if comparison.operator == "pr":
        missing = {"true": "false", "false": "true"}.get(comparison.value, comparison.value)
        return asking.clause(resource_type, Clause(parameter.code, "missing", (missing,)))
    if parameter.code in IDENTITY:
        return _identified(asking, resource_type, comparison)
    offered = _OPERATORS.get(parameter.type, {})
    if comparison.operator not in offered:
        raise _refused(comparison, (*offered, "pr"))
    return offered[comparison.operator](asking, (resource_type, parameter), comparison)


def _refused(comparison: Comparison, known: Iterable[str]) -> BadRequest:
    code = comparison.path[0].link.parameter
    return BadRequest(
        f"{NAME}: {code} is not compared by {comparison.operator!r} (at character {comparison.position}); "
        f"it has {', '.join(known) or 'none'}.",
        NAME,
    )


def _of_whole(asking: Asking, resource_type: str, comparison: Comparison) -> Condition:
    code = comparison.path[0].link.parameter
    known = () if code == NAME else ("eq",)
    if comparison.operator not in known:
        raise _refused(comparison, known)
    return asking.clause(resource_type, Clause(code, "", (_plain(comparison.value),)))


def _identified(asking: Asking, resource_type: str, comparison: Comparison) -> Condition:
    code, operator = comparison.path[0].link.parameter, comparison.operator
    if code == "_id" and operator in ("eq", "ne"):
        return asking.clause(
            resource_type, Clause(code, "" if operator == "eq" else "not", (_plain(comparison.value),))
        )
    if code == "_lastUpdated" and operator in PREFIXES:
        return asking.clause(resource_type, Clause(code, "", (operator + comparison.value,)))
    raise _refused(comparison, ("eq", "ne", "pr") if code == "_id" else (*PREFIXES, "pr"))


Owned = tuple[str, SearchParameter]
"""A resource type and one of its parameters."""


def _plain(value: str) -> str:
    return value.replace("\\", "\\\\")


def _by_prefix(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    value = comparison.operator + _plain(comparison.value)
    return SEARCH_TYPES[owned[1].type].condition(value, asking.use(*owned))


def _overlapping(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    try:
        low, high = interval(comparison.value)
    except BadRequest:
        raise BadRequest(f"{NAME}: {comparison.value!r} is no date (at {comparison.position}).", NAME) from None
    return Compare(DATE, owned[1].code, (("low", "lt", high), ("high", "gt", low)))


def _text(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    operator, folded = TEXT_OPERATORS[comparison.operator], string.fold(comparison.value)
    if not folded:
        raise asking.use(*owned).refusal(comparison.value, "give at least one letter or digit")
    return Compare(STRING, owned[1].code, (("folded", operator, folded),))


def _uri(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    return Compare(URI, owned[1].code, (("value", TEXT_OPERATORS[comparison.operator], comparison.value),))


def _token(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    modifier = TOKEN_MODIFIERS[comparison.operator]
    found = token.condition(_plain(comparison.value), asking.use(*owned, modifier))
    return none_of(found) if comparison.operator == "ni" else found


def _other_token(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    """Return that some code of the resource is another one."""
    tests = token.tests(_plain(comparison.value), asking.use(*owned))
    return any_of(*(Compare(TOKEN, owned[1].code, ((column, "ne", value),)) for column, _, value in tests))


def _reference(asking: Asking, owned: Owned, comparison: Comparison) -> Condition:
    use: Use = asking.use(*owned)
    return SEARCH_TYPES["reference"].condition(_plain(comparison.value), use)


_Compared = Callable[[Asking, Owned, Comparison], Condition]
_ORDERED: Final[dict[str, _Compared]] = dict.fromkeys(PREFIXES, _by_prefix)
_OPERATORS: Final[Mapping[str, Mapping[str, _Compared]]] = {
    "number": _ORDERED,
    "quantity": _ORDERED,
    "date": {**_ORDERED, "po": _overlapping},
    "string": dict.fromkeys(TEXT_OPERATORS, _text),
    "uri": dict.fromkeys(TEXT_OPERATORS, _uri),
    "token": {**dict.fromkeys(TOKEN_MODIFIERS, _token), "ne": _other_token},
    "reference": {"eq": _reference, "re": _reference},
}
"""Search type -> what each operator asks of it; `pr` is common to all."""
