"""Parse: the pairs of a query string or form to a Query.

Spec: search.html, http.html#search
"""

from collections import Counter
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from fhir_server.foundation.operation_outcome import BadRequest, TooCostly
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search import result_parameters
from fhir_server.search.parameters import WHOLE, Parameters, UnknownParameter
from fhir_server.search.query import ChainLink, Clause, Query, ReverseLink
from fhir_server.search.types import SEARCH_TYPES
from fhir_server.search.types.value import split

Pair = tuple[str, str]
Types = tuple[str, ...]
Link = ChainLink | ReverseLink

GENERAL: Final = frozenset({"_format", "_pretty"})
"""They shape the answer, whatever the interaction."""
TYPE: Final = "_type"
FILTER: Final = "_filter"
"""Its value is one text, commas and all."""
HAS: Final = "_has:"
MISSING: Final = "missing"
MAXIMUM_LINKS: Final = 8
MAXIMUM_CLAUSES: Final = 100
MAXIMUM_VALUES: Final = 1000


def parse(resource_type: str, pairs: Iterable[Pair], parameters: Parameters, is_lenient: bool = False) -> Query:
    """Return what was asked; raises BadRequest for what is not understood.

    `pairs` are decoded names and values; `resource_type` "" searches all types. `is_lenient` leaves out unknown
    parameters and empty values, and names them in `Query.ignored`; unknown modifiers and what breaks the form of a
    value or a result parameter are refused all the same.
    """
    asked = [pair for pair in pairs if pair[0] not in GENERAL]
    if len(asked) > MAXIMUM_CLAUSES:
        raise TooCostly(f"A search has at most {MAXIMUM_CLAUSES} parameters.")
    reader = Reader(parameters, _types(resource_type, asked))
    clauses: list[Clause] = []
    ignored: list[str] = []
    results: dict[str, Any] = {}
    for name, value in asked:
        try:
            if not value:
                raise UnknownParameter(f"Search parameter {name} has no value: give one, or leave it out.", name)
            if name == TYPE and not resource_type:
                clauses.append(Clause(TYPE, values=reader.types))
            elif not result_parameters.read(name, value, results):
                clauses.append(reader.clause(name, value))
        except UnknownParameter:
            if not is_lenient:
                raise
            ignored.append(name)
    reader.check_repeated(clauses)
    result_parameters.check(results, resource_type, reader.types, parameters)
    return Query(resource_type, tuple(clauses), ignored=tuple(ignored), **results)


def format_query(query: Query) -> list[Pair]:
    """Return the pairs that parse to this query: what the self link says, without what was ignored."""
    clauses = [
        (_name(clause), clause.values[0] if clause.parameter == FILTER else _joined(clause)) for clause in query.clauses
    ]
    return clauses + result_parameters.pairs(query)


def _joined(clause: Clause) -> str:
    return ",".join(value.replace(",", r"\,") for value in clause.values)


def _types(resource_type: str, pairs: Iterable[Pair]) -> Types:
    """Return the types on which parameters are asked; several with `_type`, when what all of them have can be."""
    named = (
        () if resource_type else [part for name, value in pairs if name == TYPE for part in value.split(",") if part]
    )
    for name in named:
        check_type(name, TYPE)
    return tuple(dict.fromkeys(named)) or (resource_type,)


def check_type(resource_type: str, parameter: str) -> None:
    """Raise BadRequest when there is no such resource type."""
    if resource_type not in RESOURCE_TYPES:
        raise BadRequest(f"Search parameter {parameter}: {resource_type!r} is no resource type of R4.", parameter)


def _name(clause: Clause) -> str:
    return "".join(map(_link_name, clause.path)) + clause.parameter + (f":{clause.modifier}" if clause.modifier else "")


def _link_name(link: Link) -> str:
    if isinstance(link, ReverseLink):
        return f"{HAS}{link.resource_type}:{link.parameter}:"
    return f"{link.parameter}{':' if link.resource_type else ''}{link.resource_type}."


