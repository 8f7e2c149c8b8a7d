"""Update Document Set: confidentiality and availability of a document change, nothing else.

Spec: https://profiles.ihe.net/ITI/TF/Volume2/ITI-57.html; PDSm4DMP 0.1.0 TD3.3a to TD3.3d
"""

from typing import Any

import msgspec

from fhir_server.interactions.request import Request
from fhir_server.xds.call import Call, Reply
from fhir_server.xds.finding import Finding, Found, Resource
from fhir_server.xds.provide_and_register import refuse_other_patient
from fhir_server.xds.refusals import registry_response
from mappings.xds.document_entry import (
    CODED,
    IS_ARCHIVED,
    STATUSES,
    confidentiality_of,
    document_entry_of,
    is_archived,
    status_of,
)
from mappings.xds.ebrim import MetadataRefused, RegistryObject, parse_objects
from mappings.xds.submission_set import is_submission_set
from mappings.xds.vocabulary import (
    ARCHIVED,
    CONFIDENTIALITY_CODE,
    DOCUMENT_PATIENT_ID,
    DOCUMENT_UNIQUE_ID,
    HAS_MEMBER,
    LCM,
    RIM,
    UPDATE_STATUS,
)

Patch = list[dict[str, Any]]
_COMPARED = ("creationTime", "serviceStartTime", "serviceStopTime", "hash", "size", "languageCode")


async def update_document_set(call: Call) -> Reply:
    """Change the metadata of one document by a PATCH of its DocumentReference.

    Choice: one document a message, as the DMP's software sends them, so that a message is done whole or not at all.
    """
    listed = call.body.find(f"{RIM}RegistryObjectList")
    if call.body.tag != f"{LCM}SubmitObjectsRequest" or listed is None:
        raise MetadataRefused("The body must be a SubmitObjectsRequest.", code="XDSMetadataUpdateError")
    objects = parse_objects(listed)
    if sum(is_submission_set(one) for one in objects if one.kind == "RegistryPackage") != 1:
        raise MetadataRefused("An update holds one submission set.", code="XDSMetadataUpdateError")
    entries = [one for one in objects if one.kind == "ExtrinsicObject"]
    changes = [one for one in objects if one.association_type == UPDATE_STATUS]
    if len(entries) + len(changes) != 1:
        text = "An update changes one document: a document entry, or an UpdateAvailabilityStatus association."
        raise MetadataRefused(text, code="XDSMetadataUpdateError")
    finding = Finding(call)
    if entries:
        found, document = await _document(call, finding, entries[0].logical_id or entries[0].object_id)
        await _check_patient(finding, entries[0], document)
        patch = _entry_patch(entries[0], _previous_version(objects, entries[0]), found, document)
    else:
        _, document = await _document(call, finding, changes[0].target)
        patch = _status_patch(changes[0], document)
    content = msgspec.json.encode(patch)
    version = f'W/"{document["meta"]["versionId"]}"'
    change = Request("patch", call.grant, content=content, media_type="application/json-patch+json", if_match=version)
    await finding.ask("patch", "DocumentReference", document["id"], change=change)
    return Reply(registry_response())


async def _document(call: Call, finding: Finding, entry_uuid: str) -> tuple[Found, Resource]:
    found = await finding.by_entry_uuid("DocumentReference", [entry_uuid])
    if len(found.matches) != 1:
        text = f"The document entry {entry_uuid[:80]} is not available here."
        raise MetadataRefused(text, entry_uuid, "UnresolvedReferenceException")
    document = found.matches[0]
    refuse_other_patient(call, document.get("subject", {}).get("reference", ""))
    return found, document


async def _check_patient(finding: Finding, entry: RegistryObject, document: Resource) -> None:
    """Refuse a document entry that comes back for somebody else, under whatever number of his."""
    told = entry.identifiers.get(DOCUMENT_PATIENT_ID)
    if told and await finding.patient(told) != document.get("subject", {}).get("reference"):
        text = "A document stays in the record of its patient: publish it again in the other one."
        raise MetadataRefused(text, entry.object_id, "XDSPatientIdDoesNotMatch")


def _previous_version(objects: list[RegistryObject], entry: RegistryObject) -> str:
    members = (one for one in objects if one.association_type == HAS_MEMBER and one.target == entry.object_id)
    return next((version for one in members if (version := one.slot("PreviousVersion"))), "")


def _entry_patch(entry: RegistryObject, previous: str, found: Found, document: Resource) -> Patch:
    """Return the patch of a document entry that comes back with other confidentiality codes."""
    current = document["meta"]["versionId"]
    if previous != current:
        text = f"PreviousVersion is '{previous[:20]}' and the document entry is in version {current}."
        raise MetadataRefused(text, entry.object_id, "XDSMetadataVersionError")
    stored = document_entry_of(document, found.patient_of(document), found.resolve_for(document), "")
    changed = [name for name in _COMPARED if entry.slot(name) and entry.slot(name) != stored.slot(name)]
    for scheme, name in CODED.items():
        given = {one.code for one in entry.classified(scheme)}
        if scheme != CONFIDENTIALITY_CODE and given and given != {one.code for one in stored.classified(scheme)}:
            changed.append(name)
    if entry.identifiers.get(DOCUMENT_UNIQUE_ID) != stored.identifiers[DOCUMENT_UNIQUE_ID]:
        changed.append("uniqueId")
    if entry.name and entry.name != stored.name:
        changed.append("title")
    if changed:
        text = (
            f"{', '.join(changed)} may not change: replace the document, or change confidentialityCode and status only."
        )
        raise MetadataRefused(text, entry.object_id, "XDSMetadataUpdateError")
    labels = confidentiality_of(entry)
    if not labels:
        raise MetadataRefused("A document entry needs a confidentialityCode.", entry.object_id)
    return [{"op": "add", "path": "/securityLabel", "value": labels}]


def _status_patch(change: RegistryObject, document: Resource) -> Patch:
    """Return the patch of an UpdateAvailabilityStatus: archive, take out of the archive, delete, deprecate."""
    original, new = change.slot("OriginalStatus"), change.slot("NewStatus")
    if original != status_of(document):
        text = f"OriginalStatus is '{original[:80]}' and the document is {status_of(document)}."
        raise MetadataRefused(text, change.target, "XDSMetadataUpdateError")
    if new not in STATUSES:
        text = f"NewStatus is '{new[:80]}'; it may be {', '.join(STATUSES)}."
        raise MetadataRefused(text, change.target, "XDSMetadataUpdateError")
    patch: Patch = []
    if document["status"] != STATUSES[new]:
        patch.append({"op": "replace", "path": "/status", "value": STATUSES[new]})
    if is_archived(document) != (new == ARCHIVED):
        kept = [one for one in document.get("extension", ()) if one["url"] != IS_ARCHIVED]
        extensions = [*kept, {"url": IS_ARCHIVED, "valueBoolean": new == ARCHIVED}]
        patch.append({"op": "add", "path": "/extension", "value": extensions})
    if not patch:
        raise MetadataRefused("NewStatus is what the document has already.", change.target, "XDSMetadataUpdateError")
    return patch
