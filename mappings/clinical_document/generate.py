"""Generate: a CI-SIS level 1 CDA R2 of a DocumentReference and its document.

Source: CI-SIS, Volet Structuration minimale (templates 2.16.840.1.113883.2.8.2.1 and 1.2.250.1.213.1.1.1.1); IHE XDS-SD
"""

from mappings.clinical_document import header
from mappings.clinical_document.body import component
from mappings.clinical_document.datatypes import concept_to_ce, date_time_to_ts, identifier_to_ii
from mappings.clinical_document.elements import Element, element, serialize
from mappings.clinical_document.source import Source

TEMPLATES = ("2.16.840.1.113883.2.8.2.1", "1.2.250.1.213.1.1.1.1")
XDS_SD = "1.3.6.1.4.1.19376.1.2.20"
_CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"


class NotDescribed(ValueError):
    """What is known of a document does not make a CDA; the text says what is missing."""


def clinical_document(source: Source) -> bytes:
    """Make the CDA; the same source gives the same bytes. Raises NotDescribed without id, type or patient's id."""
    document = source.document
    own_id = identifier_to_ii("id", document.get("masterIdentifier", {}))
    code = concept_to_ce("code", document.get("type"))
    patient = header.record_target(source)
    if own_id is None:
        raise NotDescribed("The document has no masterIdentifier that is an OID or a UUID.")
    if code is None:
        raise NotDescribed("The document has no coded type.")
    if not patient.findall("{*}patientRole/{*}id"):
        raise NotDescribed("The patient has no identifier with an OID, such as an INS.")
    templates = (*TEMPLATES, XDS_SD) if source.composition is None else TEMPLATES
    root = element(
        "ClinicalDocument",
        element("realmCode", code="FR"),
        element("typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040"),
        *(element("templateId", root=template_id) for template_id in templates),
        own_id,
        code,
        element("title", source.title),
        date_time_to_ts("effectiveTime", source.created),
        _confidentiality(source),
        element("languageCode", code=document["content"][0]["attachment"].get("language") or "fr-FR"),
        patient,
        *header.authors(source),
        header.custodian(source),
        header.legal_authenticator(source),
        *header.documentation_of(source),
        *header.related_documents(source),
        header.component_of(source),
        component(source),
    )
    return serialize(root)


def _confidentiality(source: Source) -> Element:
    """Make the confidentiality: who may see the document in a record is no matter of the document itself."""
    for label in source.document.get("securityLabel", ()):
        for coding in label.get("coding", ()):
            if coding.get("system") == _CONFIDENTIALITY:
                return element(
                    "confidentialityCode",
                    code=coding.get("code"),
                    displayName=coding.get("display"),
                    codeSystem="2.16.840.1.113883.5.25",
                )
    return element("confidentialityCode", code="N", codeSystem="2.16.840.1.113883.5.25")
