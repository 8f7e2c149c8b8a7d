"""The keys of a converted document. Source: PDSm 3.1.1 and IG-hl7v2 mapping.md (CDA header to XDS DocumentEntry)."""

from mappings.cda.datatypes import cd_to_codeable_concept, cd_to_coding, ii_key, ii_to_identifier
from mappings.cda.xml import HL7, Element, child, children, template_ids
from mappings.context import Context
from mappings.conversion import DocumentFacts, SourceFile
from mappings.fhir import Json

_FACILITY = f"{HL7}componentOf/{HL7}encompassingEncounter/{HL7}location/{HL7}healthCareFacility/{HL7}code"
_PERFORMER = f"{HL7}documentationOf/{HL7}serviceEvent/{HL7}performer/{HL7}assignedEntity"
_SECTORS = (
    f"{_PERFORMER}/{HL7}representedOrganization/{HL7}standardIndustryClassCode",
    f"{HL7}author/{HL7}assignedAuthor/{HL7}representedOrganization/{HL7}standardIndustryClassCode",
)


def document_facts(context: Context, source: SourceFile) -> DocumentFacts:
    """Gather what an importer and an index ask of the document."""
    document = context.document
    patient_full_url: str = context.patient["reference"]
    set_id, version = child(document, "setId"), child(document, "versionNumber")
    orders = _resources(context, "ServiceRequest")
    return DocumentFacts(
        document_id=context.document_id,
        identifier=context.identifier,
        patient_full_url=patient_full_url,
        patient_identifiers=tuple(context.resources[patient_full_url]["identifier"]),
        source=source,
        set_id=ii_key(set_id) or None,
        set_identifier=(ii_to_identifier(set_id) if set_id is not None else {}) or None,
        version=(version.get("value") if version is not None else None) or None,
        template_ids=tuple(template_ids(document)),
        practitioner_full_urls=tuple(_resources(context, "Practitioner")),
        organization_full_urls=tuple(_resources(context, "Organization")),
        security_labels=tuple(_security_labels(context)),
        facility_type=_concept((_FACILITY,), context),
        practice_setting=_concept(_SECTORS, context),
        order_identifiers=tuple(number for order in orders.values() for number in order.get("identifier", [])),
    )


def _resources(context: Context, resource_type: str) -> dict[str, Json]:
    return {url: found for url, found in context.resources.items() if found["resourceType"] == resource_type}


def _security_labels(context: Context) -> list[Json]:
    codes = children(context.document, "confidentialityCode")
    return [{"coding": [coding]} for code in codes if (coding := cd_to_coding(code, context))]


def _concept(paths: tuple[str, ...], context: Context) -> Json | None:
    for path in paths:
        found: Element | None = context.document.find(path)
        if found is not None and (converted := cd_to_codeable_concept(found, context)):
            return converted
    return None
