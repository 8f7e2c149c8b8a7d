"""Registry Stored Query: documents, submission sets, folders and associations, as registry objects.

Spec: https://profiles.ihe.net/ITI/TF/Volume2/ITI-18.html
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from lxml import etree

from fhir_server.xds.call import Call, Element, Reply
from fhir_server.xds.finding import Finding, Resource
from fhir_server.xds.refusals import query_response
from fhir_server.xds.view import View, targets_of
from mappings.xds import hl7v2, stored_query
from mappings.xds.ebrim import MetadataRefused, RegistryObject, format_object
from mappings.xds.stored_query import DOCUMENT, StoredQuery, document_searches, package_searches, parse_query
from mappings.xds.submission_set import LIST_TYPES
from mappings.xds.vocabulary import DOCUMENT_AUTHOR, QUERY, RIM, SUBMISSION_AUTHOR

SUBMISSION_SET: Final = "$XDSSubmissionSet"
FOLDER: Final = "$XDSFolder"
KINDS: Final = {SUBMISSION_SET: "submissionset", FOLDER: "folder"}


async def registry_stored_query(call: Call) -> Reply:
    """Answer a stored query. Raises MetadataRefused and FhirError."""
    if call.body.tag != f"{QUERY}AdhocQueryRequest":
        raise MetadataRefused("The body must be an AdhocQueryRequest.", code="XDSRegistryError")
    query = parse_query(call.body)
    find = QUERIES.get(query.query_id)
    if find is None:
        text = f"The stored query {query.query_id[:80]} is not known here."
        raise MetadataRefused(text, query.query_id, "XDSUnknownStoredQuery")
    objects = await find(query, View(Finding(call), call.repository))
    return Reply(query_response(_element(one, query.is_leaf) for one in objects))


def _element(one: RegistryObject, is_leaf: bool) -> Element:
    return format_object(one) if is_leaf else etree.Element(f"{RIM}ObjectRef", id=one.object_id)


def _patient(query: StoredQuery, name: str) -> tuple[str, str]:
    identifier = hl7v2.cx_to_identifier(query.required(name))
    if not identifier.get("system") or not identifier["value"].isalnum():
        text = f"{name} is written as number^^^&OID&ISO."
        raise MetadataRefused(text, name, "XDSRegistryError")
    return "patient.identifier", f"{identifier['system']}|{identifier['value']}"


async def _find_documents(query: StoredQuery, view: View) -> list[RegistryObject]:
    patient = _patient(query, f"{DOCUMENT}PatientId")
    searches = [(patient, *criteria) for criteria in document_searches(query)]
    objects = view.objects(await view.search("DocumentReference", searches))
    return _by_author(objects, query.uses(f"{DOCUMENT}AuthorPerson"))


def _by_author(objects: list[RegistryObject], uses: list[tuple[str, ...]]) -> list[RegistryObject]:
    return [one for one in objects if all(_is_by(one, patterns) for patterns in uses)]


def _is_by(entry: RegistryObject, patterns: tuple[str, ...]) -> bool:
    """Say whether an author is written as one of the patterns, where % stands for any text (SQL LIKE)."""
    authors = [*entry.classified(DOCUMENT_AUTHOR), *entry.classified(SUBMISSION_AUTHOR)]
    persons = [text for one in authors for text in one.slots.get("authorPerson", ())]
    return any(_is_like(person, pattern) for person in persons for pattern in patterns)


def _is_like(text: str, pattern: str) -> bool:
    first, *pieces = pattern.casefold().split("%")
    rest = text.casefold()
    if not pieces or not rest.startswith(first):
        return rest == first
    rest = rest[len(first) :]
    for piece in pieces[:-1]:
        _, found, rest = rest.partition(piece) if piece else ("", "%", rest)
        if not found:
            return False
    return rest.endswith(pieces[-1])


async def _find_documents_by_reference_id(query: StoredQuery, view: View) -> list[RegistryObject]:
    if not query.values(f"{DOCUMENT}ReferenceIdList"):
        text = f"{DOCUMENT}ReferenceIdList must be given."
        raise MetadataRefused(text, f"{DOCUMENT}ReferenceIdList", "XDSStoredQueryMissingParam")
    return await _find_documents(query, view)


async def _find_submission_sets(query: StoredQuery, view: View) -> list[RegistryObject]:
    return await _find_packages(query, view, SUBMISSION_SET)


async def _find_folders(query: StoredQuery, view: View) -> list[RegistryObject]:
    return await _find_packages(query, view, FOLDER)


async def _find_packages(query: StoredQuery, view: View, prefix: str) -> list[RegistryObject]:
    patient = _patient(query, f"{prefix}PatientId")
    searches = [(patient, *criteria) for criteria in package_searches(query, prefix, KINDS[prefix])]
    objects = view.objects(await view.search("List", searches))
    return _by_author(objects, query.uses(f"{prefix}AuthorPerson"))


async def _get_all(query: StoredQuery, view: View) -> list[RegistryObject]:
    patient = _patient(query, "$patientId")
    documents = await view.search(
        "DocumentReference", [(patient, *one) for one in document_searches(_of(query, DOCUMENT))]
    )
    lists = []
    for prefix, kind in KINDS.items():
        lists += await view.search(
            "List", [(patient, *one) for one in package_searches(_of(query, prefix), prefix, kind)]
        )
    found = [*documents, *lists]
    return [*view.objects(found), *view.associations(found)]


def _of(query: StoredQuery, prefix: str) -> StoredQuery:
    slots = tuple((name, values) for name, values in query.slots if name.startswith(prefix))
    return StoredQuery(query.query_id, slots, query.is_leaf)


async def _documents(query: StoredQuery, view: View) -> list[Resource]:
    """Return the documents that EntryUUID, LogicalID or UniqueId name: one of them must be given."""
    uuids = (*query.values(f"{DOCUMENT}EntryUUID"), *query.values(f"{DOCUMENT}LogicalID"))
    unique_ids = query.values(f"{DOCUMENT}UniqueId")
    if bool(uuids) == bool(unique_ids):
        text = f"Give {DOCUMENT}EntryUUID or {DOCUMENT}UniqueId, one of them."
        raise MetadataRefused(text, DOCUMENT, "XDSStoredQueryMissingParam")
    if uuids:
        return await view.by_entry_uuid("DocumentReference", uuids)
    found = await view.by_unique_id(unique_ids)
    return [one for one in found if hl7v2.unique_id(one.get("masterIdentifier", {})) in unique_ids]


async def _lists(query: StoredQuery, view: View, prefix: str) -> list[Resource]:
    uuids, unique_ids = query.values(f"{prefix}EntryUUID"), query.values(f"{prefix}UniqueId")
    if bool(uuids) == bool(unique_ids):
        text = f"Give {prefix}EntryUUID or {prefix}UniqueId, one of them."
        raise MetadataRefused(text, prefix, "XDSStoredQueryMissingParam")
    if uuids:
        found = await view.by_entry_uuid("List", uuids)
    else:
        identifiers = [hl7v2.unique_identifier(unique_id) for unique_id in unique_ids]
        tokens = ",".join(f"{one.get('system', '')}|{one['value']}" for one in identifiers)
        found = await view.search("List", [[("identifier", tokens)]])
    return [one for one in found if _kind(one) == KINDS[prefix]]


def _kind(resource: Resource) -> str:
    codings = resource.get("code", {}).get("coding", ())
    return next((coding.get("code", "") for coding in codings if coding.get("system") == LIST_TYPES), "")


async def _get_documents(query: StoredQuery, view: View) -> list[RegistryObject]:
    return view.objects(await _documents(query, view))


async def _get_folders(query: StoredQuery, view: View) -> list[RegistryObject]:
    return view.objects(await _lists(query, view, FOLDER))


async def _surrounded(resources: list[Resource], view: View) -> list[RegistryObject]:
    """Return the associations that begin or end at these resources."""
    around = await view.lists_of(resources)
    documents = [one for one in resources if one["resourceType"] == "DocumentReference"]
    relating = await view.relating(documents)
    await view.referred([target for one in resources for target in targets_of(one)])
    wanted = set(_uuids(view, resources))
    associations = view.associations([*resources, *around, *relating])
    return [one for one in associations if one.source in wanted or one.target in wanted]


def _uuids(view: View, resources: list[Resource]) -> list[str]:
    return [one.object_id for one in view.objects(resources)]


async def _get_associations(query: StoredQuery, view: View) -> list[RegistryObject]:
    uuids = query.values("$uuid")
    if not uuids:
        raise MetadataRefused("$uuid must be given.", "$uuid", "XDSStoredQueryMissingParam")
    documents = await view.by_entry_uuid("DocumentReference", uuids)
    return await _surrounded([*documents, *await view.by_entry_uuid("List", uuids)], view)


async def _get_documents_and_associations(query: StoredQuery, view: View) -> list[RegistryObject]:
    documents = await _documents(query, view)
    return [*view.objects(documents), *await _surrounded(documents, view)]


async def _get_submission_sets(query: StoredQuery, view: View) -> list[RegistryObject]:
    uuids = query.values("$uuid")
    if not uuids:
        raise MetadataRefused("$uuid must be given.", "$uuid", "XDSStoredQueryMissingParam")
    members = [*await view.by_entry_uuid("DocumentReference", uuids), *await view.by_entry_uuid("List", uuids)]
    sets = await view.lists_of(members, "submissionset")
    wanted = set(_uuids(view, members))
    return [*view.objects(sets), *(one for one in view.associations(sets) if one.target in wanted)]


async def _get_submission_set_and_contents(query: StoredQuery, view: View) -> list[RegistryObject]:
    return await _with_contents(await _lists(query, view, SUBMISSION_SET), view)


async def _get_folder_and_contents(query: StoredQuery, view: View) -> list[RegistryObject]:
    return await _with_contents(await _lists(query, view, FOLDER), view)


async def _with_contents(lists: list[Resource], view: View) -> list[RegistryObject]:
    contents = await view.referred([target for one in lists for target in targets_of(one)])
    found = [*lists, *contents]
    return [*view.objects(found), *view.associations(found)]


async def _get_folders_for_document(query: StoredQuery, view: View) -> list[RegistryObject]:
    return view.objects(await view.lists_of(await _documents(query, view), "folder"))


async def _get_related_documents(query: StoredQuery, view: View) -> list[RegistryObject]:
    types = query.values("$AssociationTypes")
    if not types:
        raise MetadataRefused("$AssociationTypes must be given.", "$AssociationTypes", "XDSStoredQueryMissingParam")
    documents = await _documents(query, view)
    relating = await view.relating(documents)
    related = await view.referred([target for one in documents for target in targets_of(one)])
    found = [*documents, *relating, *related]
    associations = [one for one in view.associations(found) if one.association_type in types]
    ends = {end for one in associations for end in (one.source, one.target)}
    return [*(one for one in view.objects(found) if one.object_id in ends), *associations]


QUERIES: Final[Mapping[str, Callable[[StoredQuery, View], Awaitable[list[RegistryObject]]]]] = {
    stored_query.FIND_DOCUMENTS: _find_documents,
    stored_query.FIND_DOCUMENTS_BY_REFERENCE_ID: _find_documents_by_reference_id,
    stored_query.FIND_SUBMISSION_SETS: _find_submission_sets,
    stored_query.FIND_FOLDERS: _find_folders,
    stored_query.GET_ALL: _get_all,
    stored_query.GET_DOCUMENTS: _get_documents,
    stored_query.GET_FOLDERS: _get_folders,
    stored_query.GET_ASSOCIATIONS: _get_associations,
    stored_query.GET_DOCUMENTS_AND_ASSOCIATIONS: _get_documents_and_associations,
    stored_query.GET_SUBMISSION_SETS: _get_submission_sets,
    stored_query.GET_SUBMISSION_SET_AND_CONTENTS: _get_submission_set_and_contents,
    stored_query.GET_FOLDER_AND_CONTENTS: _get_folder_and_contents,
    stored_query.GET_FOLDERS_FOR_DOCUMENT: _get_folders_for_document,
    stored_query.GET_RELATED_DOCUMENTS: _get_related_documents,
}
"""The stored queries by their ids."""
