"""The search parameters that the specification defines.

Spec: searchparameter-registry.html, searchparameter.html
"""

from collections.abc import Mapping
from functools import cache

import msgspec

from fhir_server.foundation.definitions import SEARCH_PARAMETERS, content
from fhir_server.foundation.structure import structure


class Component(msgspec.Struct, frozen=True, array_like=True):
    """Name one part of a composite parameter: `definition` is its canonical, `expression` starts at the composite's."""

    definition: str
    expression: str


class SearchParameter(msgspec.Struct, frozen=True):
    """Define a search parameter; `expression` covers every type of `base` and is "" for those that have none.

    `modifiers`, `comparators` (prefixes) and `chains` bound how it is used; () leaves that to its type.
    """

    code: str
    base: tuple[str, ...]
    type: str
    url: str
    expression: str = ""
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    is_or_allowed: bool = True
    is_and_allowed: bool = True
    modifiers: tuple[str, ...] = ()
    comparators: tuple[str, ...] = ()
    chains: tuple[str, ...] = ()


@cache
def all_search_parameters() -> Mapping[str, SearchParameter]:
    """Return every parameter by canonical URL."""
    parameters = msgspec.json.decode(content(SEARCH_PARAMETERS), type=dict[str, SearchParameter])
    return {parameter.url: parameter for parameter in parameters.values()}


@cache
def _by_base() -> Mapping[str, Mapping[str, SearchParameter]]:
    bases: dict[str, dict[str, SearchParameter]] = {}
    for parameter in all_search_parameters().values():
        for base in parameter.base:
            bases.setdefault(base, {})[parameter.code] = parameter
    return bases


@cache
def search_parameters(resource_type: str) -> Mapping[str, SearchParameter]:
    """Return code -> parameter of a resource type, those of DomainResource and Resource among them."""
    by_base = _by_base()
    inherited: dict[str, SearchParameter] = {}
    base = structure(resource_type).base
    if base:
        inherited.update(search_parameters(base))
    return inherited | dict(by_base.get(resource_type, {}))
