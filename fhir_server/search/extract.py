"""Extract: the index rows of one resource, for search and for access.

Spec: search.html, compartmentdefinition.html
"""

from typing import Any

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.search.compile import PATIENT, ExtractRows, compile_compartments, compile_type
from fhir_server.search.custom import evaluate_rows
from fhir_server.search.index_row import COMPARTMENT, CONTAINED, CONTAINED_FAMILIES, IndexRow
from fhir_server.search.parameters import Parameters
from fhir_server.search.text import text_rows
from fhir_server.search.types.value import Emit


class Extractor:
    """Give the rows of resources; each type is compiled when the first resource of it comes.

    `base_urls` are this server's addresses, without a final slash: references below them are to its own resources.
    """

    def __init__(self, parameters: Parameters | None = None, base_urls: tuple[str, ...] = ()) -> None:
        self._parameters = parameters or Parameters()
        self._base_urls = base_urls
        self._compiled: dict[str, ExtractRows] = {}
        self._compartments: dict[str, ExtractRows] = {}

    def extract(self, resource: dict[str, Any]) -> list[IndexRow]:
        """Return the distinct rows of a resource of valid structure; raises Unprocessable for values it cannot read."""
        resource_type = resource["resourceType"]
        rows: list[IndexRow] = []
        if resource_type == PATIENT and "id" in resource:
            rows.append((COMPARTMENT, PATIENT, 0, resource["id"]))
        try:
            text_rows(resource, rows.append)
            self._valued(resource, resource, rows.append)
            for contained in resource.get("contained", ()):
                rows.append(self._contained(contained, resource))
        except (AttributeError, KeyError, TypeError, ValueError, BadRequest) as error:
            raise Unprocessable(f"{resource_type}: its elements cannot be indexed ({error}).", resource_type) from None
        return list(dict.fromkeys(rows))

    def _valued(self, resource: dict[str, Any], container: dict[str, Any], emit: Emit) -> None:
        """Write the rows of search parameters; what a contained resource refers to as `#id` is in the container."""
        resource_type = resource["resourceType"]
        self._function(resource_type)(resource, emit, container)
        for parameter in self._parameters.evaluated(resource_type):
            evaluate_rows(parameter, self._base_urls, resource, emit)

    def _contained(self, resource: dict[str, Any], container: dict[str, Any]) -> IndexRow:
        rows: list[IndexRow] = []
        self._valued(resource, container, rows.append)
        kept = dict.fromkeys(row for row in rows if row[0] in CONTAINED_FAMILIES)
        return (CONTAINED, resource["resourceType"], 0, resource.get("id", ""), tuple(kept))

    def compartments(self, resource: dict[str, Any]) -> list[IndexRow]:
        """Return those of the rows that say in whose record a stored resource is: a small part of the work."""
        resource_type = resource["resourceType"]
        rows: list[IndexRow] = []
        if resource_type == PATIENT and "id" in resource:
            rows.append((COMPARTMENT, PATIENT, 0, resource["id"]))
        function = self._compartments.get(resource_type)
        if function is None:
            function = compile_compartments(resource_type, self._parameters, self._base_urls)
            self._compartments[resource_type] = function
        function(resource, rows.append, resource)
        return list(dict.fromkeys(rows))

    def _function(self, resource_type: str) -> ExtractRows:
        function = self._compiled.get(resource_type)
        if function is None:
            function = compile_type(resource_type, self._parameters, self._base_urls)
            self._compiled[resource_type] = function
        return function
