"""A DocumentEntry of XDS to a DocumentReference and back.

Source: IHE MHD 4.2, 4.5.1.1 (element by element); PDSm4DMP 0.1.0, ConceptMap documentReferenceToPDSM.
"""

import base64
import binascii
from typing import Final

from mappings.fhir import Json, compact, concept
from mappings.xds import hl7v2
from mappings.xds.authors import Resolve, author_of, author_slots, practitioner_of, xcn_of
from mappings.xds.codes import classification_of, classifications_of, coding_of, concepts_of
from mappings.xds.ebrim import Classification, MetadataRefused, RegistryObject
from mappings.xds.vocabulary import (
    APPROVED,
    ARCHIVED,
    CLASS_CODE,
    CONFIDENTIALITY_CODE,
    DELETED,
    DEPRECATED,
    DOCUMENT_AUTHOR,
    DOCUMENT_PATIENT_ID,
    DOCUMENT_UNIQUE_ID,
    EVENT_CODE,
    FACILITY_TYPE_CODE,
    FORMAT_CODE,
    PRACTICE_SETTING_CODE,
    STABLE,
    TYPE_CODE,
)

IS_ARCHIVED: Final = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
IDENTIFIER_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/IHE.MHD.MHDIdentifierType"
URI: Final = "urn:ietf:rfc:3986"
STATUSES: Final = {APPROVED: "current", ARCHIVED: "current", DEPRECATED: "superseded", DELETED: "entered-in-error"}
CODED: Final = {
    CLASS_CODE: "classCode",
    CONFIDENTIALITY_CODE: "confidentialityCode",
    FORMAT_CODE: "formatCode",
    FACILITY_TYPE_CODE: "healthcareFacilityTypeCode",
    PRACTICE_SETTING_CODE: "practiceSettingCode",
    TYPE_CODE: "typeCode",
}
_SLOTS: Final = ("creationTime", "languageCode", "sourcePatientId")


_LEVELS: Final = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
_VISIBILITY: Final = (
    "https://mos.esante.gouv.fr/NOS/TRE_A07-StatutVisibiliteDocument/FHIR/TRE-A07-StatutVisibiliteDocument"
)
CONFIDENTIALITY: Final = {
    _LEVELS: frozenset({"U", "L", "M", "N", "R", "V"}),
    _VISIBILITY: frozenset({"MASQUE_PS", "INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"}),
}


def confidentiality_of(entry: RegistryObject) -> list[Json]:
    """Convert the confidentiality codes; raise MetadataRefused for one that nobody would act on.

    Choice: a misspelt MASQUE_PS would leave open what its author meant to hide, so that no code is taken unknown.
    """
    labels = concepts_of(entry, CONFIDENTIALITY_CODE)
    for label in labels:
        coding = label["coding"][0]
        if coding["code"] not in CONFIDENTIALITY.get(coding.get("system", ""), ()):
            known = ", ".join(code for codes in CONFIDENTIALITY.values() for code in sorted(codes))
            text = f"confidentialityCode {coding['code'][:40]} of {coding.get('system', 'no scheme')[:80]} is unknown: "
            raise MetadataRefused(f"{text}it may be {known}, each of its own scheme.", entry.object_id)
    return labels


def refuse_incomplete(entry: RegistryObject) -> None:
    """Raise MetadataRefused for a document entry without the metadata that XDS requires."""
    missing = [name for scheme, name in CODED.items() if not any(one.code for one in entry.classified(scheme))]
    missing += [name for name in _SLOTS if not entry.slot(name)]
    missing += ["author"] if not entry.classified(DOCUMENT_AUTHOR) else []
    missing += ["uniqueId"] if not entry.identifiers.get(DOCUMENT_UNIQUE_ID) else []
    missing += ["patientId"] if not entry.identifiers.get(DOCUMENT_PATIENT_ID) else []
    missing += ["mimeType"] if not entry.mime_type else []
    if missing:
        text = f"The document entry {entry.object_id} lacks {', '.join(missing)}: XDS requires them."
        raise MetadataRefused(text, entry.object_id)


