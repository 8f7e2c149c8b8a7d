"""Compartment: the condition that a resource is in the compartment of another one.

Spec: compartmentdefinition.html, http.html#vsearch
"""

from typing import Final

from fhir_server.foundation.compartment import COMPARTMENT_TYPES, compartment_definition
from fhir_server.foundation.operation_outcome import BadRequest, NotFound
from fhir_server.search.condition import Compare, Condition, Identity, OfType, all_of, any_of
from fhir_server.search.index_row import COMPARTMENT, REFERENCE

OWN: Final = "{def}"
"""Stands for the resource that the compartment is named after."""
INDEXED: Final = frozenset({"Patient"})
"""Compartments that have rows of their own, because access reads them; the others are asked of the references."""


def in_compartment(compartment: tuple[str, str], resource_type: str) -> Condition:
    """Return the condition of `[base]/Patient/1/Observation`; `resource_type` "" stands for `*`.

    Raises NotFound when there is no such compartment, BadRequest when no resource of the type is ever in it.
    """
    compartment_type, compartment_id = compartment
    if compartment_type not in COMPARTMENT_TYPES:
        known = ", ".join(sorted(COMPARTMENT_TYPES))
        raise NotFound(f"There is no {compartment_type} compartment; there are those of {known}.")
    definition = compartment_definition(compartment_type)
    if resource_type and resource_type not in definition:
        types = ", ".join(sorted(definition))
        raise BadRequest(f"No {resource_type} is in a {compartment_type} compartment; what may be in one: {types}.")
    if compartment_type in INDEXED:
        return Compare(COMPARTMENT, compartment_type, (("compartment_id", "eq", compartment_id),))
    if resource_type:
        return any_of(*(_opened(code, compartment) for code in definition[resource_type]))
    return any_of(*(all_of(OfType(types), _opened(code, compartment)) for code, types in _by_code(compartment_type)))


def _by_code(compartment_type: str) -> list[tuple[str, tuple[str, ...]]]:
    """Return each inclusion parameter and the types that it puts into the compartment."""
    types: dict[str, list[str]] = {}
    for resource_type, codes in compartment_definition(compartment_type).items():
        for code in codes:
            types.setdefault(code, []).append(resource_type)
    return [(code, tuple(sorted(listed))) for code, listed in sorted(types.items())]


def _opened(code: str, compartment: tuple[str, str]) -> Condition:
    if code == OWN:
        return all_of(OfType((compartment[0],)), Identity((compartment[1],)))
    return Compare(REFERENCE, code, (("target_type", "eq", compartment[0]), ("target_id", "eq", compartment[1])))
