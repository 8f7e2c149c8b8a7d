"""The profiles of the server: what the store defines, and what the settings demand.

Spec: profiling.html
"""

from collections.abc import Mapping
from difflib import get_close_matches

from fhir_server.conformance.canonicals import Canonicals
from fhir_server.foundation.structure import RESOURCE_TYPES
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.settings import SettingsRefused
from fhir_server.terminology.terminology import Terminology


def profiling_of(
    canonicals: Canonicals, terminology: Terminology, demanded: Mapping[str, str], *, refuses_unknown: bool
) -> Profiling:
    """Return the profiles that resources must meet; each change of a definition counts at once.

    Raises SettingsRefused for what is no resource type: a misspelt demand would demand nothing.
    """
    for name in demanded:
        if name not in RESOURCE_TYPES:
            close = get_close_matches(name, RESOURCE_TYPES, 1)
            hint = f" Did you mean {close[0]}?" if close else ""
            raise SettingsRefused(f"profiles: {name} is no resource type of R4.{hint}")
    profiling = Profiling(canonicals.resolve, terminology.contains, terminology.validate_in_system)
    profiling.demanded = demanded
    profiling.refuses_unknown = refuses_unknown
    profiling.guides = lambda: map(canonicals.read, canonicals.members("ImplementationGuide"))
    canonicals.subscribe(profiling.forget)
    return profiling
