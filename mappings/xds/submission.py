"""A submission of XDS: the objects of one SubmitObjectsRequest, as the transaction Bundle of IHE MHD.

Source: IHE ITI TF-3, 4.2.1 and 4.2.2 (associations); ITI-41, ITI-65.
"""

import base64
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid5

from mappings.fhir import Json
from mappings.xds.document_entry import document_reference_of, refuse_incomplete
from mappings.xds.ebrim import Element, MetadataRefused, RegistryObject, parse_objects
from mappings.xds.submission_set import folder_list, is_folder, is_submission_set, submission_set_list
from mappings.xds.vocabulary import (
    DOCUMENT_PATIENT_ID,
    FOLDER_PATIENT_ID,
    HAS_MEMBER,
    RELATIONS,
    RIM,
    SUBMISSION_PATIENT_ID,
    TRANSFORMS_AND_REPLACES,
)

PROFILE: Final = (
    "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-comprehensive-provide-document-bundle"
)


@dataclass(frozen=True, slots=True)
class Submission:
    """What is submitted together; objects by id where their order does not matter."""

    submission_set: RegistryObject
    entries: tuple[RegistryObject, ...]
    folders: tuple[RegistryObject, ...]
    associations: tuple[RegistryObject, ...]

    @property
    def patient_id(self) -> str:
        """Give the CX of the patient, which every object names."""
        return self.submission_set.identifiers.get(SUBMISSION_PATIENT_ID, "")

    def outside(self) -> list[str]:
        """Give the ids of objects that associations name and that are not submitted: they must be stored."""
        inside = {one.object_id for one in (self.submission_set, *self.entries, *self.folders)}
        named = (place for one in self.associations for place in (one.source, one.target))
        return [place for place in dict.fromkeys(named) if place not in inside]

    def relations(self, entry_id: str) -> Iterator[tuple[str, str]]:
        """Yield what an entry does to others: the relatesTo code, and the id of the other."""
        codes = {association: code for code, association in RELATIONS.items()}
        for one in self.associations:
            if one.source == entry_id and one.association_type == TRANSFORMS_AND_REPLACES:
                yield from (("transforms", one.target), ("replaces", one.target))
            elif one.source == entry_id and one.association_type in codes:
                yield codes[one.association_type], one.target

    def members(self, package_id: str) -> list[str]:
        """Give the ids of what a submission set or a folder holds."""
        members = (one for one in self.associations if one.association_type == HAS_MEMBER)
        return [one.target for one in members if one.source == package_id]


def parse_submission(request: Element) -> Submission:
    """Read a SubmitObjectsRequest; raise MetadataRefused when it does not hold together."""
    listed = request.find(f"{RIM}RegistryObjectList")
    objects = parse_objects(listed) if listed is not None else []
    _refuse_twins(objects)
    packages = [one for one in objects if one.kind == "RegistryPackage"]
    sets = [one for one in packages if is_submission_set(one)]
    if len(sets) != 1:
        raise MetadataRefused(f"A submission holds one submission set; this one holds {len(sets)}.")
    submission = Submission(
        sets[0],
        tuple(one for one in objects if one.kind == "ExtrinsicObject"),
        tuple(one for one in packages if is_folder(one)),
        tuple(one for one in objects if one.kind == "Association"),
    )
    _refuse_loose_associations(submission)
    _refuse_strangers(submission)
    return submission


def _refuse_loose_associations(submission: Submission) -> None:
    """Refuse associations of an unknown meaning, or that begin at nothing of this submission: none is dropped."""
    packages = {one.object_id for one in (submission.submission_set, *submission.folders)}
    entries = {one.object_id for one in submission.entries}
    for one in submission.associations:
        if one.association_type == HAS_MEMBER:
            begins = one.source in packages
        elif one.association_type in (*RELATIONS.values(), TRANSFORMS_AND_REPLACES):
            begins = one.source in entries
        else:
            text = f"The association {one.association_type[:80]} has no meaning in a submission here."
            raise MetadataRefused(text, one.object_id)
        if not begins:
            text = f"The association {one.object_id} begins at {one.source[:80]}, which this submission does not hold."
            raise MetadataRefused(text, one.object_id)


def _refuse_twins(objects: list[RegistryObject]) -> None:
    seen: set[str] = set()
    for one in objects:
        if not one.object_id and one.kind != "Association":
            raise MetadataRefused(f"An {one.kind} has no id.")
        if one.object_id and one.object_id in seen:
            raise MetadataRefused(f"Two objects have the id {one.object_id}.", one.object_id)
        seen.add(one.object_id)


