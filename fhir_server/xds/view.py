"""The registry as XDS sees it: stored documents and lists as registry objects, and their associations.

Spec: https://profiles.ihe.net/ITI/TF/Volume3 (4.1, 4.2.2)
"""

from collections.abc import Iterable, Mapping
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from fhir_server.xds.finding import Criteria, Finding, Found, Resource
from mappings.xds.document_entry import document_entry_of, entry_uuid_of
from mappings.xds.ebrim import RegistryObject
from mappings.xds.submission_set import LIST_TYPES, package_of
from mappings.xds.vocabulary import APPROVED, HAS_MEMBER, RELATIONS

ASSOCIATION: Final = "urn:oasis:names:tc:ebxml-regrep:ObjectType:RegistryObject:Association"
_IDS_AT_ONCE: Final = 200


class View:
    """What one stored query has found so far, each object once."""

    def __init__(self, finding: Finding, repository: str) -> None:
        self._finding = finding
        self._repository = repository
        self._found: dict[str, Found] = {}
        self._resources: dict[str, Resource] = {}

    async def search(self, resource_type: str, searches: Iterable[Criteria]) -> list[Resource]:
        """Return what the searches find, and remember it."""
        return self.keep(await self._finding.all(resource_type, searches))

    async def by_entry_uuid(self, resource_type: str, uuids: Iterable[str]) -> list[Resource]:
        """Return the resources that have these entryUUIDs."""
        return self.keep(await self._finding.by_entry_uuid(resource_type, uuids))

    async def by_unique_id(self, unique_ids: Iterable[str]) -> list[Resource]:
        """Return the documents that have these uniqueIds."""
        return self.keep(await self._finding.by_unique_id(unique_ids))

    def keep(self, found: Found) -> list[Resource]:
        """Remember what was found; return its matches."""
        for resource in found.matches:
            reference = reference_of(resource)
            self._resources.setdefault(reference, resource)
            self._found.setdefault(reference, found)
        return found.matches

    async def referred(self, references: Iterable[str]) -> list[Resource]:
        """Return the documents and lists of these references that the caller may see."""
        by_type: dict[str, list[str]] = {"DocumentReference": [], "List": []}
        known = []
        for reference in dict.fromkeys(references):
            resource_type, _, resource_id = reference.partition("/")
            if reference in self._resources:
                known.append(self._resources[reference])
            elif resource_type in by_type and resource_id:
                by_type[resource_type].append(resource_id)
        for resource_type, ids in by_type.items():
            for start in range(0, len(ids), _IDS_AT_ONCE):
                criteria = [("_id", ",".join(ids[start : start + _IDS_AT_ONCE]))]
                known += await self.search(resource_type, [criteria])
        return known

    async def lists_of(self, resources: Iterable[Resource], kind: str = "") -> list[Resource]:
        """Return the submission sets and folders that hold any of these; of one `kind` when it is given."""
        items = ",".join(reference_of(resource) for resource in resources)
        if not items:
            return []
        kinds = (kind,) if kind else ("submissionset", "folder")
        codes = ",".join(f"{LIST_TYPES}|{one}" for one in kinds)
        return await self.search("List", [[("item", items), ("code", codes)]])

    async def relating(self, documents: Iterable[Resource]) -> list[Resource]:
        """Return the documents that say to replace, transform, append or sign any of these."""
        targets = ",".join(reference_of(document) for document in documents)
        return await self.search("DocumentReference", [[("relatesto", targets)]]) if targets else []

    def objects(self, resources: Iterable[Resource]) -> list[RegistryObject]:
        """Return the registry objects of documents and lists."""
        found = []
        for resource in {reference_of(one): one for one in resources}.values():
            place = self._found[reference_of(resource)]
            patient, resolve = place.patient_of(resource), place.resolve_for(resource)
            if resource["resourceType"] == "DocumentReference":
                found.append(document_entry_of(resource, patient, resolve, self._repository))
            else:
                found.append(package_of(resource, patient, resolve))
        return found

    def associations(self, resources: Iterable[Resource]) -> list[RegistryObject]:
        """Return the associations whose two ends were found and whose source is one of these."""
        found: dict[str, RegistryObject] = {}
        for resource in resources:
            source = entry_uuid_of(resource)
            for kind, target in _ends(resource):
                other = self._resources.get(target)
                if other is not None:
                    association = _association(kind, source, entry_uuid_of(other))
                    found[association.object_id] = association
        return list(found.values())


def reference_of(resource: Resource) -> str:
    """Return the relative reference of a stored resource."""
    return f"{resource['resourceType']}/{resource['id']}"


def targets_of(resource: Resource) -> list[str]:
    """Return the references that a document or list has associations with."""
    return [target for _, target in _ends(resource)]


def _ends(resource: Resource) -> list[tuple[str, str]]:
    if resource["resourceType"] == "List":
        return [(HAS_MEMBER, entry["item"].get("reference", "")) for entry in resource.get("entry", ())]
    relations = resource.get("relatesTo", ())
    return [(RELATIONS[one["code"]], one["target"].get("reference", "")) for one in relations]


def _association(kind: str, source: str, target: str) -> RegistryObject:
    slots: Mapping[str, tuple[str, ...]] = {"SubmissionSetStatus": ("Original",)} if kind == HAS_MEMBER else {}
    return RegistryObject(
        kind="Association",
        object_id=f"urn:uuid:{uuid5(NAMESPACE_URL, f'{kind} {source} {target}')}",
        object_type=ASSOCIATION,
        status=APPROVED,
        association_type=kind,
        source=source,
        target=target,
        slots=slots,
    )
