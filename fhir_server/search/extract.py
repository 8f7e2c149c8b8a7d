"""Extract: the index rows of one resource, for search and for access.

Spec: search.html, compartmentdefinition.html
"""

from collections.abc import Iterator
from typing import Any

from fhir_server.foundation.compartment import inclusion_parameters
from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.search.compile import ExtractRows, compile_type, extracted
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, IndexRow
from fhir_server.search.parameters import Parameters
from fhir_server.search.types import reference

PATIENT = "Patient"


class Extractor:
    """Give the rows of resources; each type is compiled when the first resource of it comes.

    `base_urls` are this server's addresses, without a final slash: references below them are to its own resources.
    """

    def __init__(self, parameters: Parameters | None = None, base_urls: tuple[str, ...] = ()) -> None:
        self._parameters = parameters or Parameters()
        self._base_urls = base_urls
        self._compiled: dict[str, ExtractRows] = {}
        self._including: dict[str, frozenset[str]] = {}

    def extract(self, resource: dict[str, Any]) -> list[IndexRow]:
        """Return the distinct rows of a resource; raises Unprocessable when its structure is not what FHIR says."""
        resource_type = resource["resourceType"]
        try:
            rows = extracted(self._function(resource_type), resource)
        except (AttributeError, KeyError, TypeError, ValueError, BadRequest) as error:
            raise Unprocessable(f"{resource_type}: its elements cannot be indexed ({error}).", resource_type) from None
        return self._completed(resource_type, resource, rows)

    def _function(self, resource_type: str) -> ExtractRows:
        function = self._compiled.get(resource_type)
        if function is None:
            function = self._compiled[resource_type] = compile_type(resource_type, self._parameters)
            self._including[resource_type] = frozenset(inclusion_parameters(PATIENT, resource_type))
        return function

    def _completed(self, resource_type: str, resource: dict[str, Any], rows: list[IndexRow]) -> list[IndexRow]:
        """Bring references to our own addresses home, and add the compartments that the references open."""
        including = self._including[resource_type]
        compartments = {resource["id"]: None} if resource_type == PATIENT and "id" in resource else {}
        for position, row in enumerate(rows):
            if row[0] == REFERENCE:
                if row[3] == "" and self._base_urls:
                    row = rows[position] = reference.at_home(row, self._base_urls)
                if row[3] == PATIENT and row[1] in including:
                    compartments[row[4]] = None
        rows.extend(_compartment_rows(compartments))
        return rows


def _compartment_rows(compartments: dict[str, None]) -> Iterator[IndexRow]:
    return ((COMPARTMENT, PATIENT, 0, compartment_id) for compartment_id in compartments)
