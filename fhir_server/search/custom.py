"""Custom search parameters: a SearchParameter resource to what search knows; expressions beyond paths evaluated.

Spec: searchparameter.html
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from fhir_server import fhirpath
from fhir_server.fhirpath.errors import EvaluationFailed, InvalidExpression
from fhir_server.foundation.operation_outcome import TooCostly, Unprocessable
from fhir_server.foundation.search_parameters import Component, SearchParameter
from fhir_server.foundation.structure import ABSTRACT_TYPES, RESOURCE_TYPES, structure
from fhir_server.search.parameters import is_path
from fhir_server.search.types import SEARCH_TYPES, reference
from fhir_server.search.types.value import Emit, Leaf

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")
_COMPOSITE: Final = "composite"
BOUNDED: Final = fhirpath.Context(steps=100_000)
"""What one parameter may take of one resource."""
TYPES: Final = (*(name for name in SEARCH_TYPES if name != "special"), _COMPOSITE)


def search_parameter_of(resource: dict[str, Any]) -> SearchParameter:
    """Return the search parameter that a SearchParameter resource of valid structure defines.

    Raises Unprocessable that says which element is wrong, and what would be right.
    """
    code, search_type, expression = (resource.get(name, "") for name in ("code", "type", "expression"))
    if not _CODE.fullmatch(code):
        raise _refused("code", f"{code!r} cannot be asked for: use letters, digits, - and _, at most 64")
    if search_type not in TYPES:
        raise _refused("type", f"{search_type!r} is not offered: one of {', '.join(TYPES)}")
    if not expression:
        raise _refused("expression", "there is none, so that nothing can be found by it")
    parameter = SearchParameter(
        code,
        tuple(resource["base"]),
        search_type,
        resource["url"],
        expression,
        tuple(target for target in resource.get("target", ()) if target in RESOURCE_TYPES),
        tuple(
            Component(part["definition"].partition("|")[0], part["expression"])
            for part in resource.get("component", ())
        ),
        resource.get("multipleOr", True),
        resource.get("multipleAnd", True),
    )
    for base in parameter.base:
        _check(parameter, base)
    return parameter


def indexed_types(parameter: SearchParameter) -> tuple[str, ...]:
    """Return the resource types whose resources must be indexed again before a parameter finds them."""
    return tuple(sorted(name for name in RESOURCE_TYPES if {*parameter.base} & {*_lineage(name)}))


def evaluate_rows(parameter: SearchParameter, base_urls: tuple[str, ...], resource: dict[str, Any], emit: Emit) -> None:
    """Write the rows of a parameter whose expression is evaluated.

    Choice: a resource on which it fails, or takes too long, has no rows: a parameter stops nobody from writing.
    """
    try:
        items = fhirpath.compile(parameter.expression, is_as_filter=True)(resource, BOUNDED)
    except (EvaluationFailed, TooCostly):
        return
    leaves = reference.leaves(base_urls) if parameter.type == "reference" else SEARCH_TYPES[parameter.type].LEAVES
    for item in items:
        type_code, value = _typed(item)
        for leaf in leaves.get(type_code, ()):
            _write(parameter.code, leaf, value, emit)


def _write(code: str, leaf: Leaf, value: Any, emit: Emit) -> None:
    if not leaf.needs or leaf.needs in value:
        leaf.write(emit, code + leaf.suffix, 0, value)


def _typed(item: Any) -> tuple[str, Any]:
    """Return the FHIR type of an item and its JSON value; type "" for what has no value."""
    if isinstance(item, fhirpath.Node):
        return ("", None) if item.value is None else (item.type.name, item.value)
    if isinstance(item, bool):
        return "boolean", item
    if isinstance(item, int | Decimal):
        return "decimal", Decimal(item)
    return ("string", item) if isinstance(item, str) else ("dateTime", str(item))


def _check(parameter: SearchParameter, base: str) -> None:
    if base not in RESOURCE_TYPES | ABSTRACT_TYPES:
        raise _refused("base", f"{base!r} is no resource type of R4")
    if is_path(base, parameter.expression):
        return
    if parameter.type == _COMPOSITE:
        raise _refused("expression", "that of a composite must be a path to an element, without functions")
    try:
        fhirpath.compile(parameter.expression, root_type=base, is_strict=True, is_as_filter=True)
    except InvalidExpression as error:
        raise _refused("expression", str(error)) from None


def _lineage(name: str) -> Iterator[str]:
    while name:
        yield name
        name = structure(name).base


def _refused(element: str, why: str) -> Unprocessable:
    return Unprocessable(f"SearchParameter.{element}: {why}.", f"SearchParameter.{element}")
