"""The five compartments of the specification: which search parameters put a resource into one.

Spec: compartmentdefinition.html
"""

from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec

from fhir_server.foundation.definitions import COMPARTMENTS, table

COMPARTMENT_TYPES: Final = frozenset(table(COMPARTMENTS))


@cache
def compartment_definition(compartment_type: str) -> Mapping[str, tuple[str, ...]]:
    """Return resource type -> inclusion parameters; `{def}` stands for the compartment's own resource."""
    return msgspec.json.decode(table(COMPARTMENTS)[compartment_type], type=dict[str, tuple[str, ...]])


def inclusion_parameters(compartment_type: str, resource_type: str) -> tuple[str, ...]:
    """Return the codes of the parameters that put `resource_type` into a compartment; () when none can."""
    return compartment_definition(compartment_type).get(resource_type, ())
