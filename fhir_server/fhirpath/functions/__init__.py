"""The functions by their names: the one table of them all."""

from typing import Final

from fhir_server.fhirpath.functions.aggregates import AGGREGATES
from fhir_server.fhirpath.functions.boundaries import BOUNDARIES
from fhir_server.fhirpath.functions.components import COMPONENTS
from fhir_server.fhirpath.functions.conversion import CONVERSION
from fhir_server.fhirpath.functions.existence import EXISTENCE
from fhir_server.fhirpath.functions.fhir import FHIR
from fhir_server.fhirpath.functions.filtering import FILTERING
from fhir_server.fhirpath.functions.math import MATH
from fhir_server.fhirpath.functions.navigation import NAVIGATION
from fhir_server.fhirpath.functions.signature import Function
from fhir_server.fhirpath.functions.strings import STRINGS

FUNCTIONS: Final[dict[str, Function]] = {
    **EXISTENCE,
    **FILTERING,
    **CONVERSION,
    **STRINGS,
    **MATH,
    **AGGREGATES,
    **BOUNDARIES,
    **COMPONENTS,
    **NAVIGATION,
    **FHIR,
}