def _refuse_strangers(submission: Submission) -> None:
    """Refuse objects of another patient, and document entries that the submission set does not hold."""
    schemes = [(one, DOCUMENT_PATIENT_ID) for one in submission.entries]
    schemes += [(one, FOLDER_PATIENT_ID) for one in submission.folders]
    for one, scheme in schemes:
        if one.identifiers.get(scheme) != submission.patient_id:
            text = f"{one.object_id} is of another patient than the submission set: one submission, one patient."
            raise MetadataRefused(text, one.object_id, "XDSPatientIdDoesNotMatch")
    members = submission.members(submission.submission_set.object_id)
    for one in (*submission.entries, *submission.folders):
        if one.object_id not in members:
            text = f"No HasMember association puts {one.object_id} into the submission set."
            raise MetadataRefused(text, one.object_id)


@dataclass(frozen=True, slots=True)
class Filing:
    """What the server knows for a submission: references of stored things, new ids, the time (an instant)."""

    subject: Json
    custodian: Json | None
    stored: Mapping[str, str]
    """References (`DocumentReference/1`) of the objects that `Submission.outside` names."""
    uuids: Mapping[str, str]
    """An entryUUID (`urn:uuid:...`) for every object that is submitted, by its id."""
    now: str


def provide_bundle(submission: Submission, contents: Mapping[str, bytes], filing: Filing) -> Json:
    """Build the Bundle of ITI-65; `contents` are the documents by the id of their entries.

    Raises MetadataRefused when an entry has no document, a document no entry, or the content is not what it says.
    """
    _refuse_unpaired(submission, contents)
    entries: list[Json] = []
    for entry in submission.entries:
        entries += _document(submission, entry, contents[entry.object_id], filing)
    for folder in submission.folders:
        items = [_place(member, filing) for member in submission.members(folder.object_id)]
        resource = folder_list(_named(folder, filing), filing.subject, items, filing.now)
        entries.append(_post(filing.uuids[folder.object_id], resource))
    package = submission.submission_set
    items = [_place(member, filing) for member in submission.members(package.object_id)]
    listed = submission_set_list(_named(package, filing), filing.subject, items)
    return {
        "resourceType": "Bundle",
        "meta": {"profile": [PROFILE]},
        "type": "transaction",
        "entry": [_post(filing.uuids[package.object_id], listed), *entries],
    }


def _document(submission: Submission, entry: RegistryObject, content: bytes, filing: Filing) -> list[Json]:
    """Build the entries of one document: its DocumentReference and its Binary."""
    refuse_incomplete(entry)
    _refuse_other_content(entry, content)
    full_url = filing.uuids[entry.object_id]
    binary_url = f"urn:uuid:{uuid5(UUID(full_url.removeprefix('urn:uuid:')), 'Binary')}"
    resource = document_reference_of(_named(entry, filing), filing.subject, filing.custodian, binary_url)
    attachment = resource["content"][0]["attachment"]
    attachment.setdefault("size", len(content))
    attachment.setdefault("hash", base64.b64encode(_sha1(content).digest()).decode())
    related = [
        {"code": code, "target": {"reference": _place(target, filing)}}
        for code, target in submission.relations(entry.object_id)
    ]
    if related:
        resource["relatesTo"] = related
    data = base64.b64encode(content).decode()
    binary = {"resourceType": "Binary", "contentType": entry.mime_type, "data": data}
    return [_post(full_url, resource), _post(binary_url, binary)]


def _named(one: RegistryObject, filing: Filing) -> RegistryObject:
    return replace(one, object_id=filing.uuids[one.object_id])


def _place(object_id: str, filing: Filing) -> str:
    return filing.uuids.get(object_id) or filing.stored[object_id]


def _post(full_url: str, resource: Json) -> Json:
    return {"fullUrl": full_url, "resource": resource, "request": {"method": "POST", "url": resource["resourceType"]}}


def _refuse_unpaired(submission: Submission, contents: Mapping[str, bytes]) -> None:
    entries = {entry.object_id for entry in submission.entries}
    for missing in sorted(entries - contents.keys()):
        raise MetadataRefused(f"The document of the entry {missing} is missing.", missing, "XDSMissingDocument")
    for alone in sorted(contents.keys() - entries):
        text = f"The document {alone} has no document entry."
        raise MetadataRefused(text, alone, "XDSMissingDocumentMetadata")


def _refuse_other_content(entry: RegistryObject, content: bytes) -> None:
    written, size = entry.slot("hash"), entry.slot("size")
    actual = _sha1(content).hexdigest()
    if size and size != str(len(content)):
        text = f"size says {size} and the document has {len(content)} bytes."
        raise MetadataRefused(text, entry.object_id, "XDSRepositoryMetadataError")
    if written and written.lower() != actual:
        text = f"hash says {written[:40]} and the SHA-1 of the document is {actual}."
        raise MetadataRefused(text, entry.object_id, "XDSRepositoryMetadataError")


def _sha1(content: bytes) -> "hashlib._Hash":
    return hashlib.sha1(content, usedforsecurity=False)
