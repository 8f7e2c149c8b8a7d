"""The ClinicalDocument's own elements to Composition. Source: FRHeaderDocumentLMCDAFHIR. Spec: composition.html."""

import re

from mappings.cda.datatypes import confidentiality, ii_to_identifier, required_concept
from mappings.cda.dates import date_time
from mappings.cda.names import words
from mappings.cda.vocabulary import act_status
from mappings.cda.xml import HL7, child
from mappings.context import Context
from mappings.fhir import Json, absent, compact, extension
from mappings.header.encounter import encounter
from mappings.header.organization import organization
from mappings.header.participations import attesters, document_authors, participation_extensions
from mappings.header.patient import patient
from mappings.header.related_acts import consents, events, orders, related_documents

VERSION = "http://hl7.org/fhir/5.0/StructureDefinition/extension-Composition.version"

_LABORATORY_STATUS = "{urn:oid:1.3.6.1.4.1.19376.1.3.2}statusCode"


def composition(context: Context) -> Json:
    """Convert the header; put the Composition first in the Bundle, without its sections yet."""
    document = context.document
    context.account(document, "ClinicalDocument")
    context.add({"resourceType": "Composition"}, "composition")
    subject = patient(context)
    set_id = context.take(document, "setId")
    for name in ("id", "realmCode", "typeId", "templateId", "component"):
        context.take_all(document, name)
    people = participation_extensions(context)
    resource = {
        "resourceType": "Composition",
        "extension": [*_version(context), *people, *orders(context), *consents(context)],
        "language": _language(context),
        "identifier": (ii_to_identifier(set_id) if set_id is not None else {}) or context.identifier,
        "status": _status(context),
        "type": required_concept(context.take(document, "code"), context),
        "subject": subject,
        "encounter": encounter(context),
        **_date(context),
        "author": document_authors(context),
        "title": _title(context),
        "confidentiality": _confidentiality(context),
        "attester": attesters(context),
        "custodian": _custodian(context),
        "relatesTo": related_documents(context),
        "event": events(context),
    }
    full_url = context.full_url("Composition", "composition")
    converted = context.resources[full_url] | compact(resource)
    context.resources[full_url] = converted
    return converted


def _version(context: Context) -> list[Json]:
    version = context.take(context.document, "versionNumber")
    value = (version.get("value") or "").strip() if version is not None else ""
    return [extension(VERSION, valueString=value)] if value else []


def _language(context: Context) -> str | None:
    element = context.take(context.document, "languageCode")
    code = (element.get("code") or "").strip() if element is not None else ""
    return code if re.fullmatch(r"\S+", code) else None


def _status(context: Context) -> str:
    """Choice: final, as a CDA document is attested; a laboratory report tells its own status."""
    found = context.document.find(f"{HL7}documentationOf/{HL7}serviceEvent/{_LABORATORY_STATUS}")
    code = found.get("code") if found is not None else None
    return act_status("Composition", code) or "final"


def _date(context: Context) -> Json:
    moment = date_time(context.take(context.document, "effectiveTime"), context)
    if moment is None:
        context.report("warning", "required", "The document has no effectiveTime.", context.document)
    return {"date": moment} if moment else {"_date": absent("unknown")}


def _title(context: Context) -> str:
    """Give the title; without one the words of the type stand for it, because FHIR requires a title."""
    title = words(context.take(context.document, "title"))
    code = child(context.document, "code")
    return title or (code.get("displayName") or "" if code is not None else "") or "Document"


def _confidentiality(context: Context) -> str | None:
    elements = context.take_all(context.document, "confidentialityCode")
    codes = [element.get("code") for element in elements]
    found = [code for code in codes if confidentiality(code)]
    for element in elements[1:]:
        context.report("information", "not-supported", "Composition holds a single confidentiality.", element)
    return found[0] if found else None


def _custodian(context: Context) -> Json | None:
    custodian = context.take(context.document, "custodian")
    path = f"{HL7}assignedCustodian/{HL7}representedCustodianOrganization"
    return organization(custodian.find(path), context) if custodian is not None else None
