"""Operations: one operation, one module; OPERATIONS is the visible table. Spec: operations.html."""

from typing import Final

from fhir_server.interactions.request import Operation
from fhir_server.operations.access.explain_access import explain_access
from fhir_server.operations.document import document
from fhir_server.operations.everything import encounter_everything, patient_everything
from fhir_server.operations.fhirpath.evaluate import evaluate
from fhir_server.operations.lastn import lastn
from fhir_server.operations.meta import meta, meta_add, meta_delete
from fhir_server.operations.reindex import reindex, reindex_progress
from fhir_server.operations.terminology.code_system_lookup import code_system_lookup
from fhir_server.operations.terminology.code_system_subsumes import code_system_subsumes
from fhir_server.operations.terminology.code_system_validate_code import code_system_validate_code
from fhir_server.operations.terminology.concept_map_translate import concept_map_translate
from fhir_server.operations.terminology.value_set_expand import value_set_expand
from fhir_server.operations.terminology.value_set_validate_code import value_set_validate_code
from fhir_server.operations.validate import validate

_DEFINITIONS: Final = "https://fhir-server.example.fr/fhir/OperationDefinition"
_INSTANCE: Final = ("instance",)
_TYPE: Final = ("type",)
_BOTH: Final = ("type", "instance")
_CODE_SYSTEM: Final = ("CodeSystem",)
_VALUE_SET: Final = ("ValueSet",)
_CONCEPT_MAP: Final = ("ConceptMap",)

OPERATIONS: Final[tuple[Operation, ...]] = (
    Operation("explain-access", f"{_DEFINITIONS}/explain-access", explain_access, levels=_INSTANCE),
    Operation("meta", f"{_DEFINITIONS}/meta", meta, levels=("system", "type", "instance", "version")),
    Operation("meta-add", f"{_DEFINITIONS}/meta-add", meta_add, levels=_INSTANCE, is_affecting=True),
    Operation("meta-delete", f"{_DEFINITIONS}/meta-delete", meta_delete, levels=_INSTANCE, is_affecting=True),
    Operation("everything", f"{_DEFINITIONS}/patient-everything", patient_everything, ("Patient",), _BOTH),
    Operation("everything", f"{_DEFINITIONS}/encounter-everything", encounter_everything, ("Encounter",), _INSTANCE),
    Operation("lastn", f"{_DEFINITIONS}/observation-lastn", lastn, ("Observation",), ("type",)),
    Operation("document", f"{_DEFINITIONS}/composition-document", document, ("Composition",), ("type", "instance")),
    Operation("lookup", f"{_DEFINITIONS}/code-system-lookup", code_system_lookup, _CODE_SYSTEM, _TYPE),
    Operation(
        "validate-code", f"{_DEFINITIONS}/code-system-validate-code", code_system_validate_code, _CODE_SYSTEM, _BOTH
    ),
    Operation("subsumes", f"{_DEFINITIONS}/code-system-subsumes", code_system_subsumes, _CODE_SYSTEM, _BOTH),
    Operation("expand", f"{_DEFINITIONS}/value-set-expand", value_set_expand, _VALUE_SET, _BOTH),
    Operation("validate-code", f"{_DEFINITIONS}/value-set-validate-code", value_set_validate_code, _VALUE_SET, _BOTH),
    Operation("translate", f"{_DEFINITIONS}/concept-map-translate", concept_map_translate, _CONCEPT_MAP, _BOTH),
    Operation(
        "reindex", f"{_DEFINITIONS}/reindex", reindex, ("SearchParameter",), ("system", "instance"), is_affecting=True
    ),
    Operation(
        "reindex-progress",
        f"{_DEFINITIONS}/reindex-progress",
        reindex_progress,
        ("SearchParameter",),
        ("system", "instance"),
    ),
    Operation("fhirpath", f"{_DEFINITIONS}/fhirpath", evaluate, levels=("system", "instance")),
    Operation("validate", f"{_DEFINITIONS}/validate", validate, levels=("system", "type", "instance")),
)