def document_reference_of(entry: RegistryObject, subject: Json, custodian: Json | None, url: str) -> Json:
    """Convert a document entry; `subject` and `custodian` are references, `url` is where its Binary will be.

    Choice: it claims no profile of PDSm, which asks of people what XDS does not tell (the type of a national number):
    where PDSm is installed, the claim would refuse what today's software sends.
    """
    contained: list[Json] = []
    authors: list[Json] = []
    for index, one in enumerate(entry.classified(DOCUMENT_AUTHOR)):
        author, resources = author_of(one, f"author-{index}", subject)
        contained += resources
        authors += [author] if author else []
    authenticator = _authenticator(entry, contained)
    period = {"start": _moment(entry, "serviceStartTime"), "end": _moment(entry, "serviceStopTime")}
    context = {
        "event": concepts_of(entry, EVENT_CODE),
        "period": compact(period),
        "facilityType": _single(entry, FACILITY_TYPE_CODE),
        "practiceSetting": _single(entry, PRACTICE_SETTING_CODE),
        "sourcePatientInfo": _source_patient(entry, contained),
        "related": [_related(text) for text in entry.slots.get("urn:ihe:iti:xds:2013:referenceIdList", ())],
    }
    return compact(
        {
            "resourceType": "DocumentReference",
            "contained": contained,
            "extension": [{"url": IS_ARCHIVED, "valueBoolean": True}] if entry.status == ARCHIVED else None,
            "masterIdentifier": hl7v2.unique_identifier(entry.identifiers.get(DOCUMENT_UNIQUE_ID, "")),
            "identifier": [entry_uuid_identifier(entry.object_id)],
            "status": STATUSES.get(entry.status or APPROVED, "current"),
            "type": _single(entry, TYPE_CODE),
            "category": concepts_of(entry, CLASS_CODE),
            "subject": subject,
            "date": _instant(entry),
            "author": authors,
            "authenticator": authenticator,
            "custodian": custodian,
            "description": entry.description,
            "securityLabel": confidentiality_of(entry),
            "content": [_content(entry, url)],
            "context": compact(context),
        }
    )


def _content(entry: RegistryObject, url: str) -> Json:
    size = entry.slot("size")
    attachment = {
        "contentType": entry.mime_type,
        "language": entry.slot("languageCode"),
        "url": url,
        "size": int(size) if size.isdigit() else None,
        "hash": _hash(entry),
        "title": entry.name,
        "creation": _moment(entry, "creationTime"),
    }
    formats = entry.classified(FORMAT_CODE)
    return compact({"attachment": compact(attachment), "format": coding_of(formats[0]) if formats else None})


def _hash(entry: RegistryObject) -> str | None:
    written = entry.slot("hash")
    if not written:
        return None
    try:
        return base64.b64encode(binascii.unhexlify(written)).decode()
    except (binascii.Error, ValueError):
        raise MetadataRefused("The hash must be the SHA-1 of the document in hexadecimal.", entry.object_id) from None


def _moment(entry: RegistryObject, name: str) -> str | None:
    written = entry.slot(name)
    if not written:
        return None
    found = hl7v2.dtm_to_instant(written)
    if found is None:
        raise MetadataRefused(f"{name} is '{written[:40]}': write YYYYMMDDHHMMSS in UTC.", entry.object_id)
    return found


def _instant(entry: RegistryObject) -> str | None:
    """Give creationTime as an instant: what it leaves out is the beginning of its day, month or year."""
    found = _moment(entry, "creationTime")
    return found if found is None or "T" in found else f"{(found + '-01-01')[:10]}T00:00:00Z"


def _single(entry: RegistryObject, scheme: str) -> Json | None:
    return next(iter(concepts_of(entry, scheme)), None)


def _authenticator(entry: RegistryObject, contained: list[Json]) -> Json | None:
    written = entry.slot("legalAuthenticator")
    if not written:
        return None
    practitioner = practitioner_of(written, "authenticator")
    contained.append(practitioner)
    return {"reference": "#authenticator"}


def _source_patient(entry: RegistryObject, contained: list[Json]) -> Json:
    patient = hl7v2.pid_to_patient(entry.slots.get("sourcePatientInfo", ()))
    number = hl7v2.cx_to_identifier(entry.slot("sourcePatientId"))
    held = patient.get("identifier", [])
    identifiers = [*held, number] if number and number not in held else held
    contained.append(compact({**patient, "id": "source-patient", "identifier": identifiers}))
    return {"reference": "#source-patient"}


def _related(text: str) -> Json:
    kind = hl7v2.part(hl7v2.components(text), 5)
    identifier = hl7v2.cx_to_identifier(text)
    return {"identifier": compact({"type": {"coding": [{"code": kind}]} if kind else None, **identifier})}


