"""The search parameters of a server: those of the specification, and those added to them.

Spec: searchparameter.html, searchparameter-registry.html
"""

from collections.abc import Iterable, Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from typing import Final

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.foundation.search_parameters import SearchParameter, all_search_parameters, search_parameters
from fhir_server.foundation.structure import RESOURCE_TYPES, structure
from fhir_server.search.path import parse_path
from fhir_server.search.places import Place, places
from fhir_server.search.text import WITHOUT_WORDS, WORDS
from fhir_server.search.types import SEARCH_TYPES

TYPED: Final = frozenset({*SEARCH_TYPES, "composite"})
FOLLOWED: Final = ("Reference", "Resource", "Extension")
"""The data types that may name a resource of this server."""
CANONICAL: Final = ("canonical", "uri")
"""The data types that name a definition by its URL."""
WHOLE: Final = frozenset({"_content", "_filter", "_list", "_text"})
"""Parameters that are asked of a resource as a whole: no expression says what they read."""
LIST: Final = SearchParameter("_list", ("Resource",), "special", "http://hl7.org/fhir/SearchParameter/Resource-list")
"""Choice: R4 describes `_list` and defines no SearchParameter for it; this is the URL that R5 gave it."""


class UnknownParameter(BadRequest):
    """The resource type has no search parameter of this name: what handling=lenient leaves out."""


class Parameters:
    """Know every search parameter by resource type and code, and by canonical; immutable.

    An added parameter replaces the one of the same type and code.
    """

    def __init__(self, added: Iterable[SearchParameter] = ()) -> None:
        self._added = {parameter.url: parameter for parameter in added}
        self.added = tuple(self._added.values())
        self._of_type = cache(self._find)
        self.evaluated = cache(self._evaluated)
        self.targets = cache(self._targets)
        self.is_followed = cache(self._is_followed)
        self.is_canonical = cache(self._is_canonical)

    def of_type(self, resource_type: str) -> Mapping[str, SearchParameter]:
        """Return code -> parameter of a type ("" for all types), without those whose meaning is no row."""
        return self._of_type(resource_type)

    def by_url(self, url: str) -> SearchParameter | None:
        """Return the parameter of a canonical."""
        return self._added.get(url) or all_search_parameters().get(url)

    def named(self, resource_type: str, code: str) -> SearchParameter:
        """Return a parameter; raises UnknownParameter that says what would be right."""
        parameter = self._of_type(resource_type).get(code)
        if parameter is None:
            known = sorted(self._of_type(resource_type))
            near = get_close_matches(code, known, n=3)
            hint = f"Did you mean {' or '.join(near)}? " if near else ""
            where = resource_type or "A search over all types"
            sentence = f"{where} has no search parameter {code!r}. {hint}It has: {', '.join(known)}."
            raise UnknownParameter(sentence, code)
        return parameter

    def check_followed(self, resource_type: str, code: str) -> None:
        """Raise BadRequest when a parameter cannot be followed to resources of this server by a chain."""
        self.check_included(resource_type, code)
        if not self.is_followed(resource_type, code):
            raise BadRequest(
                f"{resource_type} {code} refers by canonical URL, which includes follow, and chains do not.", code
            )

    def check_included(self, resource_type: str, code: str) -> None:
        """Raise BadRequest when a parameter cannot be followed to resources of this server by an include."""
        if self.named(resource_type, code).type != "reference":
            raise BadRequest(f"{resource_type} {code} is no reference: it cannot be followed.", code)

    def included(self, resource_type: str) -> Iterator[str]:
        """Yield the codes of a type that includes follow, in alphabetical order."""
        for code, parameter in sorted(self._of_type(resource_type).items()):
            if parameter.type == "reference" and (
                self.is_followed(resource_type, code) or self.is_canonical(resource_type, code)
            ):
                yield code

    def _evaluated(self, resource_type: str) -> tuple[SearchParameter, ...]:
        """Return the parameters of a type whose expressions are evaluated, being no paths."""
        known = self._of_type(resource_type).values()
        return tuple(
            one
            for one in known
            if one.url in self._added and one.type != "composite" and not is_path(resource_type, one.expression)
        )

    def _is_followed(self, resource_type: str, code: str) -> bool:
        parameter = self._of_type(resource_type)[code]
        if parameter in self.evaluated(resource_type):
            return True
        return any(place.type_code in FOLLOWED for place in parameter_places(resource_type, parameter))

    def _is_canonical(self, resource_type: str, code: str) -> bool:
        """Say whether a reference parameter may name its target by URL."""
        parameter = self._of_type(resource_type)[code]
        is_reference = parameter.type == "reference"
        return is_reference and any(
            place.type_code in CANONICAL for place in parameter_places(resource_type, parameter)
        )

    def _find(self, resource_type: str) -> Mapping[str, SearchParameter]:
        base = resource_type or "Resource"
        lineage = {*_lineage(base)}
        known = {**search_parameters(base), LIST.code: LIST}
        known.update((added.code, added) for added in self._added.values() if lineage & {*added.base})
        return {
            code: parameter
            for code, parameter in known.items()
            if (code in WHOLE or (parameter.type in TYPED and parameter.expression))
            and not (code in WORDS and resource_type in WITHOUT_WORDS)
        }

    def _targets(self, resource_type: str, code: str) -> tuple[str, ...]:
        parameter = self._of_type(resource_type)[code]
        reached: set[str] = set()
        for place in parameter_places(resource_type, parameter):
            reached |= place.targets or RESOURCE_TYPES
        if parameter in self.evaluated(resource_type):
            reached = {*RESOURCE_TYPES}
        declared = {*parameter.targets} or reached
        return tuple(sorted(reached & declared or declared))


class Offered:
    """Hold the search parameters that are offered now; they are replaced as a whole when others come or go."""

    def __init__(self, parameters: Parameters | None = None) -> None:
        self.parameters = parameters or Parameters()


def types_with(parameter: SearchParameter) -> tuple[str, ...]:
    """Return the resource types that a parameter is for."""
    return tuple(sorted(name for name in RESOURCE_TYPES if {*parameter.base} & {*_lineage(name)}))


def _lineage(name: str) -> Iterator[str]:
    while name:
        yield name
        name = structure(name).base


@cache
def is_path(resource_type: str, expression: str) -> bool:
    """Say whether an expression is made of the steps that resources are indexed by, and leads somewhere in a type."""
    try:
        found = list(_places(resource_type, expression))
    except (Unprocessable, ValueError, KeyError, IndexError):
        return False
    return bool(found)


def parameter_places(resource_type: str, parameter: SearchParameter) -> Iterator[Place]:
    """Yield where a parameter's expression leads in a resource type; nowhere when it must be evaluated."""
    if is_path(resource_type, parameter.expression):
        yield from _places(resource_type, parameter.expression)


def _places(resource_type: str, expression: str) -> Iterator[Place]:
    start = Place((), resource_type, resource_type)
    for path in parse_path(expression):
        if path.root in (resource_type, "Resource", "DomainResource", ""):
            yield from places(start, path)
