"""Query: what was asked, before any meaning: clauses, chains, includes, sort, page.

Spec: search.html, http.html#search
"""

import msgspec


class ReverseLink(msgspec.Struct, frozen=True):
    """One `_has` step: resources of `resource_type` that refer here through `parameter`."""

    resource_type: str
    parameter: str


class ChainLink(msgspec.Struct, frozen=True):
    """One chain step: `parameter` refers to `resource_type` ("" when the client did not say)."""

    parameter: str
    resource_type: str = ""


class Clause(msgspec.Struct, frozen=True):
    """One use of a search parameter.

    `path` holds the chain and `_has` steps that lead to the resource on which `parameter` is asked, in order.
    `values` are the comma-separated alternatives, unescaped at the top level only (prefix, `|` and `$` still inside).
    """

    parameter: str
    modifier: str = ""
    values: tuple[str, ...] = ()
    path: tuple[ChainLink | ReverseLink, ...] = ()


class SortKey(msgspec.Struct, frozen=True):
    """One `_sort` key."""

    parameter: str
    is_descending: bool = False


class IncludeClause(msgspec.Struct, frozen=True):
    """One `_include` or `_revinclude`: source type, parameter (`*` for all), target type or ""."""

    source_type: str
    parameter: str
    target_type: str = ""
    is_reverse: bool = False
    is_iterated: bool = False


class Query(msgspec.Struct, frozen=True):
    """Hold a parsed search. `resource_type` is "" for a search over all types."""

    resource_type: str
    clauses: tuple[Clause, ...] = ()
    includes: tuple[IncludeClause, ...] = ()
    sort: tuple[SortKey, ...] = ()
    count: int | None = None
    total: str = ""
    summary: str = ""
    elements: tuple[str, ...] = ()
    cursor: str = ""
    contained: str = ""
    """"" or `false`, `true` for contained resources alone, `both`."""
    contained_type: str = ""
    """What stands for a contained match: "" or `container`, or `contained`."""
    ignored: tuple[str, ...] = ()
    """Names of parameters that were not understood and, on request (handling=lenient), left out."""
