"""Relations: documents that replace, transform, append or sign others.

Spec: documentreference.html (relatesTo), https://profiles.ihe.net/ITI/MHD/4.2.3/ITI-65.html (Replace ... Associations)
"""

from typing import Any, Final

import msgspec

from fhir_server.access.callers import is_his
from fhir_server.access.decision import decide
from fhir_server.documents.feeding import Feeding
from fhir_server.documents.sharing.submission import Part, Problems, Submission, placed
from fhir_server.foundation.operation_outcome import Conflict, Forbidden, Issue
from fhir_server.foundation.references import parse_reference
from fhir_server.foundation.resource import Version
from fhir_server.interactions.conditional import criteria_of, find_match
from fhir_server.interactions.request import Request
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
_UNRESOLVED: Final = "UnresolvedReferenceException"
_DEPRECATED: Final = "XDSRegistryDeprecatedDocumentError"
_CURRENT_ONLY: Final = ("appends", "transforms")


async def is_own(request: Request, transaction: Transaction, version: Version) -> bool:
    """Say whether the caller deposited or wrote a document; whoever may do everything counts as both."""
    grant = request.grant
    if grant.kind == "open" or grant.is_operator:
        return True
    return await transaction.read(version.resource_type, version.resource_id, within=is_his(grant)) is not None


class Relations:
    """Follows the `relatesTo` of a submission's documents to stored ones; `replaced` gathers those that end."""

    def __init__(self, feeding: Feeding, problems: Problems, patient: str) -> None:
        self._feeding = feeding
        self._problems = problems
        self._patient = patient
        self.replaced: dict[str, Resource] = {}
        """Stored documents that are replaced, by reference."""
        self.targets: dict[str, str] = {}
        """What each relation leads to, by its place."""

    async def follow(self, submission: Submission) -> None:
        """Note every relation that cannot be; raises Conflict and Forbidden for a replacement that may not be."""
        own = {document.entry.full_url for document in submission.documents} - {""}
        for document in submission.documents:
            for index, relation in enumerate(document.entry.resource.get("relatesTo", ())):
                place = f"{document.entry.place}.relatesTo[{index}]"
                target = relation.get("target", {})
                if target.get("reference") in own:
                    if relation.get("code") == "replaces":
                        self._problems.add(place, "a document of the same submission is not replaced.", _UNRESOLVED)
                    continue
                await self._follow(relation, place)
        for part in submission.superseded:
            await self._check_patch(part)

    async def _follow(self, relation: Resource, place: str) -> None:
        old = await self._target(relation.get("target", {}))
        if old is None:
            self._problems.add(f"{place}.target", "there is no such document.", _UNRESOLVED, "not-found")
            return
        resource = msgspec.json.decode(old.content)
        if self._patient and resource.get("subject", {}).get("reference") != self._patient:
            self._problems.add(
                f"{place}.target", "it is about another patient.", "XDSPatientIdDoesNotMatch", "business-rule"
            )
            return
        if relation.get("code") in _CURRENT_ONLY and resource["status"] != "current":
            reason = f"it is {resource['status']}: only a current document is appended to or transformed."
            self._problems.add(f"{place}.target", reason, _DEPRECATED, "business-rule")
        if relation.get("code") == "replaces":
            await self._check_replaceable(old, resource, place)
            self.replaced[old.reference] = resource
        self.targets[place] = old.reference

    async def _check_replaceable(self, old: Version, resource: Resource, place: str) -> None:
        if old.reference in self.replaced:
            self._problems.add(place, f"{old.reference} is replaced twice by this submission.", "XDSReplaceFailed")
        elif resource["status"] != "current":
            reason = f"{old.reference} is {resource['status']}: only a current document is replaced, and only once."
            raise Conflict(reason, issues=(Issue("error", "conflict", reason, (place,), _DEPRECATED),))
        elif not await is_own(self._feeding.request, self._feeding.transaction, old):
            reason = f"{old.reference} was written and deposited by others, and only they replace it."
            raise placed(Forbidden(reason), place)

    async def _check_patch(self, part: Part) -> None:
        """A patch of a submission only repeats that what is replaced becomes superseded."""
        if not _is_superseding(part.resource):
            self._problems.add(
                part.place,
                "a patch of a submission replaces DocumentReference.status by superseded, and nothing else.",
                "XDSRegistryMetadataError",
            )
            return
        old = await self._target({"reference": part.reference})
        if old is None or old.reference not in self.replaced:
            self._problems.add(
                part.place, "no document of the submission replaces the one that this patch ends.", _UNRESOLVED
            )
            return
        self.targets[part.place] = old.reference

    async def _target(self, target: Resource) -> Version | None:
        """Return a stored document that the caller may know of, or None."""
        finding, transaction = self._feeding.finding, self._feeding.transaction
        named = parse_reference(str(target.get("reference", "")), (self._feeding.request.base_url,))
        found = None
        if named.target_type == "DocumentReference" and named.kind == "relative":
            found = await transaction.read("DocumentReference", named.target_id)
        elif named.target_type == "DocumentReference" and named.kind == "conditional" and not named.base_url:
            # Within the caller's decision: criteria would tell of documents that he may not know.
            asked = msgspec.structs.replace(self._feeding.request, resource_type="DocumentReference")
            found = await find_match(asked, transaction, finding.runtime, criteria_of(named.query))
        elif not target.get("reference") and target.get("identifier", {}).get("value"):
            stored = await finding.document(target["identifier"])
            found = None if stored is None else await transaction.read("DocumentReference", stored["id"])
        if found is None or found.is_deleted or not await self._is_known(found):
            return None
        return found

    async def _is_known(self, version: Version) -> bool:
        """Say whether the caller sees a document or has it: to all others it is as if it were not there."""
        request, transaction = self._feeding.request, self._feeding.transaction
        if await is_own(request, transaction, version):
            return True
        try:
            within = decide(request.grant, "read", version.resource_type)
        except Forbidden:
            return False
        return await transaction.read(version.resource_type, version.resource_id, within=within) is not None


def _is_superseding(parameters: Resource) -> bool:
    operations = parameters.get("parameter", [])
    if len(operations) != 1 or operations[0].get("name") != "operation":
        return False
    parts = {part.get("name"): part for part in operations[0].get("part", ())}
    said = {name: next((part[key] for key in part if key.startswith("value")), "") for name, part in parts.items()}
    return said == {"type": "replace", "path": "DocumentReference.status", "value": "superseded"}
