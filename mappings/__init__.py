"""CDA R2 and DMP documents to FHIR R4: pure functions, bytes in, Bundle out.

Source: ansforge interop-IG-metier-document-core (CDA to FHIR tables) and hl7.org/fhir/uv/fhir-clinical-document.
"""

from mappings.clinical_document import NotDescribed, Source, clinical_document
from mappings.conversion import CdaRefused, Conversion, DocumentFacts, Issue
from mappings.convert import convert
from mappings.dmp.document_entry import FORMATS, category_of, document_reference, format_code
from mappings.fidelity_report import Fidelity, fidelity

__all__ = [
    "FORMATS",
    "CdaRefused",
    "Conversion",
    "DocumentFacts",
    "Fidelity",
    "Issue",
    "NotDescribed",
    "Source",
    "category_of",
    "clinical_document",
    "convert",
    "document_reference",
    "fidelity",
    "format_code",
]
