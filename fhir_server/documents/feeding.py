"""Feed a record: people matched by their identity, resources created, within one transaction.

Spec: http.html#create, provenance.html; CSP R.1111-47 (feeding needs no reading right)
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec
from msgspec.structs import replace

import mappings
from fhir_server.documents.finding import Finding
from fhir_server.documents.identities import find_known, find_role
from fhir_server.foundation.dates import format_instant
from fhir_server.foundation.operation_outcome import Issue
from fhir_server.foundation.resource import Version
from fhir_server.interactions.bundle.links import Links
from fhir_server.interactions.dispatch import perform
from fhir_server.interactions.request import Request, Response, Runtime
from fhir_server.interactions.write import prepare
from fhir_server.storage.store import Transaction

Resource = dict[str, Any]
SHARED: Final = ("Patient", "Practitioner", "Organization", "PractitionerRole")
"""Types that a document shares with others, in the order in which they refer to each other."""
TRAITS: Final = ("birthDate", "gender")


class Feeding:
    """Write for a caller within one transaction; `links` says what each fullUrl became, `created` what was made.

    Choice: identities exist once, whoever asks, so they are matched beyond the caller's decision; and feeding a
    record needs no reading right. The caller's own grant is judged where the document itself is created.
    """

    def __init__(self, request: Request, runtime: Runtime, transaction: Transaction) -> None:
        plain = replace(request, parameters=(), content=b"", if_match="", if_none_exist=None, prefer_return="minimal")
        self.request = plain
        self.finding = Finding(replace(plain, grant=replace(request.grant, kind="open")), runtime, transaction)
        self.runtime = runtime
        self.transaction = transaction
        self.links: dict[str, str] = {}
        self.created: list[str] = []
        self.issues: list[Issue] = []

    async def create(
        self, resource: Resource, reference: str, request: Request | None = None, full_url: str = ""
    ) -> Response:
        """Create a resource under `Type/id`, its links replaced; under the caller's own grant when `request` is his.

        Relative links are resolved against the root of the `fullUrl` under which the resource came.
        """
        resource_type, _, resource_id = reference.partition("/")
        asked = replace(
            request or self.finding.request,
            interaction="create",
            resource_type=resource_type,
            resource=Links(self.links).relink(resource, full_url),
            content=b"",
            assigned_id=resource_id,
        )
        response = await perform(prepare(asked, self.runtime), self.transaction, self.runtime)
        self.created.append(reference)
        return response

    async def share(self, full_url: str, resource: Resource) -> None:
        """Use the stored resource of the same identity, or create one that other documents will use."""
        linked = Links(self.links).relink(resource)
        known = await self._find(linked)
        if known:
            self.links[full_url] = known
        elif resource["resourceType"] == "Patient" or _is_identified(resource):
            self.links[full_url] = self.new(resource["resourceType"])
            await self.create(linked, self.links[full_url])

    async def share_all(self, resources: dict[str, Resource]) -> None:
        """Share those of the resources, by fullUrl, that documents have in common and whose link is not known yet."""
        for resource_type in SHARED:
            for full_url, resource in resources.items():
                if resource["resourceType"] == resource_type and full_url not in self.links:
                    await self.share(full_url, resource)

    def new(self, resource_type: str) -> str:
        """Return the reference of a resource about to be created."""
        return f"{resource_type}/{self.runtime.new_id()}"

    async def link(self, conversion: mappings.Conversion) -> dict[str, Resource]:
        """Share the people of a document, and give all else ids: return that, by fullUrl, still to be created."""
        resources = {entry["fullUrl"]: entry["resource"] for entry in conversion.bundle["entry"]}
        await self.share_all(resources)
        own = {url: resource for url, resource in resources.items() if url not in self.links}
        self.links |= {url: self.new(resource["resourceType"]) for url, resource in own.items()}
        return own

    async def spread(self, own: dict[str, Resource], document: str) -> None:
        """Create what was converted from a document, as `link` gave it; the document governs it."""
        for full_url, resource in own.items():
            await self.create(_governed(resource, document), self.links[full_url])

    async def trace(self, document: str, authors: Iterable[Resource], sources: Iterable[str]) -> None:
        """Create the Provenance of all that was created: who wrote it, who sent it, and from which files it comes."""
        agents = [{"type": _agent_type("author"), "who": _bare(author)} for author in authors]
        if self.request.grant.actor:
            agents.append({"type": _agent_type("transmitter"), "who": {"reference": self.request.grant.actor}})
        if not agents:
            agents = [{"type": _agent_type("transmitter"), "who": {"display": self.request.grant.display or "unknown"}}]
        provenance = {
            "resourceType": "Provenance",
            **({"meta": {"source": document}} if document else {}),
            "target": [{"reference": reference} for reference in self.created],
            "recorded": format_instant(self.runtime.now()),
            "agent": agents,
        }
        entities = [{"role": "source", "what": {"reference": source}} for source in sources]
        if entities:
            provenance["entity"] = entities
        await self.create(provenance, self.new("Provenance"))

    async def _find(self, resource: Resource) -> str:
        if resource["resourceType"] == "PractitionerRole":
            return await find_role(self.finding, resource)
        known = await find_known(self.finding, resource)
        if known is not None and resource["resourceType"] == "Patient":
            self._compare(known, resource)
        return known.reference if known is not None else ""

    def _compare(self, known: Version, resource: Resource) -> None:
        """Warn when a patient known by INS has other identity traits than the document says."""
        stored = msgspec.json.decode(known.content)
        for trait in TRAITS:
            if trait in resource and trait in stored and resource[trait] != stored[trait]:
                self.issues.append(
                    Issue(
                        "warning",
                        "conflict",
                        f"The document says {trait} {resource[trait]}, the record says {stored[trait]}: the record was "
                        "kept; check the identity (identitovigilance).",
                        (f"Patient.{trait}",),
                    )
                )


def _governed(resource: Resource, document: str) -> Resource:
    """Return the resource with its governing document; a Binary is governed by its securityContext."""
    if resource["resourceType"] == "Binary":
        return {**resource, "securityContext": {"reference": document}}
    return {**resource, "meta": {**resource.get("meta", {}), "source": document}}


def _is_identified(resource: Resource) -> bool:
    if resource["resourceType"] == "PractitionerRole":
        return all("reference" in resource.get(name, {}) for name in ("practitioner", "organization"))
    return bool(resource.get("identifier"))


def _agent_type(code: str) -> Resource:
    return {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/provenance-participant-type", "code": code}]}


def _bare(reference: Resource) -> Resource:
    return {name: reference[name] for name in ("reference", "display", "identifier") if name in reference}
