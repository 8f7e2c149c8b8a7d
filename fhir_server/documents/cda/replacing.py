"""Replace a document: the old one is superseded, what was converted from it is deleted (its history stays).

Spec: documentreference.html (relatesTo, status)
"""

from typing import Any

from msgspec.structs import replace

from fhir_server.documents.finding import Finding, reference_of
from fhir_server.foundation.operation_outcome import Issue
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.request import Request, Response
from fhir_server.interactions.write import prepare

Resource = dict[str, Any]
KEPT = ("Provenance", "AuditEvent", "Binary", "DocumentReference")
"""What stays of a replaced document: itself, its original, and the trace."""


class Replacing:
    """Follows the `relatesTo` of a new DocumentReference; `issues` is what must be told."""

    def __init__(self, finding: Finding) -> None:
        self._finding = finding
        self.issues: list[Issue] = []

    async def follow(self, document_reference: Resource) -> Resource:
        """Return the DocumentReference whose `relatesTo` points at the stored documents that it replaces."""
        if "relatesTo" not in document_reference:
            return document_reference
        relations = [await self._follow(relation) for relation in document_reference["relatesTo"]]
        return {**document_reference, "relatesTo": relations}

    async def _follow(self, relation: Resource) -> Resource:
        identifier = relation["target"].get("identifier")
        if relation["code"] != "replaces" or not identifier:
            return relation
        old = await self._finding.document(identifier)
        if old is None:
            self._warn(f"The replaced document {identifier['value']} is not here; nothing is marked superseded.")
            return relation
        version = await self._finding.transaction.read("DocumentReference", old["id"])
        # Choice: only who deposited a document may replace it; another's stays current, with a warning.
        if version is None or version.depositor != self._finding.request.grant.actor:
            self._warn(f"The replaced document {identifier['value']} was deposited by another; it stays current.")
            return relation
        await self.supersede(old)
        return {**relation, "target": {**relation["target"], "reference": reference_of(old)}}

    async def supersede(self, old: Resource) -> Response:
        """Mark a stored document superseded, delete what was converted from it, and return the answer of the update.

        What was converted stays in the history.
        """
        finding = self._finding
        superseded = {**old, "status": "superseded"}
        asked = prepare(self._asking("update", old, superseded), finding.runtime)
        response = await perform(asked, finding.transaction, finding.runtime)
        for resource in await finding.all("", ("_source", reference_of(old))):
            if resource["resourceType"] not in KEPT:
                await perform(self._asking("delete", resource), finding.transaction, finding.runtime)
        return response

    def _asking(self, interaction: str, resource: Resource, body: Resource | None = None) -> Request:
        return replace(
            self._finding.request,
            interaction=interaction,
            resource_type=resource["resourceType"],
            resource_id=resource["id"],
            parameters=(),
            resource=body,
            content=b"",
        )

    def _warn(self, diagnostics: str) -> None:
        self.issues.append(Issue("warning", "not-found", diagnostics, ("DocumentReference.relatesTo",)))
