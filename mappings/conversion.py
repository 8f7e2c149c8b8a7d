"""What a conversion gives back, and the one refusal it may raise.

Spec: operationoutcome.html (severity, code, diagnostics), valueset-issue-type.html (code).
"""

from dataclasses import dataclass, field
from typing import Literal

from mappings.fhir import Json

Severity = Literal["error", "warning", "information"]


class CdaRefused(ValueError):
    """A document that cannot be converted at all; code is a FHIR IssueType."""

    def __init__(self, code: str, diagnostics: str, location: str | None = None) -> None:
        super().__init__(diagnostics)
        self.code = code
        self.diagnostics = diagnostics
        self.location = location


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing a reader of the Bundle must know; count tells how often it happened, location where it first did."""

    severity: Severity
    code: str
    diagnostics: str
    location: str | None = None
    template_id: str | None = None
    template_name: str | None = None
    count: int = 1


@dataclass(frozen=True, slots=True)
class SourceFile:
    """The bytes that were converted, as an index describes them."""

    media_type: str
    """text/xml, or application/xslt+xml when the document carries its own style sheet."""
    body_media_type: str | None
    """The media type of a nonXMLBody; None for a structured body."""
    size_bytes: int
    sha1_base64: str


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """What an importer or an index needs to know of a document without reading its Bundle."""

    document_id: str
    """ClinicalDocument.id as root, or root^extension."""
    identifier: Json
    patient_full_url: str
    patient_identifiers: tuple[Json, ...]
    source: SourceFile
    set_id: str | None = None
    set_identifier: Json | None = None
    version: str | None = None
    template_ids: tuple[str, ...] = ()
    practitioner_full_urls: tuple[str, ...] = ()
    organization_full_urls: tuple[str, ...] = ()
    security_labels: tuple[Json, ...] = ()
    facility_type: Json | None = None
    practice_setting: Json | None = None
    order_identifiers: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Conversion:
    """A document Bundle (plain dicts, decimals exact), what was not carried over, and the document's keys."""

    bundle: Json
    document: DocumentFacts
    issues: tuple[Issue, ...] = field(default=())