class Reader(msgspec.Struct, frozen=True):
    """Read clauses; each of `types` must know the first parameter of one, some type that of a later link."""

    parameters: Parameters
    types: Types

    def clause(self, name: str, value: str) -> Clause:
        """Return one use of a parameter."""
        path: list[Link] = []
        rest, types = name, self.types
        while found := self._link(rest, types, is_first=not path):
            link, rest, types = found
            path.append(link)
            if len(path) > MAXIMUM_LINKS:
                raise BadRequest(f"Search parameter {name}: a chain has at most {MAXIMUM_LINKS} links.", name)
        parameter, _, modifier = rest.partition(":")
        for resource_type in self._knowing(types, parameter, is_first=not path):
            self._check_modifier(resource_type, parameter, modifier)
        values = (value,) if parameter == FILTER else _values(name, value)
        if len(values) > 1:
            self._check_alternatives(types, parameter)
        return Clause(parameter, modifier, values, tuple(path))

    def _link(self, text: str, types: Types, *, is_first: bool) -> tuple[Link, str, Types] | None:
        if text.startswith(HAS):
            return self._reverse(text)
        head, dot, rest = text.partition(".")
        if not dot:
            return None
        code, _, target = head.partition(":")
        knowing = self._knowing(types, code, is_first=is_first)
        targets = tuple(dict.fromkeys(target for name in knowing for target in self._targets(name, code)))
        following = rest.partition(".")[0].partition(":")[0]
        for chains in (self.parameters.of_type(name)[code].chains for name in knowing):
            if chains and following not in chains and not rest.startswith(HAS):
                raise BadRequest(f"{code} is followed by {', '.join(chains)}; not by {following!r}.", text)
        if target and target not in targets:
            raise BadRequest(f"{code} refers to {', '.join(targets)}; not to {target!r}.", text)
        return ChainLink(code, target), rest, (target,) if target else targets

    def _reverse(self, text: str) -> tuple[Link, str, Types]:
        parts = text.split(":", 3)
        if len(parts) < 4 or not parts[3]:
            raise BadRequest(
                f"{text}: write _has:Type:reference parameter:parameter, as _has:Observation:patient:code.", text
            )
        source, code = parts[1], parts[2]
        check_type(source, text)
        self.parameters.check_followed(source, code)
        return ReverseLink(source, code), parts[3], (source,)

    def _targets(self, resource_type: str, code: str) -> Types:
        self.parameters.check_followed(resource_type, code)
        return self.parameters.targets(resource_type, code)

    def _knowing(self, types: Types, code: str, *, is_first: bool) -> Types:
        """Return the types that know a parameter; raises UnknownParameter for the first that should and does not."""
        knowing = tuple(name for name in types if code in self.parameters.of_type(name))
        if not knowing or (is_first and len(knowing) < len(types)):
            self.parameters.named(next(name for name in types if name not in knowing), code)
        return knowing

    def check_repeated(self, clauses: Iterable[Clause]) -> None:
        """Raise BadRequest when a parameter that may be given once is given more often."""
        given = Counter(clause.parameter for clause in clauses if not clause.path)
        for code, times in given.items():
            known = self.parameters.of_type(self.types[0]).get(code) if times > 1 else None
            if known is not None and not known.is_and_allowed:
                raise BadRequest(f"Search parameter {code} may be given once.", code)

    def _check_alternatives(self, types: Types, code: str) -> None:
        """Raise BadRequest for several values where a definition allows one.

        Choice: R4's own composites say so too, and are given several all the same, as search.html does.
        """
        for resource_type in types:
            known = self.parameters.of_type(resource_type).get(code)
            if known in self.parameters.added and not known.is_or_allowed:
                raise BadRequest(f"Search parameter {code} takes one value at a time: no commas.", code)

    def _check_modifier(self, resource_type: str, code: str, modifier: str) -> None:
        right = self._modifiers(resource_type, code)
        if modifier and modifier not in right:
            known = ", ".join(right) or "none"
            raise BadRequest(f"Search parameter {code} has no modifier {modifier!r}; it has {known}.", code)

    def _modifiers(self, resource_type: str, code: str) -> Types:
        if code in UNMODIFIED:
            return UNMODIFIED[code]
        parameter = self.parameters.named(resource_type, code)
        if parameter.type not in SEARCH_TYPES:
            return (MISSING,)
        targets = self.parameters.targets(resource_type, code) if parameter.type == "reference" else ()
        own = sorted(SEARCH_TYPES[parameter.type].MODIFIERS)
        # What a definition lists beyond its type's means nothing; the type of a target is always good to say.
        listed = [modifier for modifier in own if modifier in parameter.modifiers]
        return (MISSING, *(listed or own), *targets)


def _values(name: str, value: str) -> tuple[str, ...]:
    values = tuple(part.replace(r"\,", ",") for part in split(value, ","))
    if len(values) > MAXIMUM_VALUES:
        raise TooCostly(f"Search parameter {name}: give at most {MAXIMUM_VALUES} values.", name)
    if not all(values):
        raise BadRequest(rf"Search parameter {name}: there is no value between two commas (\, is a comma).", name)
    return values


UNMODIFIED: Final[dict[str, Types]] = {
    "_id": ("not", MISSING),
    "_lastUpdated": (MISSING,),
    **dict.fromkeys(WHOLE, ()),
}
"""They have no rows, so only what needs none."""
