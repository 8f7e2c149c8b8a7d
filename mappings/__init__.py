"""CDA R2 and DMP documents to FHIR R4: pure functions, bytes in, Bundle out.

Source: ansforge interop-IG-metier-document-core (CDA to FHIR tables) and hl7.org/fhir/uv/fhir-clinical-document.
"""

from mappings.conversion import CdaRefused, Conversion, DocumentFacts, Issue
from mappings.convert import convert
from mappings.dmp.document_entry import document_reference
from mappings.fidelity_report import Fidelity, fidelity

__all__ = [
    "CdaRefused",
    "Conversion",
    "DocumentFacts",
    "Fidelity",
    "Issue",
    "convert",
    "document_reference",
    "fidelity",
]
