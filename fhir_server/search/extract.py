"""Extract: the index rows of one resource, for search and for access.

Spec: search.html, compartmentdefinition.html
"""

from typing import Any

from fhir_server.foundation.operation_outcome import BadRequest, Unprocessable
from fhir_server.foundation.search_parameters import SearchParameter
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
        self._base_urls = base_urls
        self._used = (parameters or Parameters(), dict[str, ExtractRows]())
        self._compartments: dict[str, ExtractRows] = {}

    @property
    def added(self) -> tuple[SearchParameter, ...]:
        """Return the parameters that are not of the specification."""
        return self._used[0].added

    def use(self, parameters: Parameters) -> None:
        """Give rows by other parameters from now on; a resource that is read meanwhile in another thread keeps its."""
        self._used = (parameters, {})

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
        parameters, compiled = self._used
        function = compiled.get(resource_type)
        if function is None:
            function = compiled[resource_type] = compile_type(resource_type, parameters, self._base_urls)
        function(resource, emit, container)
        for parameter in parameters.evaluated(resource_type):
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
            function = compile_compartments(resource_type, self._used[0], self._base_urls)
            self._compartments[resource_type] = function
        function(resource, rows.append, resource)
        return list(dict.fromkeys(rows))
