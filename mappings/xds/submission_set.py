"""A SubmissionSet or Folder of XDS to a List and back. Source: IHE MHD 4.2, 4.5.1.2 and 4.5.1.3; PDSm 3.1.1."""

from typing import Final

from mappings.fhir import Json, compact, concept
from mappings.xds import hl7v2
from mappings.xds.authors import Resolve, author_of, author_slots
from mappings.xds.codes import classifications_of, concepts_of
from mappings.xds.document_entry import URI, entry_uuid_identifier, entry_uuid_of, is_archived
from mappings.xds.ebrim import Classification, MetadataRefused, RegistryObject
from mappings.xds.vocabulary import (
    APPROVED,
    ARCHIVED,
    CONTENT_TYPE_CODE,
    DEPRECATED,
    FOLDER,
    FOLDER_CODE,
    FOLDER_PATIENT_ID,
    FOLDER_UNIQUE_ID,
    SUBMISSION_AUTHOR,
    SUBMISSION_PATIENT_ID,
    SUBMISSION_SET,
    SUBMISSION_SOURCE_ID,
    SUBMISSION_UNIQUE_ID,
)

LIST_TYPES: Final = "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
DESIGNATION_TYPE: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-designationType"
SOURCE_ID: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-sourceId"
AUTHOR_ORGANIZATION: Final = "https://profiles.ihe.net/ITI/MHD/StructureDefinition/ihe-authorOrg"


def is_submission_set(package: RegistryObject) -> bool:
    """Say whether a registry package is classified as a submission set."""
    return SUBMISSION_SET in package.nodes


def is_folder(package: RegistryObject) -> bool:
    """Say whether a registry package is classified as a folder."""
    return FOLDER in package.nodes


def submission_set_list(package: RegistryObject, subject: Json, items: list[str]) -> Json:
    """Convert a submission set to a List whose entries are the `items` (references)."""
    named = {
        "submissionTime": package.slot("submissionTime"),
        "uniqueId": package.identifiers.get(SUBMISSION_UNIQUE_ID),
        "sourceId": package.identifiers.get(SUBMISSION_SOURCE_ID),
        "patientId": package.identifiers.get(SUBMISSION_PATIENT_ID),
        "contentTypeCode": package.classified(CONTENT_TYPE_CODE),
    }
    missing = [name for name, value in named.items() if not value]
    if missing:
        text = f"The submission set lacks {', '.join(missing)}: XDS requires them."
        raise MetadataRefused(text, package.object_id)
    source, contained = _source(package, subject)
    source_id = str(named["sourceId"])
    extensions = [
        {"url": DESIGNATION_TYPE, "valueCodeableConcept": concepts_of(package, CONTENT_TYPE_CODE)[0]},
        {"url": SOURCE_ID, "valueIdentifier": {"system": URI, "value": f"urn:oid:{source_id}"}},
    ]
    unique_id = hl7v2.unique_identifier(str(named["uniqueId"]))
    return compact(
        {
            **_list(package, "submissionset", subject, items),
            "contained": contained,
            "extension": extensions,
            "identifier": [{"use": "usual", **unique_id}, entry_uuid_identifier(package.object_id)],
            "date": _time(package, "submissionTime"),
            "source": source,
        }
    )


def folder_list(package: RegistryObject, subject: Json, items: list[str], now: str) -> Json:
    """Convert a folder to a List; `now` (an instant) is its lastUpdateTime when it tells none."""
    unique_id = package.identifiers.get(FOLDER_UNIQUE_ID, "")
    if not unique_id or not package.identifiers.get(FOLDER_PATIENT_ID):
        raise MetadataRefused("A folder needs its uniqueId and patientId.", package.object_id)
    extensions = [{"url": DESIGNATION_TYPE, "valueCodeableConcept": one} for one in concepts_of(package, FOLDER_CODE)]
    return compact(
        {
            **_list(package, "folder", subject, items),
            "extension": extensions,
            "identifier": [
                {"use": "usual", **hl7v2.unique_identifier(unique_id)},
                entry_uuid_identifier(package.object_id),
            ],
            "date": _time(package, "lastUpdateTime") or now,
        }
    )


