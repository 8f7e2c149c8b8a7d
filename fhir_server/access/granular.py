"""Granular scopes: the search parameters of a scope, as a Condition that every query carries.

Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#finer-grained-resource-constraints-using-search-parameters
"""

from functools import cache, lru_cache
from typing import Final
from urllib.parse import quote, unquote

from fhir_server.access.grant import Scope
from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search.condition import ALWAYS, NEVER, Condition
from fhir_server.search.meaning import Meaning
from fhir_server.search.parameters import Parameters
from fhir_server.search.parse import parse

_UNQUOTED: Final = "|,:/"
Pairs = tuple[tuple[str, str], ...]

_parameters = cache(Parameters)


def parse_granular(word: str, resource_type: str, text: str) -> Pairs:
    """Return the search parameters of a scope, `category=laboratory&status=final`, in order and each once.

    Choice: token parameters of R4 without modifier and chain, because rows of the resource itself answer them. Raises
    BadRequest (400; `invalid_scope`) for anything else: a constraint that cannot be held must not be dropped.
    """
    pairs = tuple(
        (unquote(name), unquote(value)) for name, _, value in (part.partition("=") for part in text.split("&"))
    )
    if resource_type not in RESOURCE_TYPES:
        raise BadRequest(f"The scope {word!r} has search parameters: it needs one resource type of R4.")
    known = _parameters().of_type(resource_type)
    for name, value in pairs:
        parameter = known.get(name)
        if parameter is None or parameter.type != "token" or not value:
            offered = ", ".join(sorted(code for code, one in known.items() if one.type == "token"))
            raise BadRequest(
                f"The scope {word!r}: {name!r} cannot constrain a scope. Of {resource_type} can: {offered}."
            )
    _meaning(resource_type, pairs)
    return tuple(dict.fromkeys(pairs))


def format_granular(pairs: Pairs) -> str:
    """Write search parameters as they stand in a scope, with their question mark; "" for none."""
    joined = "&".join(f"{name}={quote(value, safe=_UNQUOTED)}" for name, value in pairs)
    return f"?{joined}" if joined else ""


@lru_cache(maxsize=1024)
def condition_of(scope: Scope) -> Condition:
    """Return what the search parameters of a scope leave of its type; ALWAYS for a scope that has none."""
    return _meaning(scope.resource_type, scope.query) if scope.query else ALWAYS


def _meaning(resource_type: str, pairs: Pairs) -> Condition:
    query = parse(resource_type, pairs, _parameters())
    return Meaning(_parameters(), lambda _: NEVER).condition(query)
