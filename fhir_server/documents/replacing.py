"""Replace a document: the old one is superseded, what was converted from it is deleted (its history stays).

Spec: documentreference.html (relatesTo, status)
"""

from typing import Any

import msgspec
from msgspec.structs import replace

from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.resource import Version
from fhir_server.interactions.conditional import find_match
from fhir_server.interactions.delete import delete
from fhir_server.interactions.request import Request, Runtime
from fhir_server.interactions.search import search
from fhir_server.interactions.update import update
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]


class Replacing:
    """Follows the `relatesTo` of a new DocumentReference within one transaction; `issues` is what must be told."""

    def __init__(self, request: Request, runtime: Runtime, transaction: Transaction) -> None:
        self._request = request
        self._runtime = runtime
        self._transaction = transaction
        self.issues: list[Issue] = []

    async def follow(self, document_reference: Resource) -> Resource:
        """Return the DocumentReference whose `relatesTo` points at the stored documents that it replaces."""
        if "relatesTo" not in document_reference:
            return document_reference
        relations = [await self._follow(relation) for relation in document_reference["relatesTo"]]
        return {**document_reference, "relatesTo": relations}

    async def _follow(self, relation: Resource) -> Resource:
        identifier = relation.get("target", {}).get("identifier")
        if relation["code"] != "replaces" or not identifier:
            return relation
        criteria = (("identifier", f"{identifier.get('system', '')}|{identifier['value']}"),)
        asked = replace(self._request, resource_type="DocumentReference")
        version = await find_match(asked, self._transaction, criteria)
        if version is None:
            self._warn(f"The replaced document {identifier['value']} is not here; it will not be marked superseded.")
            return relation
        # Choice: only who deposited a document may replace it; another's stays current, with a warning.
        if version.depositor != self._request.grant.actor:
            self._warn(f"The replaced document {identifier['value']} was deposited by another; it stays current.")
            return relation
        await self._supersede(version)
        return {**relation, "target": {**relation["target"], "reference": version.reference}}

    async def _supersede(self, version: Version) -> None:
        resource = msgspec.json.decode(version.content)
        request = replace(
            self._request,
            interaction="update",
            resource_type=version.resource_type,
            resource_id=version.resource_id,
            resource={**resource, "status": "superseded"},
            content=b"",
        )
        await update(request, self._transaction, self._runtime)
        for reference in await self._converted(version.reference):
            resource_type, _, resource_id = reference.partition("/")
            asked = replace(
                self._request, interaction="delete", resource_type=resource_type, resource_id=resource_id, content=b""
            )
            await delete(asked, self._transaction, self._runtime)

    async def _converted(self, document: str) -> list[str]:
        count = self._runtime.limits.count_maximum
        asked = replace(
            self._request,
            interaction="search",
            resource_type="",
            parameters=(("_source", document), ("_count", str(count))),
            content=b"",
        )
        response = await search(asked, self._transaction, self._runtime)
        entries = msgspec.json.decode(response.content).get("entry", ())
        resources = (entry["resource"] for entry in entries)
        return [
            f"{resource['resourceType']}/{resource['id']}"
            for resource in resources
            if resource["resourceType"] not in ("Provenance", "AuditEvent")
        ]

    def _warn(self, diagnostics: str) -> None:
        self.issues.append(Issue("warning", "not-found", diagnostics, ("DocumentReference.relatesTo",)))
