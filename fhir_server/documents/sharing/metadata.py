"""Metadata: what a submission must say, and whether its parts agree.

Spec: https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (Message Semantics), PDSm 3.1.1 (profiles)
"""

import re
from collections import Counter
from typing import Any, Final

from fhir_server.documents.sharing.content import check_content
from fhir_server.documents.sharing.submission import (
    URI_SYSTEM,
    Part,
    Problems,
    Resource,
    Submission,
    list_type,
    resolved,
    typed_identifiers,
    values_at,
)

STATUSES: Final = ("current",)
"""A document is published current; what it replaces becomes superseded."""
_MISSING: Final = "XDSMissingDocumentMetadata"
_WRONG: Final = "XDSRegistryMetadataError"
_UUID: Final = re.compile(r"urn:uuid:[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_OF_URI: Final = re.compile(r"urn:(oid:[0-2](\.(0|[1-9][0-9]*))+(\^.+)?|uuid:\S+)|https?://\S+")
_CONTAINED: Final = ("author", "authenticator", "context.sourcePatientInfo")


def check_metadata(submission: Submission, problems: Problems) -> None:
    """Note everything that the metadata lack, or contradict each other in. Structure was validated before."""
    for document in submission.documents:
        before = len(problems.issues)
        _check_document(document.entry, submission, problems)
        if len(problems.issues) == before:
            check_content(document, problems)
    if not submission.level.is_simplified:
        _check_submission_set(submission, problems)
    for folder in submission.folders:
        _check_list(folder, submission.level.folder, submission.level.folder_extensions, problems)
    _check_unique(submission, problems)


def _check_document(entry: Part, submission: Submission, problems: Problems) -> None:
    level, resource, place = submission.level, entry.resource, entry.place
    for path in level.document:
        if not values_at(resource, path):
            problems.add(f"{place}.{path}", f"{level.name} metadata need it, and it is absent.", _MISSING, "required")
    if len(resource.get("content", ())) != 1:
        problems.add(f"{place}.content", "a DocumentReference describes one document: content 1..1.", _WRONG)
    if resource.get("status") not in STATUSES:
        problems.add(f"{place}.status", "a document is published with the status current.", _WRONG, "value")
    for name in ("docStatus", "modifierExtension"):
        if name in resource:
            problems.add(f"{place}.{name}", f"{name} is no element of a shared document (0..0).", _WRONG)
    _check_identifiers(entry, submission, problems)
    if level.is_contained:
        _check_contained(entry, problems)


def _check_identifiers(entry: Part, submission: Submission, problems: Problems) -> None:
    resource, place = entry.resource, entry.place
    master = resource.get("masterIdentifier", {})
    value = str(master.get("value", ""))
    if master and not (value and master.get("system")):
        problems.add(f"{place}.masterIdentifier", "a uniqueId has a system and a value.", _WRONG, "required")
    elif master.get("system") == URI_SYSTEM and not _OF_URI.fullmatch(value):
        problems.add(f"{place}.masterIdentifier", f"{value[:80]!r} is no URI such as urn:oid:1.2.3.", _WRONG, "value")
    for identifier in typed_identifiers(resource, "uniqueId"):
        if identifier.get("value") != value:
            problems.add(f"{place}.identifier", "the uniqueId among them is not the masterIdentifier.", _WRONG)
    given = typed_identifiers(resource, "entryUUID")
    if given and submission.level.is_simplified:
        problems.add(f"{place}.identifier", "the server gives the entryUUID of a simplified publish.", _WRONG)
    for identifier in given:
        if not _UUID.fullmatch(str(identifier.get("value", ""))):
            problems.add(f"{place}.identifier", "an entryUUID is a urn:uuid:.", _WRONG, "value")


def _check_contained(entry: Part, problems: Problems) -> None:
    for path in _CONTAINED:
        for reference in values_at(entry.resource, path):
            if not str(reference.get("reference", "")).startswith("#"):
                problems.add(
                    f"{entry.place}.{path}",
                    "comprehensive metadata contain it (reference #id); the uncontained profile lets it be stored.",
                    _WRONG,
                )


def _check_submission_set(submission: Submission, problems: Problems) -> None:
    part, level = submission.submission_set, submission.level
    _check_list(part, level.submission_set, level.extensions, problems)
    if part.resource.get("status") != "current":
        problems.add(f"{part.place}.status", "a submission set is current.", _WRONG, "value")
    if not part.resource.get("entry"):
        problems.add(f"{part.place}.entry", "a submission set without a document or folder says nothing.", _MISSING)
        return
    items = [resolved(_item(entry), part.full_url) for entry in part.resource["entry"]]
    if len(set(items)) < len(items):
        problems.add(f"{part.place}.entry", "the submission set names an item twice.", _WRONG, "duplicate")
    members = [document.entry for document in submission.documents] + list(submission.folders)
    for member in members:
        if not ({member.full_url, member.reference} - {""}) & set(items):
            problems.add(member.place, "the submission set does not name it among its entries.", _WRONG)
    known = {member.full_url for member in members}
    for index, item in enumerate(items):
        if item.startswith("urn:") and item not in known:
            place = f"{part.place}.entry[{index}].item"
            problems.add(place, f"{item[:80]} is no document or folder of the bundle.", "UnresolvedReferenceException")


def _check_list(part: Part, paths: tuple[str, ...], extensions: tuple[str, ...], problems: Problems) -> None:
    resource, place = part.resource, part.place
    kind = "submission set" if list_type(resource) == "submissionset" else "folder"
    for path in paths:
        if not values_at(resource, path):
            problems.add(f"{place}.{path}", f"a {kind} has it, and it is absent.", _MISSING, "required")
    present = {extension.get("url") for extension in resource.get("extension", ())}
    for url in extensions:
        if url not in present:
            problems.add(f"{place}.extension", f"a {kind} has the extension {url}.", _MISSING, "required")
    if resource.get("mode") not in ("working", None):
        problems.add(f"{place}.mode", f"the mode of a {kind} is working.", _WRONG, "value")
    for name in ("encounter", "orderedBy", "emptyReason"):
        if name in resource:
            problems.add(f"{place}.{name}", f"a {kind} has none (0..0).", _WRONG)


def _item(entry: Resource) -> str:
    return str(entry.get("item", {}).get("reference", ""))


def _check_unique(submission: Submission, problems: Problems) -> None:
    """Note identifiers that two parts of the submission share."""
    found: Counter[str] = Counter()
    for document in submission.documents:
        for token in {_token(document.entry.resource.get("masterIdentifier", {}))} | _uuids(document.entry.resource):
            found[token] += 1
            if token and found[token] == 2:
                problems.add(
                    document.entry.place,
                    f"{token} is the identifier of another document of the bundle.",
                    "XDSDuplicateUniqueIdInRegistry",
                    "duplicate",
                )


def _token(identifier: Any) -> str:
    return f"{identifier.get('system', '')}|{identifier['value']}" if identifier.get("value") else ""


def _uuids(resource: Resource) -> set[str]:
    return {_token(identifier) for identifier in typed_identifiers(resource, "entryUUID")}
