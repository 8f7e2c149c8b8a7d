"""A converted document to the DocumentReference that indexes it.

Source: PDSm 3.1.1 pdsm-comprehensive-document-reference; IG-hl7v2 mapping.md; ASS_X04 (class), ASS_A11 (format).
"""

from collections.abc import Iterator

from mappings.cda.vocabulary import concept_map
from mappings.conversion import Conversion, DocumentFacts
from mappings.fhir import Json, compact, concept

CLASSES = "https://mos.esante.gouv.fr/NOS/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
FORMATS = "https://mos.esante.gouv.fr/NOS/TRE_A11-IheFormatCode/FHIR/TRE-A11-IheFormatCode"
UNSTRUCTURED = "1.3.6.1.4.1.19376.1.2.20"

_AUTHENTICATORS = ("Practitioner", "PractitionerRole", "Organization")
_PATIENT_MEMBERS = ("extension", "identifier", "name", "telecom", "gender", "birthDate", "address")


def document_reference(conversion: Conversion) -> Json:
    """Build the DocumentReference of a converted document.

    Its references are the fullUrls of the Bundle. The caller gives attachment.url, and entryUUID when there is one.

    Choice: it claims no profile. PDSm's wants its people contained, while a converted document refers to those that are
    stored, and says no format or setting that the CDA does not tell: where PDSm is installed, a claim would refuse it.
    """
    facts = conversion.document
    composition: Json = conversion.bundle["entry"][0]["resource"]
    authors = [{"reference": who["reference"]} for who in composition["author"] if "reference" in who]
    return compact(
        {
            "resourceType": "DocumentReference",
            "contained": [_source_patient(conversion)],
            "masterIdentifier": facts.identifier,
            "identifier": [{"use": "secondary", **facts.set_identifier}] if facts.set_identifier else None,
            "status": "current",
            "type": composition["type"],
            "category": category_of(composition["type"]),
            "subject": {"reference": facts.patient_full_url},
            "date": conversion.bundle.get("timestamp"),
            "author": authors,
            "authenticator": _authenticator(conversion),
            "custodian": composition.get("custodian"),
            "relatesTo": _replaced(composition),
            "description": composition["title"],
            "securityLabel": list(facts.security_labels),
            "content": [_content(composition, facts)],
            "context": _context(composition, facts),
        }
    )


def format_code(facts: DocumentFacts) -> str | None:
    """Give the XDS formatCode: by media type for an embedded file, else by the document's templates, French first."""
    table = concept_map("template_to_format_code")
    if facts.source.body_media_type:
        found: str | None = table.get(f"{UNSTRUCTURED}+{facts.source.body_media_type}")
        return found
    ordered = sorted(facts.template_ids, key=lambda template_id: not template_id.startswith("1.2.250.1.213"))
    return next((table[template_id] for template_id in ordered if template_id in table), None)


def _authenticator(conversion: Conversion) -> Json | None:
    """Find who legally attests; R4 lets only professionals and organisations authenticate, so never the patient."""
    resources = {entry["fullUrl"]: entry["resource"]["resourceType"] for entry in conversion.bundle["entry"]}
    for attester in conversion.bundle["entry"][0]["resource"].get("attester", []):
        party: Json = attester.get("party", {})
        if attester["mode"] == "legal" and resources.get(party.get("reference", "")) in _AUTHENTICATORS:
            return party
    return None


def _codings(document_type: Json) -> Iterator[str]:
    return (coding["code"] for coding in document_type.get("coding", []) if "code" in coding)


def category_of(document_type: Json) -> list[Json]:
    """Derive the class from the type, as ASS_X04 does; [] for a type that it does not know."""
    classes = concept_map("type_to_class")
    for code in _codings(document_type):
        if code in classes:
            return [concept(CLASSES, classes[code]["code"], classes[code]["display"])]
    return []


def _replaced(composition: Json) -> list[Json]:
    return [
        {"code": related["code"], "target": {"type": "DocumentReference", "identifier": related["targetIdentifier"]}}
        for related in composition.get("relatesTo", [])
    ]


def _content(composition: Json, facts: DocumentFacts) -> Json:
    found = format_code(facts)
    attachment = {
        "contentType": facts.source.media_type,
        "language": composition.get("language"),
        "size": facts.source.size_bytes,
        "hash": facts.source.sha1_base64,
        "title": composition["title"],
        "creation": composition.get("date"),
    }
    return compact({"attachment": compact(attachment), "format": {"system": FORMATS, "code": found} if found else None})


def _context(composition: Json, facts: DocumentFacts) -> Json:
    events: list[Json] = composition.get("event", [])
    codes = [code for event in events for code in event.get("code", [])]
    period = next((event["period"] for event in events if "period" in event), None)
    encounter = composition.get("encounter")
    return compact(
        {
            "encounter": [encounter] if encounter else None,
            "event": codes,
            "period": period,
            "facilityType": facts.facility_type,
            "practiceSetting": facts.practice_setting,
            "sourcePatientInfo": {"reference": "#source-patient"},
            "related": [{"identifier": identifier} for identifier in facts.order_identifiers],
        }
    )


def _source_patient(conversion: Conversion) -> Json:
    """Copy who the patient was when the document was written, as XDS keeps sourcePatientInfo."""
    resources = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
    patient: Json = resources[conversion.document.patient_full_url]
    members = {name: patient[name] for name in _PATIENT_MEMBERS if name in patient}
    return {"resourceType": "Patient", "id": "source-patient", **members}
