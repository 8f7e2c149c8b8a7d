"""Custom search parameters: a SearchParameter resource to what search knows; expressions beyond paths evaluated.

Spec: searchparameter.html
"""

import re
from decimal import Decimal
from typing import Any, Final

import msgspec

from fhir_server import fhirpath
from fhir_server.fhirpath.errors import EvaluationFailed, InvalidExpression
from fhir_server.foundation.operation_outcome import FhirError, TooCostly, Unprocessable
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.search_parameters import Component, SearchParameter
from fhir_server.foundation.structure import ABSTRACT_TYPES, RESOURCE_TYPES
from fhir_server.search.parameters import Parameters, is_path, parameter_places, types_with
from fhir_server.search.path import Path, parse_path
from fhir_server.search.places import places
from fhir_server.search.types import SEARCH_TYPES, reference
from fhir_server.search.types.value import Emit, Leaf

_CODE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_\-]{0,63}")
_COMPOSITE: Final = "composite"


def named(reference: str) -> dict[str, Any] | None:
    """Return what a literal reference says of its target, type and id: rows are made of one resource alone."""
    found = parse_reference(reference)
    return {"resourceType": found.target_type, "id": found.target_id} if found.target_type else None


BOUNDED: Final = fhirpath.Context(resolve=named, steps=100_000)
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
        tuple(resource.get("modifier", ())),
        tuple(resource.get("comparator", ())),
        tuple(resource.get("chain", ())),
    )
    for base in parameter.base:
        _check(parameter, base)
    return parameter


def admitted(parameter: SearchParameter, known: Parameters) -> SearchParameter | None:
    """Return a parameter for the types that gain by it beside those known, None when there is none.

    Choice: guides define again, under a URL of their own, what a type has already; the same code with the same meaning
    is no clash, and changes nothing. Raises Unprocessable when a type knows the code with another meaning, or the
    definition of a component is not known.
    """
    bearer, types = known.by_url(parameter.url), types_with(parameter)
    if bearer is not None and (bearer.code != parameter.code or not {*types} & {*types_with(bearer)}):
        raise _refused("url", f"{parameter.url} is that of {bearer.code!r} already")
    for position, component in enumerate(parameter.components):
        definition = known.by_url(component.definition)
        if definition is None or definition.type == _COMPOSITE:
            raise _refused(f"component[{position}].definition", f"{component.definition!r} is not known here")
    taken = [name for name in types if parameter.code in known.of_type(name)]
    for name in taken:
        other = known.of_type(name)[parameter.code]
        if not _is_same(name, parameter, other):
            raise _refused("code", f"{name} has {parameter.code!r} already, of another meaning: {other.url}")
    if not taken:
        return parameter
    free = tuple(name for name in types if name not in taken)
    return msgspec.structs.replace(parameter, base=free) if free else None


def _is_same(resource_type: str, one: SearchParameter, other: SearchParameter) -> bool:
    if one.type != other.type or one.components != other.components:
        return False
    places = [{*parameter_places(resource_type, parameter)} for parameter in (one, other)]
    if any(places):
        return places[0] == places[1]
    return "".join(one.expression.split()) == "".join(other.expression.split())


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
        _check_places(parameter, base)
        return
    if parameter.type == _COMPOSITE:
        raise _refused("expression", "that of a composite must be a path to an element, without functions")
    try:
        fhirpath.compile(parameter.expression, root_type=base, is_strict=True, is_as_filter=True)
    except InvalidExpression as error:
        raise _refused("expression", str(error)) from None


def _check_places(parameter: SearchParameter, base: str) -> None:
    """Raise Unprocessable when no value at the places of a path can be asked by the parameter's type."""
    found = list(parameter_places(base, parameter))
    if parameter.type != _COMPOSITE:
        readable = {*SEARCH_TYPES[parameter.type].LEAVES, "Extension", "Resource"}
        told = sorted({place.type_code for place in found})
        if not readable & {*told}:
            raise _refused("type", f"{parameter.expression} is of type {', '.join(told)}: no {parameter.type} asks it")
        return
    if not parameter.components:
        raise _refused("component", "a composite has components")
    for position, component in enumerate(parameter.components):
        try:
            is_there = any(
                places(place, Path("", path.steps)) for path in parse_path(component.expression) for place in found
            )
        except (FhirError, ValueError, KeyError, IndexError):
            is_there = False
        if not is_there and "%resource" not in component.expression:
            why = f"{component.expression!r} leads nowhere from {parameter.expression}"
            raise _refused(f"component[{position}].expression", why)


def _refused(element: str, why: str) -> Unprocessable:
    return Unprocessable(f"SearchParameter.{element}: {why}.", f"SearchParameter.{element}")