def _list(package: RegistryObject, kind: str, subject: Json, items: list[str]) -> Json:
    return {
        "resourceType": "List",
        "status": "current",
        "mode": "working",
        "title": package.name,
        "code": concept(LIST_TYPES, kind),
        "subject": subject,
        "note": [{"text": package.description}] if package.description else None,
        "entry": [{"item": {"reference": item}} for item in items],
    }


def _source(package: RegistryObject, subject: Json) -> tuple[Json | None, list[Json]]:
    authors = package.classified(SUBMISSION_AUTHOR)
    if not authors:
        return None, []
    source, contained = author_of(authors[0], "source", subject)
    place = next((one for one in contained if one["resourceType"] == "Organization"), None)
    if source is None or place is None:
        return source, contained
    organization = {"url": AUTHOR_ORGANIZATION, "valueReference": {"reference": f"#{place['id']}"}}
    if source["reference"] == f"#{place['id']}":
        return {"extension": [organization]}, contained
    return {"extension": [organization], **source}, contained


def _time(package: RegistryObject, name: str) -> str | None:
    written = package.slot(name)
    found = hl7v2.dtm_to_instant(written)
    if written and found is None:
        raise MetadataRefused(f"{name} is '{written[:40]}': write YYYYMMDDHHMMSS in UTC.", package.object_id)
    return found


def package_of(stored: Json, patient: Json, resolve: Resolve) -> RegistryObject:
    """Convert a stored List (a submission set or a folder); `patient` is the INS Identifier."""
    codes = [coding.get("code") for coding in stored.get("code", {}).get("coding", ())]
    is_set = "submissionset" in codes
    time = hl7v2.moment_to_dtm(stored.get("date", ""))
    unique_id: Json = next((one for one in stored.get("identifier", ()) if one.get("use") != "official"), {})
    identifiers = {
        SUBMISSION_PATIENT_ID if is_set else FOLDER_PATIENT_ID: hl7v2.identifier_to_cx(patient, "NH"),
        SUBMISSION_UNIQUE_ID if is_set else FOLDER_UNIQUE_ID: hl7v2.unique_id(unique_id),
    }
    if is_set:
        identifiers[SUBMISSION_SOURCE_ID] = _source_id(stored)
    return RegistryObject(
        kind="RegistryPackage",
        object_id=entry_uuid_of(stored),
        logical_id=entry_uuid_of(stored),
        status=_status(stored),
        name=stored.get("title", ""),
        description=next((note.get("text", "") for note in stored.get("note", ())), ""),
        slots={"submissionTime" if is_set else "lastUpdateTime": (time,)},
        classifications=tuple(_classifications(stored, resolve, is_set)),
        nodes=(SUBMISSION_SET if is_set else FOLDER,),
        identifiers=identifiers,
    )


def _status(stored: Json) -> str:
    if is_archived(stored):
        return ARCHIVED
    return APPROVED if stored.get("status") == "current" else DEPRECATED


def _source_id(stored: Json) -> str:
    found: Json = next((one["valueIdentifier"] for one in stored.get("extension", ()) if one["url"] == SOURCE_ID), {})
    value = str(found.get("value", ""))
    return value.removeprefix("urn:oid:") if found.get("system") == URI else hl7v2.oid_of(found.get("system", ""))


def _classifications(stored: Json, resolve: Resolve, is_set: bool) -> list[Classification]:
    scheme = CONTENT_TYPE_CODE if is_set else FOLDER_CODE
    concepts = [one["valueCodeableConcept"] for one in stored.get("extension", ()) if one["url"] == DESIGNATION_TYPE]
    source = stored.get("source", {})
    slots = author_slots(source, resolve) if is_set else {}
    named = [one["valueReference"] for one in source.get("extension", ()) if one["url"] == AUTHOR_ORGANIZATION]
    if is_set and named and not slots.get("authorInstitution"):
        slots = {**slots, **author_slots(named[0], resolve)}
    authors = [Classification(SUBMISSION_AUTHOR, slots=slots)] if slots else []
    return [*authors, *classifications_of(scheme, concepts)]