def document_entry_of(document_reference: Json, patient: Json, resolve: Resolve, repository: str) -> RegistryObject:
    """Convert a stored DocumentReference; `patient` is the INS Identifier, `repository` the OID of this one."""
    context = document_reference.get("context", {})
    attachment = document_reference["content"][0].get("attachment", {})
    slots = {
        "creationTime": (hl7v2.moment_to_dtm(document_reference.get("date") or attachment.get("creation", "")),),
        "hash": (_hexadecimal(attachment.get("hash", "")),),
        "languageCode": (attachment.get("language", ""),),
        "legalAuthenticator": _legal(document_reference, resolve),
        "repositoryUniqueId": (repository,),
        "serviceStartTime": (hl7v2.moment_to_dtm(context.get("period", {}).get("start", "")),),
        "serviceStopTime": (hl7v2.moment_to_dtm(context.get("period", {}).get("end", "")),),
        "size": (str(attachment.get("size", "")),),
        **_patient_slots(context, patient, resolve),
        "urn:ihe:iti:xds:2013:referenceIdList": tuple(_reference_id(one) for one in context.get("related", ())),
    }
    entry_uuid = entry_uuid_of(document_reference)
    return RegistryObject(
        kind="ExtrinsicObject",
        object_id=entry_uuid,
        logical_id=entry_uuid,
        status=status_of(document_reference),
        version=document_reference.get("meta", {}).get("versionId", ""),
        object_type=STABLE,
        mime_type=attachment.get("contentType", ""),
        name=attachment.get("title", ""),
        description=document_reference.get("description", ""),
        slots=slots,
        classifications=tuple(_classifications(document_reference, resolve)),
        identifiers={
            DOCUMENT_PATIENT_ID: hl7v2.identifier_to_cx(patient, "NH"),
            DOCUMENT_UNIQUE_ID: hl7v2.unique_id(document_reference.get("masterIdentifier", {})),
        },
    )


def entry_uuid_identifier(entry_uuid: str) -> Json:
    """Write an entryUUID as the Identifier that MHD gives it."""
    return {"use": "official", "type": concept(IDENTIFIER_TYPES, "entryUUID"), "system": URI, "value": entry_uuid}


def entry_uuid_of(resource: Json) -> str:
    """Give the entryUUID of a DocumentReference or List: its official identifier, else its id.

    Choice: entryUUID and logicalId are one and stay through the versions of the metadata, as the id of the resource
    does; `version` tells them apart. FHIR keeps the former versions in the history.
    """
    for identifier in resource.get("identifier", ()):
        value = str(identifier.get("value", ""))
        if identifier.get("use") == "official" and value.startswith("urn:uuid:"):
            return value
    return f"urn:uuid:{resource['id']}"


def status_of(document_reference: Json) -> str:
    """Give the availabilityStatus, those of the CI-SIS among them."""
    status = document_reference.get("status")
    if status == "current" and is_archived(document_reference):
        return ARCHIVED
    return {"superseded": DEPRECATED, "entered-in-error": DELETED}.get(status or "", APPROVED)


def is_archived(resource: Json) -> bool:
    """Say whether a DocumentReference or List is archived. Source: pdsm-ext-is-archived."""
    return any(one.get("valueBoolean") is True for one in resource.get("extension", ()) if one["url"] == IS_ARCHIVED)


def _classifications(document_reference: Json, resolve: Resolve) -> list[Classification]:
    context = document_reference.get("context", {})
    found = [
        Classification(DOCUMENT_AUTHOR, slots=slots)
        for author in document_reference.get("author", ())
        if (slots := author_slots(author, resolve))
    ]
    found += classifications_of(CLASS_CODE, document_reference.get("category", ())[:1])
    found += classifications_of(CONFIDENTIALITY_CODE, document_reference.get("securityLabel", ()))
    found += classifications_of(EVENT_CODE, context.get("event", ()))
    coding = document_reference["content"][0].get("format")
    found += [classification_of(FORMAT_CODE, coding)] if coding else []
    single = {
        FACILITY_TYPE_CODE: context.get("facilityType"),
        PRACTICE_SETTING_CODE: context.get("practiceSetting"),
        TYPE_CODE: document_reference.get("type"),
    }
    for scheme, coded in single.items():
        found += classifications_of(scheme, [coded] if coded else [])
    return found


def _patient_slots(context: Json, patient: Json, resolve: Resolve) -> dict[str, tuple[str, ...]]:
    source = resolve(context.get("sourcePatientInfo", {}).get("reference", ""))
    identifiers = [one for one in source.get("identifier", ()) if "value" in one and "system" in one]
    local = next((one for one in identifiers if not one["system"].startswith("urn:oid:1.2.250.1.213.1.4.")), patient)
    return {
        "sourcePatientId": (hl7v2.identifier_to_cx(local, "NH" if local is patient else "PI"),),
        "sourcePatientInfo": tuple(hl7v2.patient_to_pid(source)),
    }


def _legal(document_reference: Json, resolve: Resolve) -> tuple[str, ...]:
    person = resolve(document_reference.get("authenticator", {}).get("reference", ""))
    if person.get("resourceType") == "PractitionerRole":
        person = resolve(person.get("practitioner", {}).get("reference", ""))
    return (xcn_of(person),) if person.get("resourceType") == "Practitioner" else ()


def _reference_id(related: Json) -> str:
    identifier = related.get("identifier", {})
    codings: list[Json] = identifier.get("type", {}).get("coding", [])
    kind = codings[0].get("code", "") if codings else ""
    return hl7v2.identifier_to_cx(identifier, kind) if "value" in identifier else ""


def _hexadecimal(hash_base64: str) -> str:
    try:
        return base64.b64decode(hash_base64, validate=True).hex()
    except (binascii.Error, ValueError):
        return ""
