"""The profiles of the server: what the store defines, and what the settings demand.

Spec: profiling.html
"""

from collections.abc import Mapping

from fhir_server.conformance.canonicals import Canonicals
from fhir_server.interactions.canonicals.profiling import Profiling
from fhir_server.terminology.terminology import Terminology


def profiling_of(
    canonicals: Canonicals, terminology: Terminology, demanded: Mapping[str, str], *, refuses_unknown: bool
) -> Profiling:
    """Return the profiles that resources must meet; each change of a definition counts at once."""
    profiling = Profiling(canonicals.resolve, terminology.contains, terminology.validate_in_system)
    profiling.demanded = demanded
    profiling.refuses_unknown = refuses_unknown
    canonicals.subscribe(profiling.forget)
    return profiling
