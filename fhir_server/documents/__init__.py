"""Documents in, documents out: CDA conversion and import. Spec: documents.html, operations.html."""

from fhir_server.documents.cda.convert_cda import convert_cda
from fhir_server.documents.cda.import_cda import import_cda
from fhir_server.interactions.request import Operation

_DEFINITIONS = "https://fhir-server.example.fr/fhir/OperationDefinition"

OPERATIONS: tuple[Operation, ...] = (
    Operation("convert-cda", f"{_DEFINITIONS}/convert-cda", convert_cda),
    Operation("import-cda", f"{_DEFINITIONS}/import-cda", import_cda, is_affecting=True),
)
