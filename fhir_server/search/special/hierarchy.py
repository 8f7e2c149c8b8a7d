"""Hierarchy: references to what is part of something, or that of which it is part.

Spec: search.html#recursive
"""

from typing import Final

from fhir_server.foundation.operation_outcome import BadRequest
from fhir_server.foundation.search_parameters import SearchParameter
from fhir_server.search.condition import Compare, Condition, Identity, any_of
from fhir_server.search.index_row import REFERENCE
from fhir_server.search.parameters import Parameters
from fhir_server.search.special.asking import Asking
from fhir_server.search.types.reference import BELOW, local_target
from fhir_server.search.types.value import Use

MAXIMUM_LEVELS: Final = 6
"""Choice: a site, its buildings, wings, levels, wards, rooms and beds; what is deeper is not found."""
PARTS: Final = ("partof", "part-of")
"""The codes of the parameters that say what a resource is part of."""


def in_hierarchy(asking: Asking, parameter: SearchParameter, value: str, use: Use) -> Condition:
    """Return that a reference names a resource or, `below`, a part of it or, `above`, one of which it is part."""
    target_type, target_id = local_target(value, use)
    types = [name for name in ([target_type] if target_type else use.targets) if _part_of(asking.parameters, name)]
    if not types:
        known = ", ".join(name for name in use.targets if _part_of(asking.parameters, name))
        right = f"those of {known} have" if known else "none of its targets has"
        raise BadRequest(f"{parameter.code}:{use.modifier}: {value!r} has no hierarchy; {right} one.", parameter.code)
    return any_of(*(_reached(asking, parameter.code, (name, target_id), use.modifier) for name in types))


def _part_of(parameters: Parameters, resource_type: str) -> str:
    """Return the parameter that says of which resource of the same type one is part; "" when there is none."""
    known = parameters.of_type(resource_type)
    return next(
        (code for code in PARTS if code in known and resource_type in parameters.targets(resource_type, code)), ""
    )


def _reached(asking: Asking, code: str, target: tuple[str, str], modifier: str) -> Condition:
    resource_type, target_id = target
    itself = Compare(REFERENCE, code, (("target_type", "eq", resource_type), ("target_id", "eq", target_id)))
    part = _part_of(asking.parameters, resource_type)

    def near(levels: int) -> Condition:
        if not levels:
            return Identity((target_id,))
        link = (part, resource_type)
        return any_of(
            Identity((target_id,)), asking.exists(link, lambda: near(levels - 1), is_reverse=modifier != BELOW)
        )

    return any_of(itself, asking.exists((code, resource_type), lambda: near(MAXIMUM_LEVELS)))
