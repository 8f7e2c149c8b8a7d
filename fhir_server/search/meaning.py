"""Meaning: the Condition that the clauses of a Query stand for, chains and `_has` under the decision.

Spec: search.html#combining, search.html#chaining, search.html#has, search.html#modifiers
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest, Forbidden, TooCostly
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.search.compile import component_parameter
from fhir_server.search.condition import (
    ALWAYS,
    Compare,
    Condition,
    Contains,
    Exists,
    Identity,
    OfType,
    Test,
    Updated,
    all_of,
    any_of,
    none_of,
)
from fhir_server.search.index_row import STRING, TOKEN
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import MISSING, TYPE, Link
from fhir_server.search.query import ChainLink, Clause, Query, ReverseLink
from fhir_server.search.result_parameters import CONTAINED, CONTAINER_SORTS
from fhir_server.search.special import SPECIAL
from fhir_server.search.special.hierarchy import in_hierarchy
from fhir_server.search.types import SEARCH_TYPES, composite, date, reference, token
from fhir_server.search.types.terminology import SPECIFIED_CODES, Terminology
from fhir_server.search.types.value import Use, prefixed, unescape

Within = Callable[[str], Condition]
NEGATING: Final = ("not", "not-in")
COMPOSITE: Final = "composite"
COMPARED: Final = ("date", "number", "quantity")

MAXIMUM_LINKED: Final = 200
"""Links between types that one query may mean: chains that do not say their types multiply."""


MAXIMUM_CONTAINED: Final = 3
"""Choice: chains look into contained resources at their first links only; what a chain may mean doubles with each."""
BEYOND_CONTAINED: Final = ("_content", "_list", "_text")


class Meaning(msgspec.Struct):
    """Give the clauses of one query their meaning; the fields are those of `plan.Planner`."""

    parameters: Parameters
    within: Within
    base_urls: tuple[str, ...] = ()
    now: int = 0
    terminology: Terminology = SPECIFIED_CODES
    linked: int = 0
    links: int = 0
    """The chain links that lead to what is asked just now."""

    def condition(self, query: Query) -> Condition:
        """Return what all clauses of a query ask together."""
        types = types_of(query)
        asked = tuple(clause for clause in query.clauses if clause.parameter != TYPE)
        if query.contained in CONTAINED:
            return self._with_contained(types, asked, is_alone=query.contained == "true")
        if types == (query.resource_type,):
            return self._all(query.resource_type, asked)
        if not asked:
            return OfType(types)
        return any_of(*(all_of(OfType((name,)), self._all(name, asked)) for name in types))

    def _with_contained(self, types: Sequence[str], clauses: Sequence[Clause], *, is_alone: bool) -> Condition:
        """Return that a resource contains what is asked, or (unless that is alone) is it."""
        for clause in clauses:
            if clause.parameter in BEYOND_CONTAINED and not clause.path:
                raise BadRequest(f"{clause.parameter} is not asked of contained resources.", clause.parameter)
        meant = [(name, self._all(name, clauses)) for name in types]
        contained = any_of(*(Contains(name, condition) for name, condition in meant))
        if is_alone:
            return contained
        return any_of(*(all_of(OfType((name,)), condition) for name, condition in meant), contained)

    def _all(self, resource_type: str, clauses: Sequence[Clause]) -> Condition:
        return all_of(*(self.clause(resource_type, clause) for clause in clauses))

    def clause(self, resource_type: str, clause: Clause) -> Condition:
        """Return what one clause asks of a resource of a type."""
        return self._linked(resource_type, clause, clause.path)

    def use(self, resource_type: str, parameter: SearchParameter, modifier: str = "") -> Use:
        """See Asking.use."""
        return self._use(resource_type, parameter, parameter.code, modifier)

    def exists(self, link: tuple[str, str], ask: Callable[[], Condition], *, is_reverse: bool = False) -> Condition:
        """See Asking.exists."""
        self.linked += 1
        if self.linked > MAXIMUM_LINKED:
            raise TooCostly(f"{link[0]} may lead through too many types: say which, as subject:Patient.")
        return Exists(*link, all_of(ask(), self.within(link[1])), is_reverse)

    def linked_to(
        self, resource_type: str, link: ChainLink, following: str, ask: Callable[[str], Condition]
    ) -> Condition:
        """See Asking.linked_to; of the types that the link does not say, those count that may be searched."""
        targets = self.parameters.targets(resource_type, link.parameter)
        if link.resource_type:
            if link.resource_type not in targets:
                known = ", ".join(targets)
                raise BadRequest(f"{link.parameter} refers to {known}; not to {link.resource_type!r}.", link.parameter)
            return self._led(link.parameter, link.resource_type, following, ask)
        knowing = [name for name in targets if not following or following in self.parameters.of_type(name)]
        conditions: list[Condition] = []
        refusal: Forbidden | None = None
        for target in knowing:
            try:
                conditions.append(self._led(link.parameter, target, following, ask))
            except Forbidden as error:
                refusal = error
        if refusal and not conditions:
            raise refusal
        return any_of(*conditions)

    def _led(self, code: str, target: str, following: str, ask: Callable[[str], Condition]) -> Condition:
        """Return that a reference names a resource, or what its own resource contains, of a type that meets `ask`."""
        self.links += 1
        asked = ask(target)
        self.links -= 1
        stored = self.exists((code, target), lambda: asked)
        if following in CONTAINER_SORTS or self.links >= MAXIMUM_CONTAINED:
            return stored
        return any_of(stored, Contains(target, asked, code))

    def _linked(self, resource_type: str, clause: Clause, path: tuple[Link, ...]) -> Condition:
        if not path:
            return self._asked(resource_type, clause)
        link, rest = path[0], path[1:]

        def ask(other_type: str) -> Condition:
            return self._linked(other_type, clause, rest)

        if isinstance(link, ReverseLink):
            return self.exists((link.parameter, link.resource_type), partial(ask, link.resource_type), is_reverse=True)
        following = rest[0] if rest else clause
        code = "" if isinstance(following, ReverseLink) else following.parameter
        return self.linked_to(resource_type, link, code, ask)

    def _asked(self, resource_type: str, clause: Clause) -> Condition:
        parameter = self.parameters.named(resource_type, clause.parameter)
        if parameter.code in SPECIAL:
            return SPECIAL[parameter.code](self, resource_type, clause)
        if clause.modifier == MISSING:
            return self._missing(parameter, clause)
        if parameter.code == "_id":
            condition: Condition = Identity(tuple(unescape(value) for value in clause.values))
        else:
            use = self.use(resource_type, parameter, clause.modifier)
            condition = any_of(*(self._valued(resource_type, parameter, value, use) for value in clause.values))
        return none_of(condition) if clause.modifier in NEGATING else condition

    def _use(self, resource_type: str, parameter: SearchParameter, code: str, modifier: str = "") -> Use:
        is_reference = parameter.type == "reference" and parameter.code == code
        targets = self.parameters.targets(resource_type, parameter.code) if is_reference else parameter.targets
        return Use(code, modifier, targets, self.base_urls, self.now, self.terminology)

    def _valued(self, resource_type: str, parameter: SearchParameter, value: str, use: Use) -> Condition:
        if parameter.code == "_lastUpdated":
            return any_of(*(Updated(_instant(tests)) for tests in date.alternatives(value, use)))
        is_recursive = parameter.type == "reference" and use.modifier in (reference.ABOVE, reference.BELOW)
        if is_recursive and not reference.is_canonical(value, self.base_urls):
            return in_hierarchy(self, parameter, value, use)
        if parameter.comparators:
            _check_comparator(parameter, value, use)
        if parameter.type != COMPOSITE:
            return SEARCH_TYPES[parameter.type].condition(value, use)
        components = (self._component(resource_type, parameter, index) for index in range(len(parameter.components)))
        return composite.condition(value, use, tuple(components))

    def _component(self, resource_type: str, parameter: SearchParameter, index: int) -> Callable[[str], Condition]:
        kind = component_parameter(parameter, index, self.parameters)
        use = self._use(resource_type, kind, composite.component(parameter.code, index + 1))
        return lambda value: SEARCH_TYPES[kind.type].condition(value, use)

    def _missing(self, parameter: SearchParameter, clause: Clause) -> Condition:
        if clause.values not in (("true",), ("false",)):
            raise BadRequest(f"{clause.parameter}:missing is true or false.", clause.parameter)
        present = any_of(*self._presence(parameter))
        return none_of(present) if clause.values == ("true",) else present

    def _presence(self, parameter: SearchParameter) -> tuple[Condition, ...]:
        """Return how a resource shows that it has a value, be it a text without code or a reference by identifier."""
        if parameter.code in ("_id", "_lastUpdated"):
            return (ALWAYS,)
        if parameter.type == COMPOSITE:
            family = SEARCH_TYPES[component_parameter(parameter, 0, self.parameters).type].FAMILY
            return (Compare(family, composite.component(parameter.code, 1)),)
        own = Compare(SEARCH_TYPES[parameter.type].FAMILY, parameter.code)
        if parameter.type == "token":
            return own, Compare(STRING, parameter.code + token.TEXT)
        if parameter.type == "reference":
            return own, Compare(TOKEN, parameter.code + reference.IDENTIFIER)
        return (own,)


def _check_comparator(parameter: SearchParameter, value: str, use: Use) -> None:
    prefix = prefixed(value)[0]
    if parameter.type in COMPARED and prefix not in ("eq", *parameter.comparators):
        raise use.refusal(value, f"its prefixes are {', '.join(parameter.comparators)}")


def types_of(query: Query) -> tuple[str, ...]:
    """Return the types that a query searches: those of `_type`, or its own, "" for all."""
    return next((clause.values for clause in query.clauses if clause.parameter == TYPE), (query.resource_type,))


def _instant(tests: tuple[Test, ...]) -> tuple[Test, ...]:
    """Return the tests of an interval for an instant t, which is [t, t + 1)."""
    operators = {("low", "ge"): "ge", ("low", "lt"): "lt", ("high", "le"): "lt", ("high", "gt"): "ge"}
    return tuple(("last_updated", operators[column, operator], value) for column, operator, value in tests)
