"""Documents in, documents out: CDA conversion and import, sharing by IHE MHD and PDSm. Spec: documents.html."""

from collections.abc import Mapping
from typing import Final

from fhir_server.documents.cda.convert_cda import convert_cda
from fhir_server.documents.cda.fidelity import fidelity
from fhir_server.documents.cda.import_cda import import_cda
from fhir_server.documents.cda.to_cda import to_cda
from fhir_server.documents.record.authorise import authorise
from fhir_server.documents.record.open_record import close_record, open_record, reopen_record
from fhir_server.documents.record.record_status import record_status
from fhir_server.documents.sharing.generate_metadata import generate_metadata
from fhir_server.documents.sharing.levels import BUNDLES, DOCUMENTS, OTHER_PROFILES
from fhir_server.documents.sharing.metadata_update import check_document, check_list
from fhir_server.documents.sharing.provide_document_bundle import provide_document_bundle
from fhir_server.documents.sharing.simplified_publish import simplified_publish
from fhir_server.documents.unique_ins import check_ins
from fhir_server.interactions.request import ChangeRule, Guides, Operation, Profiled

_DEFINITIONS = "https://fhir-server.example.fr/fhir/OperationDefinition"
_PATIENT = ("Patient",)
_HELD = ("DocumentReference", "Binary")
_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm"
_MHD = "https://profiles.ihe.net/ITI/MHD"

OPERATIONS: tuple[Operation, ...] = (
    Operation("convert-cda", f"{_DEFINITIONS}/convert-cda", convert_cda),
    Operation("import-cda", f"{_DEFINITIONS}/import-cda", import_cda, is_affecting=True),
    Operation("to-cda", f"{_DEFINITIONS}/to-cda", to_cda, ("DocumentReference", "Bundle"), ("instance",)),
    Operation("fidelity", f"{_DEFINITIONS}/fidelity", fidelity),
    Operation("fidelity", f"{_DEFINITIONS}/document-fidelity", fidelity, _HELD, ("instance",)),
    Operation(
        "generate-metadata",
        f"{_MHD}/OperationDefinition/generate-metadata",
        generate_metadata,
        ("DocumentReference",),
        ("type",),
        is_affecting=True,
    ),
    Operation("record-status", f"{_DEFINITIONS}/record-status", record_status, _PATIENT, ("type",)),
    Operation("authorise", f"{_DEFINITIONS}/authorise", authorise, _PATIENT, ("instance",), is_affecting=True),
    Operation("open-record", f"{_DEFINITIONS}/open-record", open_record, _PATIENT, ("type",), is_affecting=True),
    Operation("close-record", f"{_DEFINITIONS}/close-record", close_record, _PATIENT, ("instance",), is_affecting=True),
    Operation(
        "reopen-record", f"{_DEFINITIONS}/reopen-record", reopen_record, _PATIENT, ("instance",), is_affecting=True
    ),
)

PROFILED: Final[tuple[Profiled, ...]] = (
    Profiled("transaction", "Bundle", frozenset(BUNDLES), provide_document_bundle),
    Profiled("create", "DocumentReference", frozenset(DOCUMENTS), simplified_publish),
)
"""Interactions that a profile gives a meaning of its own."""

CHANGE_RULES: Final[Mapping[str, ChangeRule]] = {"DocumentReference": check_document, "List": check_list}

INS_RULES: Final[Mapping[str, ChangeRule]] = {"Patient": check_ins}
"""Change rules of a server that keeps one Patient an INS."""

GUIDES: Final = Guides(
    instantiates=(
        f"{_PDSM}/CapabilityStatement/PDSm-GestionnaireDePartageDeDocuments",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentRecipient",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentRecipient.Comprehensive",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentRecipient.UnContained",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentRecipient.Simplified",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentRecipient.Generate",
        f"{_MHD}/CapabilityStatement/IHE.MHD.DocumentResponder",
    ),
    implementation_guides=(
        f"{_PDSM}/ImplementationGuide/ans.fhir.fr.pdsm",
        f"{_MHD}/ImplementationGuide/ihe.iti.mhd",
    ),
    profiles=(*OTHER_PROFILES, *(("DocumentReference", url) for url in DOCUMENTS)),
)
