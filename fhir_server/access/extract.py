"""Access rows of one resource: what decisions and relations read, beside the rows of search.

Spec: security.html, compartmentdefinition-patient.html
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from fhir_server.access.authors import author_rows
from fhir_server.access.directory import DIRECTORY_TYPES, PROFESSIONAL_TYPES
from fhir_server.access.labels import HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES, label_rows
from fhir_server.access.relations.care import care_team_rows, encounter_rows
from fhir_server.access.relations.consent import consent_rows
from fhir_server.access.relations.persons import patient_rows, related_person_rows
from fhir_server.access.rows import (
    ATTACHMENT,
    AUTHOR,
    DEPOSITOR,
    DOCUMENT,
    DOCUMENT_CLASS,
    DOCUMENT_TYPE,
    LABEL,
    REPLACES,
    local_reference,
    reference_row,
    references_of,
)
from fhir_server.search.index_row import COMPARTMENT, REFERENCE, RELATION, TOKEN, IndexRow

_ACCESS_PARAMETERS: Final = frozenset(
    {ATTACHMENT, AUTHOR, DEPOSITOR, DOCUMENT, DOCUMENT_CLASS, DOCUMENT_TYPE, LABEL, REPLACES}
)
_TAKEN_FROM_ALL: Final = frozenset({DOCUMENT, DOCUMENT_CLASS, DOCUMENT_TYPE, LABEL})
_SUBJECTS: Final = {"Device": "patient", "Task": "for"}
"""Choice: types that R4 leaves out of the Patient compartment although they say whose they are."""

ATTACHED_TYPES: Final = frozenset({"Binary", "Bundle"})
"""What a DocumentReference points at, and thereby governs."""

_UNHEARD: Final = {
    "Patient": frozenset({HIDDEN_FROM_PATIENT}),
    "RelatedPerson": frozenset({HIDDEN_FROM_PATIENT, HIDDEN_FROM_REPRESENTATIVES}),
}
"""Labels that would tell the depositor, by his type, that what he named exists."""

GOVERNED_TYPES: Final = ATTACHED_TYPES | {"AuditEvent", "DocumentManifest", "List", "Provenance"}
"""Types that name their governors in their own elements; others only in `meta.source`."""


def access_rows(resource: dict[str, Any], depositor: str, inherited: Iterable[IndexRow] = ()) -> list[IndexRow]:
    """Return the labels, authors, depositor, governors, relations and own compartments of a resource, each row once.

    `depositor` is "" on an open server; `inherited` is what `inherit` gives of the resource's governors.
    """
    rows = label_rows(resource) + author_rows(resource) + _kind_rows(resource)
    if depositor:
        rows.append(reference_row(DEPOSITOR, depositor))
    rows += [reference_row(DOCUMENT, reference) for reference in governors(resource)]
    rows += [reference_row(ATTACHMENT, reference) for reference in attachments(resource)]
    rows += [reference_row(REPLACES, reference) for reference in replaced(resource)]
    rows += _relation_rows(resource, depositor) + _compartment_rows(resource)
    return list(dict.fromkeys((*rows, *inherited)))


def _relation_rows(resource: dict[str, Any], depositor: str) -> list[IndexRow]:
    match resource.get("resourceType"):
        case "CareTeam":
            return care_team_rows(resource)
        case "Consent":
            return consent_rows(resource)
        case "Encounter":
            return encounter_rows(resource, depositor)
        case "Patient":
            return patient_rows(resource)
        case "RelatedPerson":
            return related_person_rows(resource, depositor)
    return []


def _kind_rows(resource: dict[str, Any]) -> list[IndexRow]:
    """Return the types and classes of a DocumentReference, which what it governs inherits."""
    if resource.get("resourceType") != "DocumentReference":
        return []
    concepts = [(DOCUMENT_TYPE, resource.get("type", {}))]
    concepts += [(DOCUMENT_CLASS, concept) for concept in resource.get("category", ())]
    return [
        (TOKEN, parameter, 0, coding.get("system", ""), coding["code"])
        for parameter, concept in concepts
        for coding in concept.get("coding", ())
        if "code" in coding
    ]


def _compartment_rows(resource: dict[str, Any]) -> list[IndexRow]:
    resource_type = resource.get("resourceType", "")
    if resource_type == "Patient":
        return [(COMPARTMENT, "Patient", 0, resource["id"])] if "id" in resource else []
    subjects = references_of(resource.get(_SUBJECTS.get(resource_type, "")))
    ids = [subject.partition("/")[2] for subject in subjects if subject.startswith("Patient/")]
    return [(COMPARTMENT, "Patient", 0, patient_id) for patient_id in ids]


def governors(resource: dict[str, Any]) -> list[str]:
    """Return the local references of what governs a resource, as the resource itself names them.

    `meta.source` for what was converted from a document, `securityContext` of a Binary, targets of a Provenance,
    entities of an AuditEvent, documents of a List (submission set, folder) or DocumentManifest, which tells of each.
    The directory of professionals is shared by all documents: none governs it.
    """
    resource_type = resource.get("resourceType")
    found = _named_governors(resource)
    source = local_reference(resource.get("meta", {}).get("source"))
    if source.startswith("DocumentReference/") and resource_type not in PROFESSIONAL_TYPES:
        found = [source, *found]
    own = f"{resource_type}/{resource.get('id')}"
    return [reference for reference in dict.fromkeys(found) if reference != own]


def _named_governors(resource: dict[str, Any]) -> list[str]:
    match resource.get("resourceType"):
        case "Binary":
            return references_of(resource.get("securityContext"))
        case "Provenance":
            return references_of(resource.get("target"))
        case "AuditEvent":
            entities = references_of([entity.get("what") for entity in resource.get("entity", ())])
            return [reference for reference in entities if not reference.startswith("Patient/")]
        case "List":
            return _documents([entry.get("item") for entry in resource.get("entry", ())])
        case "DocumentManifest":
            return _documents(resource.get("content"))
    return []


def _documents(elements: Any) -> list[str]:
    return [reference for reference in references_of(elements) if reference.startswith("DocumentReference/")]


def attachments(resource: dict[str, Any]) -> list[str]:
    """Return the local Binary and Bundle references that a DocumentReference points at."""
    if resource.get("resourceType") != "DocumentReference":
        return []
    urls = (content.get("attachment", {}).get("url") for content in resource.get("content", ()))
    found = dict.fromkeys(local_reference(url) for url in urls)
    return [reference for reference in found if reference.partition("/")[0] in ATTACHED_TYPES]


def replaced(resource: dict[str, Any]) -> list[str]:
    """Return the local references of the documents that a DocumentReference replaces."""
    if resource.get("resourceType") != "DocumentReference":
        return []
    targets = [
        relation.get("target") for relation in resource.get("relatesTo", ()) if relation.get("code") == "replaces"
    ]
    own = f"DocumentReference/{resource.get('id')}"
    return [reference for reference in dict.fromkeys(_documents(targets)) if reference != own]


def inherit(
    resource_type: str, depositor: str, rows: Sequence[IndexRow], governing: Sequence[tuple[str, Sequence[IndexRow]]]
) -> list[IndexRow]:
    """Return what a resource with these rows takes from its governors, given as (reference, rows).

    Labels, kinds of document and further governors of all of them: what one hides is hidden. Authors, depositors and
    (when it has none of its own) compartments only where all agree: what one opens does not open another. A trace takes
    no authors: who wrote a document does not thereby see who read it. Directory types open to all and say nothing. To a
    person who names what he may not see, it is as if he named nothing: see `_is_known`.
    """
    unheard = _UNHEARD.get(depositor.partition("/")[0], frozenset())
    taken = [row for _, some in governing for row in some if row[1] in _TAKEN_FROM_ALL]
    taken = [row for row in taken if not (row[1] == LABEL and row[-1] in unheard)]
    heard = [
        set(some)
        for reference, some in governing
        if reference.partition("/")[0] not in DIRECTORY_TYPES and _is_known(depositor, some)
    ]
    common = set.intersection(*heard) if heard else set()
    if resource_type != "AuditEvent":
        taken += [row for row in common if row[0] == REFERENCE and row[1] in (AUTHOR, DEPOSITOR)]
    if resource_type not in DIRECTORY_TYPES and not any(_is_record(row) for row in rows):
        taken += [row for row in common if _is_record(row)]
    return sorted(set(taken))


def _is_known(depositor: str, rows: Sequence[IndexRow]) -> bool:
    """Say whether a governor with these rows is one that the depositor surely sees.

    Choice: a program names what it likes, it knows identifiers by its trade. A person's own deposits and works count;
    a patient's record too, but for what is hidden from him.
    """
    if not depositor or depositor.startswith("Device/"):
        return True
    if reference_row(DEPOSITOR, depositor) in rows:
        return True
    if not depositor.startswith("Patient/"):
        return reference_row(AUTHOR, depositor) in rows
    is_hidden = any(row[1] == LABEL and row[-1] == HIDDEN_FROM_PATIENT for row in rows)
    return not is_hidden and (COMPARTMENT, "Patient", 0, depositor.removeprefix("Patient/")) in rows


def _is_record(row: IndexRow) -> bool:
    return bool(row[0] == COMPARTMENT and row[1] == "Patient")


def kept_rows(rows: Iterable[IndexRow]) -> list[IndexRow]:
    """Return the rows a deleted resource keeps, so that only who could see it is told that it is gone.

    Its relations end with it.
    """
    return [row for row in rows if is_access_row(row) and row[0] != RELATION]


def is_access_row(row: IndexRow) -> bool:
    """Say whether decisions read the row."""
    return row[0] in (COMPARTMENT, RELATION) or (row[0] in (REFERENCE, TOKEN) and row[1] in _ACCESS_PARAMETERS)
