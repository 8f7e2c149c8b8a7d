"""Operations: one operation, one module; OPERATIONS is the visible table. Spec: operations.html."""

from typing import Final

from fhir_server.interactions.request import Operation
from fhir_server.operations.document import document
from fhir_server.operations.everything import encounter_everything, patient_everything
from fhir_server.operations.lastn import lastn
from fhir_server.operations.meta import meta, meta_add, meta_delete
from fhir_server.operations.validate import validate

_DEFINITIONS: Final = "https://fhir-server.example.fr/fhir/OperationDefinition"
_INSTANCE: Final = ("instance",)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("meta", f"{_DEFINITIONS}/meta", meta, levels=("instance", "version")),
    Operation("meta-add", f"{_DEFINITIONS}/meta-add", meta_add, levels=_INSTANCE, is_affecting=True),
    Operation("meta-delete", f"{_DEFINITIONS}/meta-delete", meta_delete, levels=_INSTANCE, is_affecting=True),
    Operation("everything", f"{_DEFINITIONS}/patient-everything", patient_everything, ("Patient",), _INSTANCE),
    Operation("everything", f"{_DEFINITIONS}/encounter-everything", encounter_everything, ("Encounter",), _INSTANCE),
    Operation("lastn", f"{_DEFINITIONS}/observation-lastn", lastn, ("Observation",), ("type",)),
    Operation("document", f"{_DEFINITIONS}/composition-document", document, ("Composition",), ("type", "instance")),
    Operation("validate", f"{_DEFINITIONS}/validate", validate, levels=("system", "type", "instance")),
)
