"""Result parameters: how the answer is sorted, paged, counted and completed.

Spec: search.html#return, search.html#include
"""

import re
from collections.abc import Callable
from typing import Any, Final

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.search.parameters import WHOLE, Parameters
from fhir_server.search.query import IncludeClause, Query, SortKey

SUMMARIES: Final = ("true", "text", "data", "count", "false")
TOTALS: Final = ("none", "estimate", "accurate")
CURSOR: Final = "_cursor"
"""Choice: the name of the parameter by which our next links continue a search."""
ALL: Final = "*"
CONTAINED: Final = ("true", "both")
"""The values of `_contained` that look into resources."""
CONTAINED_ALONE: Final = "contained"
"""The value of `_containedType` that shows contained resources without their container."""
CONTAINER_SORTS: Final = ("_id", "_lastUpdated")
_ELEMENT: Final = re.compile(r"([A-Z][A-Za-z]+\.)?[a-z][A-Za-z0-9]*")
_COUNT: Final = re.compile(r"[0-9]{1,9}")


def read(name: str, value: str, results: dict[str, Any]) -> bool:
    """Add what a result parameter says to the fields of a Query; return False when it is none."""
    code, _, modifier = name.partition(":")
    if code in ("_include", "_revinclude"):
        results["includes"] = (*results.get("includes", ()), _include(code, modifier, value))
        return True
    if name in MANY:
        field, read_part = MANY[name]
        results[field] = (*results.get(field, ()), *(read_part(part) for part in value.split(",")))
        return True
    if name == "_query":
        raise BadRequest("_query: this server has no named queries; leave it out.", name)
    if name not in ONCE:
        return False
    field, read_value = ONCE[name]
    if field in results:
        raise BadRequest(f"{name} may be given once.", name)
    results[field] = read_value(value)
    return True


def pairs(query: Query) -> list[tuple[str, str]]:
    """Return the result parameters of a query as pairs."""
    found = [_include_pair(include) for include in query.includes]
    if query.sort:
        found.append(("_sort", ",".join("-" * key.is_descending + key.parameter for key in query.sort)))
    if query.count is not None:
        found.append(("_count", str(query.count)))
    if query.elements:
        found.append(("_elements", ",".join(query.elements)))
    texts = (
        ("_total", query.total),
        ("_summary", query.summary),
        ("_contained", query.contained),
        ("_containedType", query.contained_type),
        (CURSOR, query.cursor),
    )
    return found + [(name, text) for name, text in texts if text]


def check(results: dict[str, Any], resource_type: str, types: tuple[str, ...], parameters: Parameters) -> None:
    """Raise BadRequest when a sort key or an include names what is not known, or cannot be sorted or followed."""
    if results.get("contained") in CONTAINED:
        _check_contained(results, types)
    for key in results.get("sort", ()):
        for name in types:
            search_type = parameters.named(name, key.parameter).type
            if search_type in ("composite", "special") or key.parameter in WHOLE:
                raise BadRequest(f"_sort: {key.parameter} (of type {search_type}) has no order.", "_sort")
    for include in results.get("includes", ()):
        _check_include(include, resource_type, parameters)


def _check_contained(results: dict[str, Any], types: tuple[str, ...]) -> None:
    """Refuse what cannot be asked of contained resources.

    Choice: what is found among several types is sorted by what all have.
    """
    if types == ("",):
        raise BadRequest("_contained: say the types of the contained resources, as _type=Medication.", "_contained")
    for key in results.get("sort", ()):
        if key.parameter not in CONTAINER_SORTS:
            known = " or ".join(CONTAINER_SORTS)
            raise BadRequest(f"_sort: with _contained={results['contained']} the order is that of {known}.", "_sort")


def _check_include(include: IncludeClause, resource_type: str, parameters: Parameters) -> None:
    if include.source_type == "" and (resource_type == "" or include.is_reverse):
        raise BadRequest("An include of everything needs the source's type: write Type:*.", "_include")
    for name in filter(None, (include.source_type, include.target_type)):
        if name not in RESOURCE_TYPES:
            raise BadRequest(f"_include: {name!r} is no resource type of R4.", "_include")
    if include.parameter == ALL:
        return
    parameters.check_included(include.source_type, include.parameter)
    targets = parameters.targets(include.source_type, include.parameter)
    if include.target_type and include.target_type not in targets:
        raise BadRequest(f"_include: {include.parameter} refers to {', '.join(targets)}.", "_include")


def _include(code: str, modifier: str, value: str) -> IncludeClause:
    if modifier not in ("", "iterate", "recurse"):
        raise BadRequest(f"{code} has no modifier {modifier!r}; it has iterate.", code)
    parts = ["", ALL] if value == ALL else value.split(":")
    if len(parts) not in (2, 3) or (not all(parts) and value != ALL):
        raise BadRequest(f"{code}: write Source:parameter, Source:parameter:Target, or Source:*.", code)
    source_type, parameter, target_type = (*parts, "")[:3]
    return IncludeClause(source_type, parameter, target_type, code == "_revinclude", modifier != "")


def _include_pair(include: IncludeClause) -> tuple[str, str]:
    name = ("_revinclude" if include.is_reverse else "_include") + (":iterate" if include.is_iterated else "")
    return name, ":".join(filter(None, (include.source_type, include.parameter, include.target_type)))


def _count(value: str) -> int:
    if not _COUNT.fullmatch(value):
        raise BadRequest(f"_count: {value!r} is no whole number.", "_count")
    return int(value)


def _sort_key(value: str) -> SortKey:
    return SortKey(value.removeprefix("-"), value.startswith("-"))


def _element(value: str) -> str:
    if not _ELEMENT.fullmatch(value):
        raise BadRequest(f"_elements: {value!r} is no name of an element at the root of a resource.", "_elements")
    return value


def _one_of(name: str, allowed: tuple[str, ...]) -> Callable[[str], str]:
    def read_value(value: str) -> str:
        if value not in allowed:
            raise BadRequest(f"{name}: {value!r} is none of {', '.join(allowed)}.", name)
        return value

    return read_value


MANY: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "_sort": ("sort", _sort_key),
    "_elements": ("elements", _element),
}
ONCE: Final[dict[str, tuple[str, Callable[[str], Any]]]] = {
    "_count": ("count", _count),
    "_total": ("total", _one_of("_total", TOTALS)),
    "_summary": ("summary", _one_of("_summary", SUMMARIES)),
    "_contained": ("contained", _one_of("_contained", ("false", *CONTAINED))),
    "_containedType": ("contained_type", _one_of("_containedType", ("container", CONTAINED_ALONE))),
    CURSOR: ("cursor", str),
}
